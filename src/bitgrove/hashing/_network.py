"""Any backbone with a head of codes, and the loss that trains them."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ..interfaces import PackedCodes
from ._bi_half_loss import BiHalfLoss
from ._divide_and_encode import DivideAndEncode
from ._subic_loss import BlockHead, block_codes


@dataclass(frozen=True, slots=True)
class CodeLoss:
    """A loss of codes as :class:`bitgrove.training.Method` takes it; see :class:`HashNetwork`.

    In place of accuracy, training then reports and chooses by hits: whether the classifier or the
    nearest centre of the loss is right about the code, or, for losses of pairs and triplets,
    whether the nearest other code of the batch has the same label.

    >>> from bitgrove.hashing import DSHLoss
    >>> objective = CodeLoss(DSHLoss(2))
    >>> outputs, labels = torch.tensor([[1.0, 1.0], [1.0, 1.0]]), torch.tensor([0, 0])
    >>> objective(outputs, labels), objective.hits(outputs, labels), objective.outputs
    (tensor(0.), tensor([True, True]), 2)
    """

    loss: nn.Module
    """Part of the network that is trained, so that what it learns is trained and saved too."""

    def __call__(self, outputs: Tensor, labels: Tensor, teacher: Tensor | None = None) -> Tensor:
        """The loss of a batch: outputs ``(b, outputs)``, labels ``int64[b]``."""
        return self.loss(outputs, labels)

    def validate(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """The same."""
        return self.loss(outputs, labels)

    @property
    def outputs(self) -> int:
        """How many numbers the network gives for a row."""
        return int(self._own("outputs"))

    def hits(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """What counts as right, ``bool[b]``."""
        return self._own("hits")(outputs, labels)

    def _own(self, name: str) -> Any:
        return getattr(self.loss, name)


@final
class HashNetwork(nn.Module):
    """Images to real codes: ``head(backbone.embed(x))``, or ``head(backbone(x))``.

    It is trained as any network, ``bitgrove.training.fit(network, ..., config)`` with
    ``TrainingConfig(method=Method(loss=network.objective))``: checkpoints, Ctrl-C and resumption
    included, and latent weights or Bop for binary backbones. ``bitgrove.export.pack`` takes
    :meth:`encoder`; the packed session's ``run`` then gives the real codes.

    Args:
        backbone: images to features ``(n, d)``. Of one with a method ``embed``, as all of
            :mod:`bitgrove.models` have, that is used; its own head then learns nothing.
        head: features to what the loss takes: ``nn.Linear(d, bits)`` for most,
            :class:`DivideAndEncode` for :class:`TripletHashLoss`, :class:`BlockHead` for
            :class:`SuBiCLoss`, ``nn.Sequential(nn.Linear(d, bits, bias=False),
            nn.BatchNorm1d(bits, affine=False))`` for :class:`OrthoHashLoss`.
        loss: of codes and labels; one of this package, or a module that has ``outputs``, the
            length of a row that it takes, and ``hits(outputs, labels) -> bool[n]``.

    Raises:
        TypeError: a part is no module, or the loss is another kind.

    >>> from bitgrove.hashing import DSHLoss
    >>> backbone = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU())
    >>> network = HashNetwork(backbone, nn.Linear(16, 12), DSHLoss(12))
    >>> network.encode(torch.zeros(5, 1, 8, 8)).shape
    (5, 2)
    """

    def __init__(self, backbone: nn.Module, head: nn.Module, loss: nn.Module) -> None:
        super().__init__()
        for name, part in (("backbone", backbone), ("head", head), ("loss", loss)):
            if not isinstance(part, nn.Module):
                raise TypeError(f"{name} must be a torch module, got {part!r}")
        if isinstance(loss, BiHalfLoss):
            raise TypeError(
                "BiHalfLoss compares codes with features, not with labels; train it in a loop of "
                "your own, or use BiHalf on the features of a network"
            )
        if not hasattr(loss, "outputs") or not hasattr(loss, "hits"):
            raise TypeError(
                "loss must be one of codes, such as DSHLoss, with outputs and hits, got "
                f"{type(loss).__name__}"
            )
        self.backbone, self.head, self.loss = backbone, head, loss

    @property
    def objective(self) -> CodeLoss:
        """What ``Method(loss=...)`` of :mod:`bitgrove.training` takes."""
        return CodeLoss(self.loss)

    def embed(self, x: Tensor) -> Tensor:
        """Map images ``(n, c, h, w)`` to features ``(n, d)``."""
        return _features(self.backbone, x)

    def forward(self, x: Tensor) -> Tensor:
        """Map images ``(n, c, h, w)`` to what the loss takes, ``(n, outputs)``."""
        return self.head(self.embed(x))

    def codes(self, outputs: Tensor | npt.NDArray) -> npt.NDArray[np.uint8]:
        """Outputs as packed codes: signs, or for :class:`BlockHead` the largest of each block.

        Args:
            outputs: of this network or of its packed session, ``(n, outputs)``.

        Raises:
            ValueError: the shape does not fit, or NaN.
        """
        values = outputs.detach().cpu().numpy() if isinstance(outputs, Tensor) else outputs
        blocks = self._blocks()
        if blocks is not None:
            return block_codes(values, blocks=blocks.blocks, width=blocks.width)
        return PackedCodes.from_signs(values).data

    @torch.no_grad()
    def encode(self, x: Tensor) -> npt.NDArray[np.uint8]:
        """Codes of standardised images, in evaluation mode; in ``np.packbits`` order."""
        modes = [(module, module.training) for module in self.modules()]
        try:
            return self.codes(self.eval()(x))
        finally:
            for module, mode in modes:
                module.training = mode

    def encoder(self) -> nn.Module:
        """Backbone and head alone, as a copy of layers that can be packed."""
        return _Encoder(copy.deepcopy(self.backbone), _packable(copy.deepcopy(self.head))).eval()

    def _blocks(self) -> BlockHead | None:
        last = list(self.head)[-1] if isinstance(self.head, nn.Sequential) else self.head
        return last if isinstance(last, BlockHead) else None


class _Encoder(nn.Module):
    def __init__(self, backbone: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head

    def forward(self, x: Tensor) -> Tensor:
        """Map images ``(n, c, h, w)`` to outputs of the head."""
        return self.head(_features(self.backbone, x))


def _packable(head: nn.Module) -> nn.Module:
    """With plain linear layers in place of :class:`DivideAndEncode`."""
    if isinstance(head, DivideAndEncode):
        return head.linear()
    for name, child in head.named_children():
        setattr(head, name, _packable(child))
    return head


def _features(backbone: nn.Module, x: Tensor) -> Tensor:
    """By its method ``embed`` if it has one; a layer of that name is none."""
    own: Any = getattr(backbone, "embed", None)
    return backbone(x) if own is None or isinstance(own, nn.Module) else own(x)
