"""Convolutions of signs."""

from __future__ import annotations

from typing import ClassVar

from ._convnd import BinaryConvNd


class BinaryConv2d(BinaryConvNd):
    """A 2-D convolution of the sign of its input with the sign of its weight, without bias.

    The input is binarised, padded with ``pad_value`` and convolved; the result is an exact integer
    in float32, which the scales multiply afterwards. In half precision, and under
    ``torch.autocast``, the products of +1 and -1 are still exact and are summed in float32, but the
    sum is rounded to the output's dtype: it is exact with up to 2048 summands in float16 and 256 in
    bfloat16, a summand per tap and input channel of a group. Scales are rounded to that dtype too.
    In training, latent weights are best kept in [-1, 1] by
    :func:`bitgrove.nn.clip_latents_` after each step. NaN is not looked for: its sign is -1.

    Sources: Hubara et al., Binarized Neural Networks, NeurIPS 2016; Rastegari et al., XNOR-Net,
    ECCV 2016 (``scale="channel"``, ``input_scale``); Bulat and Tzimiropoulos, XNOR-Net++,
    BMVC 2019 (``"learned"``, ``"map"``, ``"plane"`` and ``"spatial"`` are its cases 1 to 4).
    Differences: the gradient of alpha is the full one, a sum over the filter, where XNOR-Net keeps
    the diagonal of it; a latent weight at the edge of the clip itself still moves, while XNOR-Net's
    code stops it there.

    Args:
        in_channels: channels of the input, a multiple of ``groups``.
        out_channels: channels of the output, a multiple of ``groups``.
        kernel_size: one number, or (height, width).
        stride: one number, or (down, across).
        padding: pixels added on both sides, one number or (above and below, left and right).
        pad_value: what they hold: -1, 0 or +1. With 0 the convolution has three values at the
            border. The pixels of a real input (``input_estimator=None``) are padded with the same.
        dilation: one number, or (down, across).
        groups: convolutions side by side.
        input_estimator: gradient of the input's sign: a name from :data:`bitgrove.nn.ESTIMATORS`
            but ``"magnitude_aware"``, an :class:`bitgrove.nn.Estimator`, or ``None`` to leave the
            input real (a binary-weight network).
        weight_estimator: the same for the weight; ``None`` leaves the weight real.
        scale: ``None``; ``"channel"``, alpha, the mean of ``|W|`` per output channel,
            differentiated too; or one of XNOR-Net++'s learned ones, whose parameters are first
            1: ``"learned"``, one per output channel; ``"map"``, one per channel, row and column;
            ``"plane"``, one per channel times one per row and column; ``"spatial"``, one per
            channel times one per row times one per column.
        input_scale: multiply by K, the box-filtered mean over the channels (of a group) of
            ``|input|``, whose border is padded with 0; differentiated too.
        output_size: one number, or (height, width); needed for ``"map"``, ``"plane"`` and
            ``"spatial"``, refused otherwise.

    Raises:
        ValueError: an argument is out of its range, or two arguments contradict each other.

    >>> import torch
    >>> layer = BinaryConv2d(2, 1, 3, padding=1)
    >>> _ = torch.nn.init.ones_(layer.weight)
    >>> layer(torch.ones(1, 2, 3, 3)).squeeze()
    tensor([[-2.,  6., -2.],
            [ 6., 18.,  6.],
            [-2.,  6., -2.]], grad_fn=<SqueezeBackward0>)
    """

    dimensions: ClassVar[int] = 2


class BinaryConv1d(BinaryConvNd):
    """A 1-D convolution of the sign of its input with the sign of its weight, without bias.

    It maps ``(n, in_channels, l)`` to ``(n, out_channels, l_out)``. Its arguments are those of
    :class:`bitgrove.nn.BinaryConv2d`, where sizes are one number or a tuple of one; the scales
    ``"plane"`` and ``"spatial"`` are the same here.

    >>> import torch
    >>> layer = BinaryConv1d(2, 1, 3, padding=1)
    >>> _ = torch.nn.init.ones_(layer.weight)
    >>> layer(torch.ones(1, 2, 4)).detach()
    tensor([[[2., 6., 6., 2.]]])
    """

    dimensions: ClassVar[int] = 1


class BinaryConv3d(BinaryConvNd):
    """A 3-D convolution of the sign of its input with the sign of its weight, without bias.

    It maps ``(n, in_channels, d, h, w)`` to ``(n, out_channels, d_out, h_out, w_out)``. Its
    arguments are those of :class:`bitgrove.nn.BinaryConv2d`, where sizes are one number or (depth,
    height, width); the scale ``"plane"`` has one parameter per voxel, and ``"spatial"`` multiplies
    one per channel, slice, row and column.

    >>> import torch
    >>> BinaryConv3d(2, 4, 3, stride=(1, 2, 2), padding=1)(torch.zeros(1, 2, 4, 8, 8)).shape
    torch.Size([1, 4, 4, 4, 4])
    """

    dimensions: ClassVar[int] = 3
