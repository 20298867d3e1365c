"""Network in Network, with XNOR-Net's layers."""

from __future__ import annotations

from torch import Tensor, nn

from ..nn import Estimator
from ._parts import Real, check_at_least_one, real_convolution, sequence
from ._xnor import EPS, xnor_bits, xnor_layer


class NIN(nn.Module):
    """Three groups of a spatial convolution and two of 1x1, binary but for the two ends.

    ``192C5 - 160C1 - 96C1 - MP - 192C5 - 192C1 - 192C1 - AP - 192C3 - 192C1 - real 10C1``; 3x3
    pooling of stride 2, first of the maximum and then of the average, and dropout after each. See
    :class:`bitgrove.models.XnorNetCifar10` for the layers.

    Sources: Lin et al., Network In Network, ICLR 2014, for the shape; Rastegari et al., XNOR-Net,
    ECCV 2016. Differences: the last 1x1 convolution comes after the average over the picture, and
    not before it, which gives the same numbers; no ReLU on the logits.

    Args:
        in_channels: channels of the pictures.
        num_classes: outputs.
        weights_only: make the binary-weight network, whose activations stay real.
        width: channels of the first convolution; all layers scale with it.
        dropout: after each pooling, in [0, 1).
        input_scale: multiply by K too, the map of the inputs' magnitudes. Only without
            ``weights_only``.
        pad_value: border of the binary convolutions: -1, 0 (as published) or +1.
        input_estimator: gradient of the activations' sign; not used with ``weights_only``.
        weight_estimator: gradient of the weights' sign.
        real: make the twin of the same shape with real numbers: ``"relu"`` (or ``True``),
            ``"leaky_clip"`` or ``"clip"`` in place of the signs. Its state dict fits.

    Raises:
        ValueError: an argument is out of its range, or two arguments contradict each other.

    Pictures of any size fit.

    >>> import torch
    >>> net = NIN(width=12).eval()
    >>> x = torch.zeros(2, 3, 9, 8)
    >>> net.embed(x).shape, net(x).shape
    (torch.Size([2, 12]), torch.Size([2, 10]))
    """

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 10,
        *,
        weights_only: bool = False,
        width: int = 192,
        dropout: float = 0.5,
        input_scale: bool = False,
        pad_value: float = 0.0,
        input_estimator: str | Estimator | None = "clipped",
        weight_estimator: str | Estimator | None = "clipped",
        real: Real = False,
    ) -> None:
        check_at_least_one(in_channels=in_channels, num_classes=num_classes, width=width)
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must be at least 0 and below 1, got {dropout}")
        bits = xnor_bits(
            weights_only,
            real=real,
            pad_value=pad_value,
            input_estimator=input_estimator,
            weight_estimator=weight_estimator,
            input_scale=input_scale,
        )
        super().__init__()

        def layer(
            before: int,
            after: int,
            kernel: int,
            pool: nn.Module | None = None,
            drop: float = 0.0,
        ) -> nn.Module:
            return xnor_layer(
                bits,
                before,
                after,
                kernel,
                weights_only=weights_only,
                padding=kernel // 2,
                pool=pool,
                dropout=drop,
            )

        narrow, narrower = max(width * 160 // 192, 1), max(width * 96 // 192, 1)
        self.stem = sequence(
            conv=real_convolution(in_channels, width, 5, padding=2),
            norm=nn.BatchNorm2d(width, eps=EPS),
            activation=bits.relu(),
        )
        self.layers = nn.Sequential(
            layer(width, narrow, 1),
            layer(narrow, narrower, 1, nn.MaxPool2d(3, 2, 1)),
            layer(narrower, width, 5, drop=dropout),
            layer(width, width, 1),
            layer(width, width, 1, nn.AvgPool2d(3, 2, 1)),
            layer(width, width, 3, drop=dropout),
            layer(width, width, 1),
        )
        last = [] if weights_only else [nn.BatchNorm2d(width, eps=EPS), bits.relu()]
        self.embedding_dim = width
        self.embedding = nn.Sequential(*last, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(width, num_classes)

    def embed(self, x: Tensor) -> Tensor:
        """Map pictures ``(n, in_channels, h, w)`` to embeddings ``(n, embedding_dim)``."""
        return self.embedding(self.layers(self.stem(x)))

    def forward(self, x: Tensor) -> Tensor:
        """Map pictures ``(n, in_channels, h, w)`` to logits ``(n, num_classes)``."""
        return self.head(self.embed(x))
