"""ResNet-18 in the form of XNOR-Net, or with binary weights alone."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from ..nn import Estimator
from ._parts import Bits, Real, check_at_least_one, real_convolution, sequence
from ._stem import Stem, make_stem
from ._xnor import EPS, xnor_bits, xnor_layer


class ResNet(nn.Module):
    """A ResNet of basic blocks: two binary 3x3 convolutions and one shortcut around both.

    XNOR form: ``batch norm -> sign -> convolution``, twice, ``+ shortcut``, and a batch norm and
    ReLU before the pooling. Binary-weight form: that of ResNet, ``convolution -> batch norm ->
    ReLU -> convolution -> batch norm -> + shortcut -> ReLU``. Where the shape changes, the shortcut
    is a real 1x1 convolution with stride and a batch norm. The first and last layer are real. See
    :class:`bitgrove.models.XnorNetCifar10` for the scales.

    Sources: He et al., Deep Residual Learning, CVPR 2016, 18 layers, shortcut B; Rastegari et al.,
    XNOR-Net, ECCV 2016.

    Args:
        weights_only: make the binary-weight network (BWN), whose activations stay real.
        in_channels: channels of the pictures.
        num_classes: outputs of the head.
        blocks: blocks of each stage; each stage but the first doubles the channels and halves the
            picture.
        width: channels of the first stage.
        stem: ``"large"``: 7x7 with stride 2, and max pooling; or ``"small"``, for pictures of some
            32 pixels: 3x3 with stride 1, without pooling.
        input_scale: multiply by K too, the map of the inputs' magnitudes. Only without
            ``weights_only``.
        pad_value: border of the binary convolutions: -1, 0 (as published) or +1.
        input_estimator: gradient of the activations' sign; not used with ``weights_only``.
        weight_estimator: gradient of the weights' sign.
        real: make the twin of the same shape with real numbers: ``"relu"`` (or ``True``),
            ``"leaky_clip"`` or ``"clip"`` in place of the signs. Its state dict fits.

    Raises:
        ValueError: an argument is out of its range, or two arguments contradict each other.

    >>> import torch
    >>> net = ResNet(True, num_classes=5, width=4, stem="small").eval()
    >>> x = torch.zeros(2, 3, 8, 8)
    >>> net.embed(x).shape, net(x).shape
    (torch.Size([2, 32]), torch.Size([2, 5]))
    """

    def __init__(
        self,
        weights_only: bool,
        in_channels: int = 3,
        num_classes: int = 1000,
        *,
        blocks: Sequence[int] = (2, 2, 2, 2),
        width: int = 64,
        stem: Stem = "large",
        input_scale: bool = False,
        pad_value: float = 0.0,
        input_estimator: str | Estimator | None = "clipped",
        weight_estimator: str | Estimator | None = "clipped",
        real: Real = False,
    ) -> None:
        check_at_least_one(in_channels=in_channels, num_classes=num_classes, width=width)
        if not blocks or min(blocks) < 1:
            raise ValueError(f"blocks must be one number of at least 1 per stage, got {blocks}")
        bits = xnor_bits(
            weights_only,
            real=real,
            pad_value=pad_value,
            input_estimator=input_estimator,
            weight_estimator=weight_estimator,
            input_scale=input_scale,
        )
        super().__init__()
        self.stem = make_stem(stem, in_channels, width, bits.relu())
        self.stages = nn.Sequential()
        channels = width
        for stage, count in enumerate(blocks):
            layers = nn.Sequential()
            for index in range(count):
                widens = stage > 0 and index == 0
                after = 2 * channels if widens else channels
                layers.append(_Block(bits, channels, after, 2 if widens else 1, weights_only))
                channels = after
            self.stages.append(layers)
        last = [] if weights_only else [nn.BatchNorm2d(channels, eps=EPS), bits.relu()]
        self.embedding_dim = channels
        self.embedding = nn.Sequential(*last, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(channels, num_classes)

    def embed(self, x: Tensor) -> Tensor:
        """Map pictures ``(n, in_channels, h, w)`` to embeddings ``(n, embedding_dim)``."""
        return self.embedding(self.stages(self.stem(x)))

    def forward(self, x: Tensor) -> Tensor:
        """Map pictures ``(n, in_channels, h, w)`` to logits ``(n, num_classes)``."""
        return self.head(self.embed(x))


class _Block(nn.Module):
    def __init__(
        self, bits: Bits, before: int, after: int, stride: int, weights_only: bool
    ) -> None:
        super().__init__()
        self.first = xnor_layer(
            bits, before, after, 3, weights_only=weights_only, stride=stride, padding=1
        )
        self.second = xnor_layer(
            bits, after, after, 3, weights_only=weights_only, activate=False, padding=1
        )
        self.activation = bits.relu() if weights_only else None
        self.shortcut = None
        if stride != 1 or before != after:
            self.shortcut = sequence(
                conv=real_convolution(before, after, 1, stride=stride),
                norm=nn.BatchNorm2d(after, eps=EPS),
            )

    def forward(self, x: Tensor) -> Tensor:
        y = self.second(self.first(x)) + (x if self.shortcut is None else self.shortcut(x))
        return y if self.activation is None else self.activation(y)
