"""Which network suits which pictures."""

from __future__ import annotations

from typing import Any


def network_for(side: int, channels: int, classes: int, *, width: int) -> dict[str, Any]:
    """Options of ``models.create("birealnet_small", …)`` for square pictures.

    The stem halves pictures of 28 pixels and more, and a third stage is added from 48 pixels on, so
    that the last stage always sees 4 to 8 positions a side. The embedding keeps 2 x 2 of them:
    where things are helps to tell classes apart that the network was not trained on.

    Raises:
        ValueError: the stages cannot halve this side evenly, or it is below 8.

    >>> network_for(28, 1, 10, width=32)["stem_stride"], network_for(64, 3, 10, width=32)["blocks"]
    (2, (2, 2, 2))
    """
    blocks = (2, 2, 2) if side >= 48 else (2, 2)
    stem_stride = 2 if side >= 28 else 1
    shrinks = stem_stride * 2 ** (len(blocks) - 1)
    if side < 8 or side % shrinks:
        below = max(side // shrinks * shrinks, 8)
        raise ValueError(
            f"pictures of {side} pixels do not suit the network: size must be at least 8 and a "
            f"multiple of {shrinks} here, such as {below} or {below + shrinks}"
        )
    return {
        "in_channels": channels,
        "num_classes": classes,
        "width": width,
        "blocks": blocks,
        "stem_stride": stem_stride,
        "grid": 2,
    }
