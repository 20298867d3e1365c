"""AlexNet in the form of XNOR-Net, or with binary weights alone."""

from __future__ import annotations

from torch import Tensor, nn

from ..nn import Estimator
from ._parts import Real, Size, check_at_least_one, pair, real_convolution, sequence
from ._xnor import EPS, xnor_bits, xnor_layer


class AlexNet(nn.Module):
    """AlexNet whose layers are binary but for the first and the last one.

    ``96C11/4 - MP - 256C5 - MP - 384C3 - 384C3 - 256C3 - MP - 4096C6 - 4096C1 - real 1000``, with
    3x3 max pooling of stride 2. A picture of 224 pixels leaves 55, 27, 13 and 6 pixels a side, and
    one of 227 leaves 56, 27, 13 and 6, so both fit the same weights. See
    :class:`bitgrove.models.XnorNetCifar10` for the layers.

    Source: Rastegari et al., XNOR-Net, ECCV 2016, with the settings of the authors' code. XNOR-Net:
    the eps of the first batch norm is 1e-5 and that of the last one 1e-3, of the others 1e-4. The
    binary-weight network: eps 1e-3 throughout, pooling behind the ReLU, dropout of a tenth of the
    channels before each of the 4096. Differences: no biases where a batch norm takes them away
    again.

    Args:
        weights_only: make the binary-weight network (BWN), whose activations stay real.
        in_channels: channels of the pictures.
        num_classes: outputs.
        image_size: one number, or (height, width), of the pictures, at least 63.
        width: channels of the first convolution; all layers scale with it.
        input_scale: multiply by K too, the map of the inputs' magnitudes. The authors' code leaves
            it out. Only without ``weights_only``.
        pad_value: border of the binary convolutions: -1, 0 (as published) or +1.
        input_estimator: gradient of the activations' sign; not used with ``weights_only``.
        weight_estimator: gradient of the weights' sign.
        real: make the twin of the same shape with real numbers: ``"relu"`` (or ``True``),
            ``"leaky_clip"`` or ``"clip"`` in place of the signs. Its state dict fits.

    Raises:
        ValueError: an argument is out of its range, the pictures are too small, or two arguments
            contradict each other.

    >>> import torch
    >>> net = AlexNet(False, num_classes=5, width=6, image_size=64).eval()
    >>> x = torch.zeros(2, 3, 64, 64)
    >>> net.embed(x).shape, net(x).shape
    (torch.Size([2, 256]), torch.Size([2, 5]))
    """

    def __init__(
        self,
        weights_only: bool,
        in_channels: int = 3,
        num_classes: int = 1000,
        *,
        image_size: Size = 224,
        width: int = 96,
        input_scale: bool = False,
        pad_value: float = 0.0,
        input_estimator: str | Estimator | None = "clipped",
        weight_estimator: str | Estimator | None = "clipped",
        real: Real = False,
    ) -> None:
        check_at_least_one(in_channels=in_channels, num_classes=num_classes, width=width)
        height, length = (_left(side) for side in pair("image_size", image_size))
        if min(height, length) < 1:
            raise ValueError(
                "image_size must be at least 63, so that a pixel is left, "
                f"got {image_size}; enlarge the pictures"
            )
        bits = xnor_bits(
            weights_only,
            real=real,
            pad_value=pad_value,
            input_estimator=input_estimator,
            weight_estimator=weight_estimator,
            input_scale=input_scale,
        )
        super().__init__()
        second, third = _scaled(256, width), _scaled(384, width)
        wide = _scaled(4096, width)
        dropout = 0.1 if weights_only else 0.0

        def layer(
            before: int, after: int, kernel: Size, padding: int, *, pool: bool = False
        ) -> nn.Module:
            return xnor_layer(
                bits,
                before,
                after,
                kernel,
                weights_only=weights_only,
                padding=padding,
                pool=nn.MaxPool2d(3, 2) if pool else None,
                pool_last=weights_only,
                eps=1e-3 if weights_only else EPS,
                dropout=dropout if after == wide else 0.0,
            )

        self.stem = sequence(
            conv=real_convolution(in_channels, width, 11, stride=4, padding=2),
            norm=nn.BatchNorm2d(width, eps=1e-3 if weights_only else 1e-5),
            activation=bits.relu(),
            pool=nn.MaxPool2d(3, 2),
        )
        self.layers = nn.Sequential(
            layer(width, second, 5, 2, pool=True),
            layer(second, third, 3, 1),
            layer(third, third, 3, 1),
            layer(third, second, 3, 1, pool=True),
            layer(second, wide, (height, length), 0),
            layer(wide, wide, 1, 0),
        )
        last = [] if weights_only else [nn.BatchNorm2d(wide, eps=1e-3), bits.relu()]
        self.embedding_dim = wide
        self.embedding = nn.Sequential(*last, nn.Flatten())
        self.head = nn.Linear(wide, num_classes)

    def embed(self, x: Tensor) -> Tensor:
        """Map pictures ``(n, in_channels, h, w)`` to embeddings ``(n, embedding_dim)``."""
        return self.embedding(self.layers(self.stem(x)))

    def forward(self, x: Tensor) -> Tensor:
        """Map pictures ``(n, in_channels, h, w)`` to logits ``(n, num_classes)``."""
        return self.head(self.embed(x))


def _left(side: int) -> int:
    """Pixels a side after the convolution of stride 4 and the three poolings.

    >>> _left(62), _left(63), _left(224), _left(227)
    (0, 1, 6, 6)
    """
    side = (side + 2 * 2 - 11) // 4 + 1
    for _ in range(3):
        side = (side - 3) // 2 + 1
    return side


def _scaled(channels: int, width: int) -> int:
    return max(channels * width // 96, 1)
