"""Following a layer of ferns: the answers to its tests, and its integers."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ..nn import FernLayer
from ..runtime import Artifact, Graph, Node, Session
from ._verify_layer import Followed, Removable


class FollowedFerns(Followed):
    """A layer of ferns, whose node may compare something that comes before the layer's input."""

    module: FernLayer

    def register(self) -> Removable:
        """Be called after the layer."""
        return self.module.register_forward_hook(self._after)

    def _after(self, module: nn.Module, args: tuple[Tensor, ...], result: Tensor) -> Tensor | None:
        """Compare; hand on what follows of the packed answers where there are ties."""
        self.called()
        read = torch.from_numpy(self._packed[self._node.inputs[0]])
        x = self.module._pictures(args[0].detach())
        answers, turned = self._compare_answers(x, read.reshape(x.shape))
        sums = self._sums(answers)
        alone = self._session(tuple(read.shape[1:])).run(read.numpy())
        n = len(x)
        self.integers += sums.numel()
        self.integers_different += int((sums.numpy().reshape(n, -1) != alone.reshape(n, -1)).sum())
        wanted = (sums * self.module.table_scale()[:, None]).reshape(result.shape)
        # The layer itself must add up the rows that its own answers address.
        same = ~turned.flatten(1).any(1)
        self.integers_different += int((wanted != result)[same].sum())
        return wanted if turned.any() else None

    def _compare_answers(self, x: Tensor, read: Tensor) -> tuple[Tensor, Tensor]:
        """The packed answers ``[n, tests, positions]``, and where torch has others."""
        window, tensors = self.module._window, self._node.tensors
        places, out = self.module.chosen().flatten(), window.out(*x.shape[2:])

        def found(pictures: Tensor) -> Tensor:
            return window.gather(window.padded(pictures), places, out).movedim(0, 1)

        def bits(name: str) -> Tensor:
            packed = tensors.get(name, np.zeros((len(places) + 7) // 8, np.uint8))
            return torch.from_numpy(np.unpackbits(packed, count=len(places)) > 0)[:, None]

        threshold = torch.from_numpy(tensors["threshold"])[:, None]
        values, inside = found(read), found(torch.ones_like(x)) > 0
        answers = torch.where(inside, (values >= threshold) ^ bits("flip"), bits("outside"))
        turned = answers != (found(x) >= self.module.thresholds.detach().reshape(-1, 1))
        n = len(x)
        margin = torch.where(inside, (values.double() - threshold.double()).abs(), torch.inf)
        largest = read.reshape(n, -1).abs().amax(1, keepdim=True)
        self.count_turned(*(part.reshape(n, -1).numpy() for part in (turned, margin, largest)))
        return answers, turned

    def _sums(self, answers: Tensor) -> Tensor:
        """The rows that the answers address, added up: ``[n, outs, positions]``, exact."""
        table = self.module.rounded_table()
        groups, ferns, rows, outs = table.shape
        depth = rows.bit_length() - 1
        weights = (2 ** torch.arange(depth))[:, None]
        addresses = (answers.unflatten(1, (groups, ferns, depth)) * weights).sum(3)
        sums = table.new_zeros((len(answers), groups, answers.shape[2], outs))
        for group, fern in np.ndindex(groups, ferns):
            sums[:, group] += table[group, fern][addresses[:, group, fern]]
        return sums.movedim(3, 2).flatten(1, 2)

    def _session(self, shape: tuple[int, ...]) -> Session:
        """The layer by itself, without scale and bias."""
        tensors = {k: v for k, v in self._node.tensors.items() if k not in ("scale", "bias")}
        node = Node(self._node.op, "layer", (0,), self._node.attributes, tensors)
        return Session(Artifact(Graph(shape, (node,), 1, 1)), self._threads)
