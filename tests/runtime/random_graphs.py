"""Packed networks drawn at random, of all operators, with several readers of everything."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt

from bitgrove.runtime import Graph, Node

from .trees import random_trees

CHANNELS = (1, 2, 3, 4, 6, 8, 16, 31, 32, 33, 63, 64, 65, 96, 128, 130, 192)
_MOST_MACS = 3_000_000
_MOST_NUMBERS = 60_000


@dataclass
class _Value:
    channels: int
    sides: tuple[int, ...]
    bits: int = 0
    """Groups of bits, or 0 for real numbers."""
    bound: float = 4.0
    """No number is larger."""

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.channels, *self.sides)


@dataclass
class Builder:
    """Adds operators that fit to what is there.

    ``random`` draws the structure; ``smooth`` says whether tensors are normal numbers, else they
    are small multiples of powers of two, so that nearly all sums are exact.
    """

    random: Random
    smooth: bool
    values: list[_Value] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.numbers = np.random.default_rng(self.random.randrange(1 << 30))
        self.axes = self.random.choice([2, 2, 2, 1, 3])
        most = {1: 48, 2: 13, 3: 6}[self.axes]
        sides = tuple(self.random.randint(1, most) for _ in range(self.axes))
        self.values.append(_Value(self.random.choice(CHANNELS), sides))

    # What the operators are made of.

    def reals(self, *shape: int, choices: tuple[float, ...]) -> npt.NDArray[np.float32]:
        if self.smooth:
            return self.numbers.standard_normal(shape).astype(np.float32)
        return self.numbers.choice(choices, shape).astype(np.float32)

    def signs(self, rows: tuple[int, ...], channels: int) -> npt.NDArray[np.uint8]:
        return np.packbits(self.numbers.integers(0, 2, (*rows, channels), dtype=np.uint8), -1)

    def pick(self, kind: str, like: int | None = None) -> int | None:
        """A value, most often the last: "real" or "bits"; ``like``: of the same shape."""
        fits = [
            number
            for number, value in enumerate(self.values)
            if (value.bits > 0) == (kind == "bits")
            and (like is None or value.shape == self.values[like].shape)
        ]
        if not fits:
            return None
        return fits[-1] if self.random.random() < 0.6 else self.random.choice(fits)

    def append(
        self,
        op: str,
        inputs: tuple[int, ...],
        result: _Value,
        attributes: dict[str, Any] | None = None,
        tensors: dict[str, npt.NDArray] | None = None,
    ) -> int:
        name = f"{op}-{len(self.nodes)}"
        self.nodes.append(Node(op, name, inputs, attributes or {}, tensors or {}))
        self.values.append(result)
        return len(self.nodes)

    def tame(self, value: int) -> int:
        """The value, cut off if it could be large."""
        v = self.values[value]
        if v.bound <= 4096:
            return value
        return self.clip(value, -4, 4, 0.0)

    def vector(self, channels: int) -> npt.NDArray[np.float32]:
        return self.reals(channels, choices=(-1.5, -1.0, 0.0, 0.5, 2.0, 3.0))

    def factors(self, *shape: int) -> npt.NDArray[np.float32]:
        return self.reals(*shape, choices=(-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0))

    def divisor(self, *numbers: int) -> int:
        common = math.gcd(*numbers)
        fits = [g for g in (1, 1, 1, 2, 3, 4, 8, common) if common % g == 0]
        return self.random.choice(fits)

    def window(
        self, sides: tuple[int, ...], *, same: bool, pool: bool
    ) -> tuple[dict[str, Any], tuple[int, ...]]:
        """Kernel, stride, padding and dilation that fit, and the sides of the result."""
        out: dict[str, Any] = {"kernel": [], "stride": [], "padding": [], "dilation": []}
        ceil = pool and self.random.random() < 0.4
        result = []
        for side in sides:
            kernel = self.random.choice([1, 3] if same else [1, 2, 3, 3, 4, 5])
            padding = (kernel - 1) // 2 if same else self.random.choice([0, 0, 1, 2, 3])
            if pool:
                padding = min(padding, kernel // 2)
            dilation = 1 if same or pool else self.random.choice([1, 1, 1, 2, 3])
            stride = 1 if same else self.random.choice([1, 1, 2, 2, 3, 5])
            padded = side + 2 * padding
            if dilation * (kernel - 1) + 1 > padded:
                dilation, kernel = 1, min(kernel, padded)
                padding = min(padding, kernel // 2) if pool else padding
                if kernel > side + 2 * padding:
                    kernel, padding = 1, 0
            reach = dilation * (kernel - 1) + 1
            room = side + 2 * padding - reach
            count = room // stride + 1
            if ceil:
                count = -(-room // stride) + 1
                count -= (count - 1) * stride >= side + padding
            for key, number in zip(out, (kernel, stride, padding, dilation), strict=True):
                out[key].append(number)
            result.append(count)
        if pool:
            del out["dilation"]
            out["ceil"] = ceil
        return out, tuple(result)

    # The operators.

    def convolution(self, name: str, value: int, *, same: bool = False, wide: bool = False) -> int:
        value = self.tame(value)
        v = self.values[value]
        window, sides = self.window(v.sides, same=same, pool=False)
        groups = v.bits or self.divisor(v.channels)
        outs = v.channels if same else self.random.choice(CHANNELS)
        if wide:
            outs = self.random.choice([128, 192, 256])
        outs = max(1, outs // groups) * groups
        kernel = window.pop("kernel")
        inner, taps = v.channels // groups, math.prod(kernel)
        while outs > groups and outs * math.prod(sides) * taps * inner > _MOST_MACS:
            outs = max(1, outs // groups // 2) * groups
        if outs * math.prod(sides) > _MOST_NUMBERS:
            return value
        attributes = {**window, "groups": groups}
        bound = max(v.bound, 1) * inner * taps
        tensors: dict[str, npt.NDArray] = {}
        if name == "byte_conv":
            attributes["step"] = self.random.choice([0.03, 0.25, 0.5, 1.0])
            attributes["zero"] = self.random.choice([0, 7, 128, 255])
            weight = self.numbers.integers(-127, 128, (outs, *kernel, inner))
            tensors["weight"] = weight.astype(np.int8)
            tensors["scale"] = self.factors(outs) / np.float32(512)
            bound = 255 * inner * taps
        else:
            attributes["pad_value"] = self.random.choice([-1, 0, 0, 1])
        if name == "conv":
            tensors["weight"] = self.reals(outs, *kernel, inner, choices=(-1, 0, 1, 2))
            bound *= 4
        elif name != "byte_conv":
            tensors["weight"] = self.signs((outs, *kernel), inner)
            if self.random.random() < 0.5:
                tensors["scale"] = self.factors(outs)
                bound *= 4
        if self.random.random() < 0.5:
            tensors["bias"] = self.vector(outs)
        result = _Value(outs, sides, bound=bound + 4)
        return self.append(f"{name}{self.axes}d", (value,), result, attributes, tensors)

    def fern_conv(self, value: int) -> int:
        value = self.tame(value)
        v = self.values[value]
        window, sides = self.window(v.sides, same=False, pool=False)
        groups = self.divisor(v.channels)
        outs = max(1, self.random.choice(CHANNELS) // groups)
        depth = self.random.choice([1, 2, 3, 4, 4, 4, 5, 6, 7, 8])
        ferns = self.random.choice([1, 2, 3, 5, 12])
        lookups = outs * groups * math.prod(sides) * ferns
        if lookups > _MOST_MACS or outs * groups * math.prod(sides) > _MOST_NUMBERS:
            return value
        tests = ferns * depth
        readable = v.channels // groups * math.prod(window["kernel"])
        place = self.numbers.integers(0, readable, (groups, tests))
        place += readable * np.arange(groups)[:, None]
        table = self.numbers.integers(-127, 128, (groups, ferns, 1 << depth, outs))
        tensors: dict[str, npt.NDArray] = {
            "place": place.ravel().astype(np.int32),
            "threshold": self.vector(groups * tests) * np.float32(1 if v.bound < 100 else 50),
            "table": table.astype(np.int8),
        }
        for role in ("flip", "outside"):
            if self.random.random() < 0.6:
                tensors[role] = self.signs((), groups * tests)
        if self.random.random() < 0.6:
            tensors["scale"] = self.factors(groups * outs)
        if self.random.random() < 0.4:
            tensors["bias"] = self.vector(groups * outs)
        result = _Value(groups * outs, sides, bound=4 * 127 * ferns + 4)
        return self.append(f"fern_conv{self.axes}d", (value,), result, window, tensors)

    def fern_chain(self, value: int) -> int:
        """Ferns that read ferns, in steps of which some need no numbers between them."""
        for _ in range(self.random.randint(2, 3)):
            value = self.fern_conv(value)
        return value

    def signed(self, op: str, value: int, groups: int = 0) -> int:
        v = self.values[value]
        tensors: dict[str, npt.NDArray] = {}
        if self.random.random() < 0.5:
            spread = 1 if v.bound < 100 else 4
            tensors["threshold"] = self.vector(v.channels) * np.float32(spread)
        if self.random.random() < 0.4:
            tensors["flip"] = self.signs((), v.channels)
        if op == "binarise":
            return self.append(op, (value,), _Value(*self._of(v), bound=1), {}, tensors)
        groups = groups or self.divisor(v.channels)
        result = _Value(*self._of(v), bits=groups, bound=1)
        return self.append(op, (value,), result, {"groups": groups}, tensors)

    def _of(self, v: _Value) -> tuple[int, tuple[int, ...]]:
        return v.channels, v.sides

    def clip(self, value: int, low: float, high: float, slope: float) -> int:
        v = self.values[value]
        bound = max(abs(low), abs(high)) + abs(slope) * v.bound
        attributes = {"low": low, "high": high, "slope": slope}
        return self.append("clip", (value,), _Value(*self._of(v), bound=bound), attributes)

    def pool(self, op: str, value: int, *, same: bool = False) -> int:
        v = self.values[value]
        attributes, sides = self.window(v.sides, same=same, pool=True)
        if op == "avg_pool":
            attributes["count_padding"] = self.random.random() < 0.5
        result = _Value(v.channels, sides, bound=v.bound)
        return self.append(f"{op}{self.axes}d", (value,), result, attributes)

    def pointwise(self, op: str, value: int) -> int:
        value = self.tame(value)
        v = self.values[value]
        c = v.channels
        bound, attributes, tensors = v.bound, {}, {}
        if op == "affine":
            tensors = {"scale": self.factors(c), "bias": self.vector(c)}
            bound = 4 * bound + 4
        elif op == "prelu":
            tensors = {"slope": self.reals(c, choices=(-0.5, 0.0, 0.25, 0.5, 1.0, 2.0))}
            for role in ("before", "after"):
                if self.random.random() < 0.5:
                    tensors[role] = self.vector(c)
            bound = 4 * bound + 20
        elif op == "scale_map":
            sides = [side if self.random.random() < 0.6 else 1 for side in (*v.sides, c)]
            tensors = {"map": self.factors(*sides)}
            bound *= 4
        elif op == "clip":
            low = self.random.choice([-8.0, -1.0, 0.0])
            return self.clip(value, low, low + 2, self.random.choice([0.0, 0.0, 0.125]))
        elif op == "sigmoid":
            bound = 1
        return self.append(op, (value,), _Value(*self._of(v), bound=bound), attributes, tensors)

    def add(self, a: int, b: int) -> int:
        v = self.values[a]
        bound = v.bound + self.values[b].bound
        return self.append("add", (a, b), _Value(*self._of(v), bound=bound))

    def multiply(self, a: int) -> int:
        a = self.tame(a)
        v = self.values[a]
        fits = [
            number
            for number, w in enumerate(self.values)
            if not w.bits
            and v.channels % w.channels == 0
            and (math.prod(w.sides) == 1 or w.sides == v.sides)
        ]
        b = self.random.choice(fits)
        if self.values[b].bound > 4096:
            return a
        bound = v.bound * self.values[b].bound
        return self.append("multiply", (a, b), _Value(*self._of(v), bound=bound))

    def concat(self, a: int) -> int:
        sides = self.values[a].sides
        fits = [n for n, w in enumerate(self.values) if not w.bits and w.sides == sides]
        inputs = [a, *(self.random.choice(fits) for _ in range(self.random.randint(1, 3)))]
        self.random.shuffle(inputs)
        channels = sum(self.values[i].channels for i in inputs)
        if channels > 400 or channels * math.prod(sides) > _MOST_NUMBERS:
            return a
        bound = max(self.values[i].bound for i in inputs)
        return self.append("concat", tuple(inputs), _Value(channels, sides, bound=bound))

    def shape_changing(self, op: str, value: int) -> int:
        v = self.values[value]
        if op == "flatten":
            count = math.prod(v.shape)
            if count > 1500:
                return value
            return self.append(op, (value,), _Value(count, (1,) * self.axes, bound=v.bound))
        if op == "pad":
            before, after = ([self.random.randint(0, 2) for _ in v.sides] for _ in range(2))
            number = self.random.choice([0, -1, 0.5])
            attributes = {"before": before, "after": after, "value": number}
            sides = tuple(map(sum, zip(v.sides, before, after, strict=True)))
        elif op == "adaptive_avg_pool":
            whole = self.random.random() < 0.5
            sides = tuple(1 if whole else self.random.randint(1, 5) for _ in v.sides)
            attributes = {"size": list(sides)}
        else:
            sides = tuple(self.random.randint(1, 2 * side + 1) for side in v.sides)
            steps = [
                self.random.choice([a / b, 0.5, 1.0]) for a, b in zip(v.sides, sides, strict=True)
            ]
            mode = self.random.choice(["nearest", "linear"])
            attributes = {"size": list(sides), "step": steps, "mode": mode}
        if v.channels * math.prod(sides) > _MOST_NUMBERS:
            return value
        return self.append(op, (value,), _Value(v.channels, sides, bound=v.bound), attributes)

    def input_scale(self, value: int) -> int:
        v = self.values[value]
        attributes, sides = self.window(v.sides, same=False, pool=False)
        attributes["groups"] = self.divisor(v.channels)
        result = _Value(attributes["groups"], sides, bound=v.bound)
        return self.append("input_scale", (value,), result, attributes)

    def forest(self, value: int) -> int:
        value = self.tame(value)
        v = self.values[value]
        if math.prod(v.sides) > 200:
            return value
        outs = self.random.choice([1, 2, 3, 10, 17])
        seed = np.random.default_rng(self.random.randrange(1 << 30))
        tensors = random_trees(seed, v.channels, outs, trees=self.random.randint(1, 5))
        if not self.smooth:
            tensors = {
                role: np.round(array * 4) / np.float32(4) if array.dtype == np.float32 else array
                for role, array in tensors.items()
            }
        return self.append("forest", (value,), _Value(outs, v.sides, bound=40), {}, tensors)

    def ferns(self, value: int) -> int:
        v = self.values[value]
        count, depth = self.random.randint(1, 9), self.random.randint(1, 6)
        outs = self.random.choice([1, 1, 2, 5, 16, 33])
        if outs * math.prod(v.sides) > _MOST_NUMBERS:
            return value
        shape = (count, depth)
        tensors: dict[str, npt.NDArray] = {}
        for role in ("feature", "other") if self.random.random() < 0.4 else ("feature",):
            tensors[role] = self.numbers.integers(0, v.channels, shape).astype(np.int32)
        if len(tensors) == 1 and self.random.random() < 0.8:
            tensors["threshold"] = self.reals(*shape, choices=(-2.0, -0.5, 0.0, 0.5, 1.0))
        bound = 4.0
        if self.random.random() < 0.5:
            tensors["leaf"] = self.factors(count << depth, outs)
        else:
            codes = self.numbers.integers(-127, 128, (count << depth, outs))
            tensors["codes"] = codes.astype(np.int8)
            tensors["scale"] = np.float32([self.random.choice([0.125, 1.0])])
            bound = 127.0
        if self.random.random() < 0.5:
            tensors["bias"] = self.vector(outs)
        result = _Value(outs, v.sides, bound=bound * count + 4)
        return self.append("ferns", (value,), result, {}, tensors)

    # What networks are made of: where operators are fused.

    def residual(self, value: int) -> int:
        """Sign, convolution of the same shape, perhaps a norm, the sum, perhaps an activation."""
        v = self.values[value]
        y = self.signed("sign", value) if self.random.random() < 0.8 else value
        name = "binary_conv" if self.values[y].bits else "conv"
        y = self.convolution(name, y, same=True)
        if self.values[y].shape != v.shape:
            return y
        if self.random.random() < 0.5:
            y = self.pointwise("affine", y)
        pair = (y, value) if self.random.random() < 0.5 else (value, y)
        if self.values[y].shape == v.shape and self.values[value].bound <= 1e6:
            y = self.add(*pair)
        return self.pointwise("prelu", y) if self.random.random() < 0.5 else y

    def pooled_sign(self, value: int) -> int:
        return self.signed("sign", self.pool("max_pool", value))

    def streamed(self, value: int) -> int:
        """A convolution, perhaps a sum, whose rows a pool or a 1x1 convolution reads."""
        y = self.convolution("conv", value, same=True)
        if self.values[y].shape == self.values[value].shape and self.random.random() < 0.5:
            y = self.add(y, value)
        y = self.pool(
            self.random.choice(["max_pool", "avg_pool"]), y, same=self.random.random() < 0.6
        )
        if self.values[y].shape == self.values[value].shape and self.random.random() < 0.5:
            return self.add(y, value)
        return self.convolution("conv", y)

    def split(self, value: int) -> int:
        """Two convolutions that read one value with borders of their own."""
        name = "binary_conv" if self.values[value].bits else "conv"
        self.convolution(name, value)
        return self.convolution(name, value)

    def step(self) -> None:
        op = self.random.choice(_STEPS)
        if op in ("binary_conv", "split"):
            value = self.pick("bits")
            if value is None:
                real = self.pick("real")
                assert real is not None
                value = self.signed("sign", real)
            if op == "split":
                self.split(value)
            else:
                self.convolution(op, value, wide=self.random.random() < 0.2)
            return
        value = self.pick("real")
        assert value is not None
        if op in ("conv", "binary_weight_conv", "byte_conv"):
            self.convolution(op, value, wide=self.random.random() < 0.2)
        elif op in ("sign", "binarise"):
            self.signed(op, value)
        elif op in ("max_pool", "avg_pool"):
            self.pool(op, value)
        elif op in ("affine", "prelu", "scale_map", "clip", "relu", "sigmoid"):
            self.pointwise(op, value)
        elif op == "add":
            other = self.pick("real", like=value)
            assert other is not None
            if self.values[value].bound + self.values[other].bound < 1e6:
                self.add(value, other)
        elif op in ("flatten", "pad", "adaptive_avg_pool", "upsample"):
            self.shape_changing(op, value)
        else:
            getattr(self, op)(value)


_STEPS = (
    "binary_conv",
    "binary_conv",
    "residual",
    "residual",
    "split",
    "sign",
    "add",
    "add",
    "prelu",
    "affine",
    "conv",
    "streamed",
    "pooled_sign",
    "max_pool",
    "binarise",
    "relu",
    "clip",
    "multiply",
    "concat",
    "scale_map",
    "avg_pool",
    "adaptive_avg_pool",
    "binary_weight_conv",
    "byte_conv",
    "fern_conv",
    "fern_chain",
    "fern_chain",
    "upsample",
    "pad",
    "flatten",
    "input_scale",
    "sigmoid",
    "forest",
    "ferns",
)


def random_graph(random: Random) -> tuple[Graph, npt.NDArray[np.float32]]:
    """A network, and three images for it."""
    builder = Builder(random, smooth=random.random() < 0.25)
    for _ in range(random.randint(1, 9)):
        builder.step()
    if not builder.nodes:
        builder.pointwise("relu", 0)
    count = len(builder.nodes)
    logits = count if random.random() < 0.8 else random.randint(0, count)
    embedding = random.randint(0, count)
    graph = Graph(builder.values[0].shape, tuple(builder.nodes), logits, embedding)
    x = builder.reals(3, *graph.input, choices=(-3, -2, -1, -0.5, 0, 0.5, 1, 2, 3))
    return graph, x
