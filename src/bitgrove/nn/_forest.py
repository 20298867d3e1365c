"""Decision trees whose splits are learnt by gradient, as a layer."""

from __future__ import annotations

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ._forest_leaves import em_distributions, em_gaussians, mean_values
from ._forest_routing import FLOOR, greedy_leaves, log_arrivals, log_certain, log_mixture
from ._layer import check_input

Task = Literal["classification", "regression"]
Split = Literal["neuron", "linear"]
Leaves = Literal["em", "gradient", "mean"]

_DEEPEST = 16


class NeuralDecisionForest(nn.Module):
    """Trees of sigmoid splits, averaged: the last layer of a network, or a model by itself.

    Split node ``n`` computes a linear function ``f_n`` of the input and sends right with
    probability ``s_n = sigmoid(slope * f_n)``. A leaf is reached with the product ``mu`` of those
    probabilities on its path, and the answer is the mean over the trees of
    ``sum over leaves of mu * pi``. For classification ``pi`` are distributions and the output is
    the logarithm of that mean: cross-entropy of it is the mixture's negative log-likelihood, and
    its argmax the answer. For regression ``pi`` are values, and so is the output. Routing is in
    logarithms, so nothing underflows.

    How a node splits:

    - ``split="neuron"``: it reads one neuron of a linear layer of ``neurons``, drawn at random for
      each tree, without repetition within a tree where there are enough.
    - ``split="linear"``: it has a linear function of its own, of ``features`` inputs that are
      drawn at random for each tree.

    How leaves learn:

    - ``leaves="em"``: not by gradient, but from the samples given to :meth:`update_leaves`, in
      turns with the splits: expectation-maximisation of class distributions, or of a Gaussian in
      each leaf (regression).
    - ``leaves="mean"``, of regression: in the same way, means weighted by ``mu``.
    - ``leaves="gradient"``: with the splits; distributions are the softmax of parameters.

    Set :attr:`hard` to evaluate with hard splits, right where ``f_n > 0``; see
    :func:`bitgrove.nn.harden` for the trees that can be packed. Random choices are those of
    torch's global generator.

    Sources: Kontschieder et al., Deep Neural Decision Forests, ICCV 2015; for regression and
    ``neurons``, Li and Cheng, Visualizing the Decision-Making Process in Deep Neural Decision
    Forest, CVPRW 2019. Differences: ``s`` is the probability of going right and not left, as our
    packed trees go right above a threshold; all trees learn at every step; leaves are normalised by
    their sum and begin uniform; ``slope`` is ours.

    Args:
        in_features: length of the input's last axis.
        out_features: classes, 2 or more, or numbers to regress.
        trees: how many.
        depth: split nodes on every path, 1 to 16; a tree has ``2**depth`` leaves.
        task: ``"classification"`` or ``"regression"``.
        split: ``"neuron"`` or ``"linear"``, as above.
        neurons: of the linear layer; None for ``2 ** (depth + 1)``, as published (1024 for a depth
            of 9, 128 for 6). Only for ``split="neuron"``.
        features: inputs that a tree sees; None for all. Only for ``split="linear"``.
        leaves: ``"em"``, ``"gradient"`` or ``"mean"``, as above.

    Raises:
        ValueError: an argument is out of its range, or belongs to another choice.

    >>> _ = torch.manual_seed(0)
    >>> forest = NeuralDecisionForest(4, 3, trees=2, depth=3)
    >>> x, labels = torch.randn(30, 4), torch.arange(30) % 3
    >>> bool(torch.allclose(forest(x).exp(), torch.tensor(1 / 3)))
    True
    >>> forest.update_leaves(x, labels)
    >>> bool(F.nll_loss(forest(x), labels) < torch.log(torch.tensor(3.0)))
    True
    """

    hard: bool = False
    """Whether inputs take one path through each tree. Splits have no gradient then, so it is
    refused in training mode."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        trees: int = 5,
        depth: int = 6,
        task: Task = "classification",
        split: Split = "neuron",
        neurons: int | None = None,
        features: int | None = None,
        leaves: Leaves = "em",
    ) -> None:
        _check(in_features, out_features, trees, depth, task, split, neurons, features, leaves)
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.trees, self.depth = trees, depth
        self.task: Task = task
        self.leaves: Leaves = leaves
        nodes = 2**depth - 1
        if split == "neuron":
            count = 2 ** (depth + 1) if neurons is None else neurons
            self.functions = nn.Linear(in_features, count)
            rows = torch.stack([_draw(count, nodes) for _ in range(trees)])
        else:
            seen = in_features if features is None else features
            self.functions = _linear(in_features, seen, trees, nodes)
            rows = torch.arange(trees * nodes).view(trees, nodes)
        self.neuron: Tensor
        self.register_buffer("neuron", rows)
        self.slope: Tensor
        self.register_buffer("slope", torch.tensor(1.0))
        self._make_leaves((trees, 2**depth, out_features))

    def _make_leaves(self, shape: tuple[int, int, int]) -> None:
        start = torch.zeros(shape)
        self.begun: Tensor
        if self.leaves == "gradient":
            self.leaf = nn.Parameter(start)
            return
        if self.task == "classification":
            start.fill_(1 / self.out_features)
        self.leaf: Tensor
        self.register_buffer("leaf", start)
        self.register_buffer("begun", torch.tensor(False))
        self.variance: Tensor
        if self.task == "regression" and self.leaves == "em":
            self.register_buffer("variance", torch.ones(shape))

    @property
    def learned_buffer_names(self) -> tuple[str, ...]:
        """Buffers that a count of parameters should include: leaves learnt without gradient."""
        return () if self.leaves == "gradient" else ("leaf",)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, in_features)`` to log-probabilities or values ``(n, out_features)``."""
        decisions = self.decisions(x)
        if self.hard:
            if self.training:
                raise ValueError("hard splits have no gradient; call eval(), or set hard = False")
            answer = self.hard_answer(decisions)
            return (answer + FLOOR).log() if self.task == "classification" else answer
        leaves = log_arrivals(decisions)[-1]
        if self.task == "classification":
            return log_mixture(leaves, self.leaf_values())
        return leaves.exp().flatten(1) @ self.leaf_values().flatten(0, 1) / self.trees

    def decisions(self, x: Tensor) -> Tensor:
        """``slope * f_n(x)`` of every node, before the sigmoid: ``(n, trees, 2**depth - 1)``.

        Nodes are numbered breadth first: the children of ``n`` are ``2 n + 1`` (left) and
        ``2 n + 2`` (right).

        Raises:
            TypeError: ``x`` is not floating-point.
            ValueError: ``x`` has another shape than ``(n, in_features)``.
        """
        check_input(x, 2, -1, self.in_features, f"(n, {self.in_features})")
        return self.functions(x)[:, self.neuron] * self.slope

    def leaf_values(self) -> Tensor:
        """What the leaves hold: distributions or values, ``(trees, 2**depth, out_features)``."""
        if self.leaves == "gradient" and self.task == "classification":
            return self.leaf.softmax(-1)
        return self.leaf

    def hard_answer(self, decisions: Tensor) -> Tensor:
        """Mean over the trees of the leaf that is reached with hard splits.

        Args:
            decisions: as :meth:`decisions` returns them.

        Returns:
            Probabilities (not their logarithms) or values, ``(n, out_features)``.
        """
        ends = greedy_leaves(decisions)
        values = self.leaf_values() / self.trees
        answer = values[0][ends[:, 0]]
        for tree in range(1, self.trees):  # in the order in which packed trees are summed
            answer = answer + values[tree][ends[:, tree]]
        return answer

    @torch.no_grad()
    def update_leaves(self, x: Tensor, targets: Tensor, *, iterations: int | None = None) -> None:
        """Learn the leaves from samples, with the splits as they are: hard if :attr:`hard` is set.

        Args:
            x: ``(n, in_features)``: as :meth:`forward` takes it.
            targets: ``int64[n]`` labels, or ``(n, out_features)`` values.
            iterations: of expectation-maximisation, at least 1; None for 20, as published. Weighted
                means need no repetition, and take None alone.

        Raises:
            ValueError: the leaves learn by gradient, there is no sample, something is not finite,
                or a shape or label does not fit.
            TypeError: labels are not ``int64``.
        """
        if self.leaves == "gradient":
            raise ValueError("these leaves learn by gradient, not by update_leaves")
        if self.leaves == "mean" and iterations is not None:
            raise ValueError(f"leaves='mean' takes no iterations, got {iterations}")
        iterations = 20 if iterations is None else iterations
        if iterations < 1:
            raise ValueError(f"iterations must be at least 1, got {iterations}")
        decisions = self.decisions(x)
        check_targets(targets, len(x), self.out_features, self.task)
        if not torch.isfinite(decisions).all():
            raise ValueError("x, or what the splits make of it, holds NaN or infinite numbers")
        paths = log_certain(decisions) if self.hard else log_arrivals(decisions)[-1]
        if self.task == "classification":
            self.leaf.copy_(em_distributions(paths, targets, self.leaf, iterations))
        else:
            self._update_values(paths, targets, iterations)
        self.begun.fill_(True)

    def _update_values(self, paths: Tensor, targets: Tensor, iterations: int) -> None:
        if not self.begun:
            self.leaf.copy_(targets.mean(0).expand_as(self.leaf))
        if self.leaves == "mean":
            self.leaf.copy_(mean_values(paths, targets, self.leaf))
            return
        if not self.begun:
            spread = targets.var(0, unbiased=False).clamp_min(1e-12)
            self.variance.copy_(spread.expand_as(self.variance))
        means, variances = em_gaussians(paths, targets, self.leaf, self.variance, iterations)
        self.leaf.copy_(means)
        self.variance.copy_(variances)

    def extra_repr(self) -> str:
        """The arguments, in their order."""
        return (
            f"{self.in_features}, {self.out_features}, trees={self.trees}, depth={self.depth}, "
            f"task={self.task!r}, leaves={self.leaves!r}"
        )


class MaskedLinear(nn.Linear):
    """A linear layer some of whose weights are always 0."""

    def __init__(self, mask: Tensor) -> None:
        super().__init__(mask.shape[1], mask.shape[0])
        self.mask: Tensor
        self.register_buffer("mask", mask)

    def forward(self, input: Tensor) -> Tensor:
        """Map ``(..., in_features)`` to ``(..., out_features)``."""
        return F.linear(input, self.weight * self.mask, self.bias)


def _linear(inputs: int, seen: int, trees: int, nodes: int) -> nn.Linear:
    if seen == inputs:
        return nn.Linear(inputs, trees * nodes)
    mask = torch.zeros(trees, inputs)
    for row in mask:
        row[torch.randperm(inputs)[:seen]] = 1
    layer = MaskedLinear(mask.repeat_interleave(nodes, 0))
    with torch.no_grad():  # as wide as that of a layer of the inputs that are seen
        layer.weight.mul_((inputs / seen) ** 0.5)
    return layer


def _draw(neurons: int, nodes: int) -> Tensor:
    """A neuron for every node, without repetition while there are enough."""
    rounds = [torch.randperm(neurons) for _ in range(-(-nodes // neurons))]
    return torch.cat(rounds)[:nodes]


def _check(
    in_features: int,
    out_features: int,
    trees: int,
    depth: int,
    task: str,
    split: str,
    neurons: int | None,
    features: int | None,
    leaves: str,
) -> None:
    least = {"in_features": in_features, "out_features": out_features, "trees": trees}
    least |= {"neurons": neurons, "features": features}
    for name, value in least.items():
        if value is not None and value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    if not 1 <= depth <= _DEEPEST:
        raise ValueError(f"depth must be 1 to {_DEEPEST}, got {depth}")
    for name, value, kind in (("task", task, Task), ("split", split, Split)):
        if value not in get_args(kind):
            raise ValueError(f"{name} must be one of {', '.join(get_args(kind))}, got {value!r}")
    known = ("em", "gradient") + (("mean",) if task == "regression" else ())
    if leaves not in known:
        raise ValueError(f"leaves must be one of {', '.join(known)} for {task}, got {leaves!r}")
    if task == "classification" and out_features < 2:
        raise ValueError(f"out_features must be at least 2 classes, got {out_features}")
    if neurons is not None and split != "neuron":
        raise ValueError("neurons is of split='neuron'; leave it out")
    if features is not None and split != "linear":
        raise ValueError("features is of split='linear'; leave it out")
    if features is not None and features > in_features:
        raise ValueError(f"features must be at most in_features, {in_features}, got {features}")


def check_targets(targets: Tensor, count: int, outputs: int, task: str) -> None:
    """Refuse targets that do not fit ``count`` inputs of a forest.

    Raises:
        TypeError: labels that are not int64.
        ValueError: no input, another shape, a label out of range, or a number that is not finite.
    """
    if not count:
        raise ValueError("x must hold at least one sample")
    shape = (count,) if task == "classification" else (count, outputs)
    if tuple(targets.shape) != shape:
        raise ValueError(f"targets must have shape {shape}, got {tuple(targets.shape)}")
    if task == "regression":
        if not torch.isfinite(targets).all():
            raise ValueError("targets hold NaN or infinite numbers")
        return
    if targets.dtype != torch.int64:
        raise TypeError(f"labels must be int64, got {targets.dtype}")
    low, high = int(targets.min()), int(targets.max())
    if low < 0 or high >= outputs:
        raise ValueError(f"labels must lie in 0 to {outputs - 1}, got {low} to {high}")
