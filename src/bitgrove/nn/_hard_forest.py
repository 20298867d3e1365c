"""A trained soft forest as hard trees, and what that costs."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from ._forest import MaskedLinear, NeuralDecisionForest, check_targets
from ._forest_routing import greedy_leaves, log_arrivals
from ._layer import check_input

Output = Literal["logits", "probabilities", "values"]


class HardForest(nn.Module):
    """Hard trees over the outputs of a linear layer: what a soft forest becomes, for inference.

    An input goes right where the neuron that a node reads is above 0, else left; the rows of the
    leaves that it reaches are added up. It packs as a convolution of one pixel and the operator
    ``forest``.

    Args:
        functions: the linear layer.
        neuron: the output of ``functions`` that a node reads, ``int64[trees, 2**depth - 1]``, nodes
            breadth first.
        leaf: what a leaf adds, ``float32[trees, 2**depth, outputs]``.
        output: what the sums are: ``"logits"``, ``"probabilities"`` or ``"values"``. A packed
            model that ends in this layer predicts accordingly.

    Raises:
        TypeError: neurons that are not int64.
        ValueError: there is no tree, a tree is not complete, the shapes do not fit each other, a
            neuron is out of range, or ``output`` is another.

    >>> layer = nn.Linear(2, 1)
    >>> _ = nn.init.constant_(layer.weight, 1.0), nn.init.zeros_(layer.bias)
    >>> tree = HardForest(layer, torch.tensor([[0]]), torch.tensor([[[10.0], [20.0]]]))
    >>> tree(torch.tensor([[-3.0, 1.0], [1.0, 1.0]]))
    tensor([[10.],
            [20.]])
    """

    def __init__(
        self, functions: nn.Linear, neuron: Tensor, leaf: Tensor, *, output: Output = "logits"
    ) -> None:
        if neuron.dtype != torch.int64:
            raise TypeError(f"neuron must be int64, got {neuron.dtype}")
        if neuron.ndim != 2 or not len(neuron) or (neuron.shape[1] & (neuron.shape[1] + 1)):
            raise ValueError(
                f"neuron must have shape (trees, 2**depth - 1), at least one tree, got "
                f"{tuple(neuron.shape)}"
            )
        if leaf.ndim != 3 or leaf.shape[:2] != (len(neuron), neuron.shape[1] + 1):
            raise ValueError(
                f"leaf must have shape (trees, nodes + 1, outputs) for neurons of shape "
                f"{tuple(neuron.shape)}, got {tuple(leaf.shape)}"
            )
        if neuron.numel() and not 0 <= int(neuron.min()) <= int(neuron.max()) < (
            functions.out_features
        ):
            raise ValueError(f"neuron must lie in 0 to {functions.out_features - 1}")
        if output not in get_args(Output):
            known = ", ".join(map(repr, get_args(Output)))
            raise ValueError(f"output must be one of {known}, got {output!r}")
        super().__init__()
        self.output: Output = output
        self.functions = functions
        self.neuron: Tensor
        self.register_buffer("neuron", neuron)
        self.leaf: Tensor
        self.register_buffer("leaf", leaf)

    learned_buffer_names = ("leaf",)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(n, in_features)`` to ``(n, outputs)``."""
        width = self.functions.in_features
        check_input(x, 2, -1, width, f"(n, {width})")
        ends = greedy_leaves(self.functions(x)[:, self.neuron])
        answer = self.leaf[0][ends[:, 0]]
        for tree in range(1, len(self.leaf)):  # in the order in which packed trees are summed
            answer = answer + self.leaf[tree][ends[:, tree]]
        return answer


def harden(model: nn.Module, *, logits: bool = False) -> nn.Module:
    """A copy of a model with hard trees in place of its soft forests, to be packed.

    The copy answers as the model does with ``hard`` set, but where that gives log-probabilities
    the hard trees give probabilities: the mean of their leaves. Only neurons that are read remain.

    Args:
        model: a :class:`NeuralDecisionForest`, or a model that holds one or more. Not changed.
        logits: let the leaves of classifiers hold the logarithms of their probabilities, not below
            1e-6, so that trees multiply instead of adding up and a softmax of the output is a
            distribution.

    Raises:
        ValueError: the model holds no soft forest.

    >>> _ = torch.manual_seed(0)
    >>> forest = NeuralDecisionForest(4, 3, trees=2, depth=2, leaves="gradient").eval()
    >>> trees, x = harden(forest), torch.randn(5, 4)
    >>> forest.hard = True
    >>> bool(torch.allclose(trees(x), forest(x).exp()))
    True
    """
    names = [name for name, _ in _forests(model)]
    if not names:
        raise ValueError("the model holds no NeuralDecisionForest, so there is nothing to harden")
    if names == [""]:
        return _hardened(model, logits)
    twin = copy.deepcopy(model)
    for name in names:
        parent, _, own = name.rpartition(".")
        forest = twin.get_submodule(name)
        setattr(twin.get_submodule(parent), own, _hardened(forest, logits))
    return twin.eval()


@dataclass(frozen=True, slots=True)
class HardeningReport:
    """What hard splits change, on some samples."""

    samples: int
    soft: float
    """Of the soft forest: accuracy, 0 to 1, or the root of the mean squared error."""
    hard: float
    """The same of the hard trees."""
    agreement: float | None
    """Share of the samples with the same answer; None for regression."""
    certainty: float
    """Mean probability, in the soft forest, of the leaf that a hard tree takes: 1 for trees that
    are as good as hard."""

    @property
    def lost(self) -> float:
        """What is worse after hardening: accuracy lost, or error gained."""
        return self.soft - self.hard if self.agreement is not None else self.hard - self.soft


@torch.no_grad()
def hardening_report(
    model: nn.Module, x: Tensor, targets: Tensor, *, batch_size: int = 512
) -> HardeningReport:
    """Compare a model with itself after hardening.

    Args:
        model: a :class:`NeuralDecisionForest`, or a model that ends in one. Evaluated in eval mode;
            left as it was.
        x: inputs of the model, at least one.
        targets: ``int64[n]`` labels, or ``(n, outputs)`` values.
        batch_size: inputs at a time.

    Raises:
        TypeError: labels that are not int64.
        ValueError: the model does not hold just one soft forest, there is no input, or the targets
            have another shape, or hold what the forest cannot answer.
    """
    found = _forests(model)
    if len(found) != 1:
        raise ValueError(f"the model must hold one NeuralDecisionForest, got {len(found)}")
    forest = found[0][1]
    check_targets(targets, len(x), forest.out_features, forest.task)
    certain: list[Tensor] = []

    def watch(module: NeuralDecisionForest, inputs: tuple[Tensor, ...]) -> None:
        certain.append(_certainty(module.decisions(inputs[0])))

    modes = [(module, module.training) for module in model.modules()]
    before, handle = forest.hard, forest.register_forward_pre_hook(watch)
    try:
        model.eval()
        answers = []
        for forest.hard in (False, True):
            answers.append(torch.cat([model(part) for part in x.split(batch_size)]))
    finally:
        handle.remove()
        forest.hard = before
        for module, mode in modes:
            module.training = mode
    soft, hard = answers
    certainty = float(torch.cat(certain[: len(certain) // 2]).mean())
    if forest.task == "regression":
        errors = [float((a - targets).square().mean().sqrt()) for a in answers]
        return HardeningReport(len(x), errors[0], errors[1], None, certainty)
    same, *right = (
        float((a.argmax(1) == b).float().mean())
        for a, b in ((soft, hard.argmax(1)), (soft, targets), (hard, targets))
    )
    return HardeningReport(len(x), right[0], right[1], same, certainty)


def _forests(model: nn.Module) -> list[tuple[str, NeuralDecisionForest]]:
    modules = model.named_modules()
    return [(name, m) for name, m in modules if isinstance(m, NeuralDecisionForest)]


def _hardened(forest: nn.Module, logits: bool) -> HardForest:
    assert isinstance(forest, NeuralDecisionForest)
    values = forest.leaf_values().detach()
    output: Output = "values"
    if forest.task == "classification":
        output = "logits" if logits else "probabilities"
    if output == "logits":
        values = values.clamp_min(1e-6).log()
    functions = forest.functions
    weight = functions.weight.detach()
    if isinstance(functions, MaskedLinear):
        weight = weight * functions.mask
    used, place = forest.neuron.unique(return_inverse=True)
    layer = nn.Linear(forest.in_features, len(used)).to(weight)
    with torch.no_grad():
        layer.weight.copy_(weight[used])
        layer.bias.copy_(functions.bias[used])
    return HardForest(layer, place, values / forest.trees, output=output).eval()


def _certainty(decisions: Tensor) -> Tensor:
    leaves = log_arrivals(decisions)[-1]
    return leaves.gather(-1, greedy_leaves(decisions)[..., None])[..., 0].exp().mean(1)
