"""XNOR-Net and the binary-weight network, for pictures of CIFAR-10's size."""

from __future__ import annotations

from torch import Tensor, nn

from ..nn import Estimator
from ._parts import Real, Size, check_at_least_one, pair, real_convolution, sequence
from ._xnor import EPS, xnor_bits, xnor_layer


class XnorNetCifar10(nn.Module):
    """BNN's network for CIFAR-10 with XNOR-Net's layers: the first and the last one are real.

    A binary layer is ``batch norm -> sign -> 1-bit convolution times alpha (-> max pooling)``,
    where alpha is the mean of ``|W|`` per output channel. Linear layers are convolutions of the
    whole picture, so that K is defined for them too. The first layer is ``real convolution -> batch
    norm -> ReLU`` and the last one ``batch norm -> ReLU -> real linear``, as in the authors'
    AlexNet.

    Source: Rastegari et al., XNOR-Net, ECCV 2016. Differences: the paper names this data set and no
    network for it, so the shape is that of Hubara et al., Binarized Neural Networks, 2016.

    Args:
        in_channels: channels of the pictures.
        num_classes: outputs.
        weights_only: make the binary-weight network (BWN): activations stay real, and a layer is
            ``1-bit convolution times alpha (-> max pooling) -> batch norm -> ReLU``.
        input_scale: multiply by K too, the map of the inputs' magnitudes. The authors' code leaves
            it out.
        image_size: one number of at least 8, or (height, width), of the pictures.
        width: channels of the first convolution; all layers scale with it.
        pad_value: border of the binary convolutions: -1, 0 (as published) or +1.
        input_estimator: gradient of the activations' sign.
        weight_estimator: gradient of the weights' sign.
        real: make the twin of the same shape with real numbers: ``"relu"`` (or ``True``),
            ``"leaky_clip"`` or ``"clip"`` in place of the signs. Its state dict fits.

    Raises:
        ValueError: an argument is out of its range, the pictures are too small, or two arguments
            contradict each other.

    >>> import torch
    >>> net = XnorNetCifar10(width=8, image_size=8).eval()
    >>> x = torch.zeros(2, 3, 8, 8)
    >>> net.embed(x).shape, net(x).shape
    (torch.Size([2, 64]), torch.Size([2, 10]))
    """

    def __init__(
        self,
        in_channels: int = 3,
        num_classes: int = 10,
        *,
        weights_only: bool = False,
        input_scale: bool = False,
        image_size: Size = 32,
        width: int = 128,
        pad_value: float = 0.0,
        input_estimator: str | Estimator | None = "clipped",
        weight_estimator: str | Estimator | None = "clipped",
        real: Real = False,
    ) -> None:
        check_at_least_one(in_channels=in_channels, num_classes=num_classes, width=width)
        size = pair("image_size", image_size)
        if min(size) < 8:
            raise ValueError(
                "image_size must be at least 8, so that three halvings leave a pixel, "
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

        def layer(before: int, after: int, kernel: Size = 3, *, pool: bool = False) -> nn.Module:
            return xnor_layer(
                bits,
                before,
                after,
                kernel,
                weights_only=weights_only,
                padding=1 if kernel == 3 else 0,
                pool=nn.MaxPool2d(2) if pool else None,
            )

        self.stem = sequence(
            conv=real_convolution(in_channels, width, 3, padding=1),
            norm=nn.BatchNorm2d(width, eps=EPS),
            activation=bits.relu(),
        )
        self.embedding_dim = 8 * width
        self.layers = nn.Sequential(
            layer(width, width, pool=True),
            layer(width, 2 * width),
            layer(2 * width, 2 * width, pool=True),
            layer(2 * width, 4 * width),
            layer(4 * width, 4 * width, pool=True),
            layer(4 * width, 8 * width, (size[0] // 8, size[1] // 8)),
            layer(8 * width, self.embedding_dim, 1),
        )
        last = [] if weights_only else [nn.BatchNorm2d(8 * width, eps=EPS), bits.relu()]
        self.embedding = nn.Sequential(*last, nn.Flatten())
        self.head = nn.Linear(self.embedding_dim, num_classes)

    def embed(self, x: Tensor) -> Tensor:
        """Map pictures ``(n, in_channels, h, w)`` to embeddings ``(n, embedding_dim)``."""
        return self.embedding(self.layers(self.stem(x)))

    def forward(self, x: Tensor) -> Tensor:
        """Map pictures ``(n, in_channels, h, w)`` to logits ``(n, num_classes)``."""
        return self.head(self.embed(x))
