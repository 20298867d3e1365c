"""A Bi-Real network for small pictures."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from ..nn import BiRealBlock


class BiRealNetSmall(nn.Module):
    """``real 3x3 stem -> stages of Bi-Real blocks -> pooled embedding -> real linear head``.

    A PReLU follows the stem's batch norm and every block; each stage but the first doubles the
    channels and halves the picture. The embedding is batch-normalised, so that no channel rules the
    distances between embeddings; they are meant for squared Euclidean ones, without scaling to unit
    length, which places a class that was not trained on nearer to those that were.

    Source: Liu et al., Bi-Real Net, ECCV 2018, for the blocks. Differences: the PReLUs, from later
    binary networks; a 3x3 stem without pooling; a batch norm on the embedding.

    Args:
        in_channels: channels of the pictures.
        num_classes: outputs of the head.
        width: channels of the first stage; multiples of 8 pack without padding.
        blocks: binary convolutions of each stage.
        stem_stride: 1, or 2 for larger pictures (28 pixels, say) at a quarter of the work.
        grid: cells per side that the embedding is pooled to. With 2 it keeps some of where things
            are, and is four times as long.
        real: the float twin of the same shape; its state dict fits the binary network.

    Raises:
        ValueError: an argument is out of its range.

    The height and width that the stem leaves must be multiples of ``2 ** (len(blocks) - 1)``.

    >>> import torch
    >>> net = BiRealNetSmall(num_classes=8, width=16).eval()
    >>> x = torch.zeros(2, 1, 8, 8)
    >>> net.embed(x).shape, net(x).shape
    (torch.Size([2, 32]), torch.Size([2, 8]))
    """

    def __init__(
        self,
        in_channels: int = 1,
        num_classes: int = 10,
        *,
        width: int = 32,
        blocks: Sequence[int] = (2, 2),
        stem_stride: int = 1,
        grid: int = 1,
        real: bool = False,
    ) -> None:
        for name, value in (
            ("in_channels", in_channels),
            ("num_classes", num_classes),
            ("width", width),
            ("grid", grid),
        ):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if not blocks or min(blocks) < 1:
            raise ValueError(f"blocks must be one number of at least 1 per stage, got {blocks}")
        if stem_stride not in (1, 2):
            raise ValueError(f"stem_stride must be 1 or 2, got {stem_stride}")
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, width, 3, stem_stride, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.PReLU(width),
        )
        self.stages = nn.Sequential()
        channels = width
        for stage, count in enumerate(blocks):
            for block in range(count):
                widens = stage > 0 and block == 0
                out = 2 * channels if widens else channels
                self.stages.append(
                    nn.Sequential(
                        BiRealBlock(channels, out, stride=2 if widens else 1, real=real),
                        nn.PReLU(out),
                    )
                )
                channels = out
        self.embedding_dim = channels * grid * grid
        self.embedding = nn.Sequential(
            nn.AdaptiveAvgPool2d(grid), nn.Flatten(), nn.BatchNorm1d(self.embedding_dim)
        )
        self.head = nn.Linear(self.embedding_dim, num_classes)

    def embed(self, x: Tensor) -> Tensor:
        """Map pictures ``(n, in_channels, h, w)`` to embeddings ``(n, embedding_dim)``."""
        return self.embedding(self.stages(self.stem(x)))

    def forward(self, x: Tensor) -> Tensor:
        """Map pictures ``(n, in_channels, h, w)`` to logits ``(n, num_classes)``."""
        return self.head(self.embed(x))
