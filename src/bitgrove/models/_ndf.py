"""A small convolutional network that ends in a decision forest."""

from __future__ import annotations

from typing import Literal, get_args

from torch import Tensor, nn

from ..nn import NeuralDecisionForest
from ..nn._forest import Leaves, Split, Task
from ._parts import check_at_least_one, real_convolution, sequence

Head = Literal["forest", "linear"]


class NDF(nn.Module):
    """Three real convolutions, each with a batch norm and ReLU, and a decision forest.

    ``wC3/2 - 2wC3/2 - 4wC3 - AP4x4 - forest``: the first two convolutions halve the pictures, the
    last is averaged into 4x4 cells, and the forest splits what they hold. The convolutions are
    ours; the papers have larger networks in their place.

    Source: Kontschieder et al., Deep Neural Decision Forests, ICCV 2015; see
    :class:`bitgrove.nn.NeuralDecisionForest`.

    Args:
        in_channels: channels of the pictures, of any size.
        num_classes: classes, or numbers to regress.
        width: channels of the first convolution.
        head: ``"forest"``, or ``"linear"`` for the same network with an ordinary last layer.
        trees: of the forest, as the five that follow.
        depth: split nodes on a path.
        task: ``"classification"`` or ``"regression"``.
        split: ``"neuron"`` or ``"linear"``.
        neurons: None for ``2 ** (depth + 1)``.
        leaves: ``"em"``, ``"gradient"`` or ``"mean"``. With ``"em"`` and ``"mean"`` training needs
            ``Method(leaves=LeafUpdates())``, or calls of ``head.update_leaves``.
        real: the network is real as it is: either value makes the same.

    Raises:
        ValueError: an argument is out of its range.

    >>> import torch
    >>> net = NDF(width=4, trees=2, depth=3).eval()
    >>> x = torch.zeros(2, 1, 28, 28)
    >>> net.embed(x).shape, net(x).shape
    (torch.Size([2, 256]), torch.Size([2, 10]))
    """

    def __init__(
        self,
        in_channels: int = 1,
        num_classes: int = 10,
        *,
        width: int = 16,
        head: Head = "forest",
        trees: int = 5,
        depth: int = 6,
        task: Task = "classification",
        split: Split = "neuron",
        neurons: int | None = None,
        leaves: Leaves = "em",
        real: bool = True,
    ) -> None:
        check_at_least_one(in_channels=in_channels, num_classes=num_classes, width=width)
        if head not in get_args(Head):
            raise ValueError(f"head must be 'forest' or 'linear', got {head!r}")
        if real is not True and real is not False:
            raise ValueError(f"real must be True or False, got {real!r}")
        super().__init__()

        def layer(before: int, after: int, stride: int) -> nn.Sequential:
            return sequence(
                conv=real_convolution(before, after, 3, stride=stride, padding=1),
                norm=nn.BatchNorm2d(after),
                activation=nn.ReLU(),
            )

        self.embedding_dim = 4 * width * 16
        self.layers = nn.Sequential(
            layer(in_channels, width, 2),
            layer(width, 2 * width, 2),
            layer(2 * width, 4 * width, 1),
        )
        self.embedding = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten())
        if head == "linear":
            self.head = nn.Linear(self.embedding_dim, num_classes)
        else:
            self.head = NeuralDecisionForest(
                self.embedding_dim,
                num_classes,
                trees=trees,
                depth=depth,
                task=task,
                split=split,
                neurons=neurons,
                leaves=leaves,
            )

    def embed(self, x: Tensor) -> Tensor:
        """Map pictures ``(n, in_channels, h, w)`` to embeddings ``(n, embedding_dim)``."""
        return self.embedding(self.layers(x))

    def forward(self, x: Tensor) -> Tensor:
        """Map pictures ``(n, in_channels, h, w)`` to log-probabilities or values."""
        return self.head(self.embed(x))
