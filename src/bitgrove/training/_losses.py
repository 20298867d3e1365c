"""What training makes small."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossEntropy:
    """Mean cross-entropy in nats.

    Args:
        label_smoothing: probability spread evenly over all classes in the target, 0 to below 1.
    """

    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(f"label_smoothing must be in 0 to below 1, got {self.label_smoothing}")

    def __call__(self, logits: Tensor, labels: Tensor, teacher: Tensor | None = None) -> Tensor:
        """The loss of a batch: logits ``(b, k)``, labels ``int64[b]``."""
        return F.cross_entropy(logits, labels, label_smoothing=self.label_smoothing)

    def validate(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Without smoothing."""
        return F.cross_entropy(logits, labels)


@dataclass(frozen=True, slots=True)
class SquaredHinge:
    """Mean of ``max(0, 1 - t y)²`` over images and classes; ``t`` is +1 at the label, -1 else.

    Source: Hubara et al., Binarized Neural Networks, NeurIPS 2016 (the output of its networks for
    CIFAR-10 and MNIST).

    >>> import torch
    >>> SquaredHinge()(torch.tensor([[2.0, 0.0]]), torch.tensor([0]))
    tensor(0.5000)
    """

    def __call__(self, logits: Tensor, labels: Tensor, teacher: Tensor | None = None) -> Tensor:
        """The loss of a batch: logits ``(b, k)``, labels ``int64[b]``."""
        targets = 2 * F.one_hot(labels, logits.shape[1]).to(logits.dtype) - 1
        return (1 - targets * logits).clamp(min=0).square().mean()

    def validate(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The same."""
        return self(logits, labels)


@dataclass(frozen=True, slots=True, kw_only=True)
class Distillation:
    """``weight`` times the cross-entropy to a teacher's answers, the rest to the labels.

    With temperature ``T`` both softmax functions are of logits divided by ``T``, and the term is
    multiplied by ``T²``.

    Source: Hinton et al., Distilling the Knowledge in a Neural Network, 2015. Weight and
    temperature 1, the teacher's answers alone, are those of Liu et al., ReActNet, ECCV 2020.

    Args:
        weight: of the teacher, above 0 and at most 1.
        temperature: above 0.
    """

    weight: float = 1.0
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.weight <= 1:
            raise ValueError(f"weight must be above 0 and at most 1, got {self.weight}")
        if not 0 < self.temperature < float("inf"):
            raise ValueError(f"temperature must be above 0, got {self.temperature}")

    def __call__(self, logits: Tensor, labels: Tensor, teacher: Tensor | None = None) -> Tensor:
        """The loss of a batch: both logits ``(b, k)``, labels ``int64[b]``."""
        if teacher is None:
            raise ValueError("distillation needs the teacher's logits")
        soft = F.cross_entropy(logits / self.temperature, (teacher / self.temperature).softmax(1))
        loss = self.weight * self.temperature**2 * soft
        if self.weight < 1:
            loss = loss + (1 - self.weight) * F.cross_entropy(logits, labels)
        return loss

    def validate(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The cross-entropy to the labels."""
        return F.cross_entropy(logits, labels)


@runtime_checkable
class OutputLoss(Protocol):
    """A loss of outputs that are no logits, such as ``HashNetwork.objective`` of codes.

    It is called as the others are, with outputs in place of logits.
    """

    @property
    def outputs(self) -> int:
        """How many numbers the network gives for an image."""
        ...

    def __call__(self, outputs: Tensor, labels: Tensor, teacher: Tensor | None = None) -> Tensor:
        """The loss of a batch."""
        ...

    def validate(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """The loss of a batch of validation."""
        ...

    def hits(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """What counts as right, ``bool[b]``: the accuracy by which the best epoch is chosen."""
        ...


Loss = CrossEntropy | SquaredHinge | Distillation | OutputLoss
