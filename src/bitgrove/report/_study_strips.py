"""How the numbers behind the bits move: a strip per layer, epochs across, values upwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ._pictures import _uri
from ._study import Study, StudyArm, StudyHistogram
from ._study_names import own_parts
from ._text import count, plural, shorten

WIDTH, HEIGHT = 220, 150
LEFT, TOP, BOTTOM = 36, 22, 18
"""Margins: ticks to the left, the layer's name above, epochs below."""

_LAYERS = 8
"""Strips per method at most."""

_TICKS = {
    "latent": ((1.0, "1"), (0.0, "0"), (-1.0, "−1")),
    # On the scale of a StudyHistogram: 1 is at 1, a thousand and a million near 4 and 7.
    "pressure": ((3.954, "10³"), (1.0, "1"), (-1.0, "−1"), (-3.954, "−10³")),
}
"""Value on the strip's own scale, text."""

_COLUMNS = 240
"""Epochs per strip at most; of more, evenly chosen ones are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Strip:
    """One layer."""

    layer: str
    title: str
    """The whole name."""
    description: str
    uri: str
    """A picture of which only the opacity matters."""
    x_ticks: tuple[tuple[float, str, str], ...]
    """Position, text, anchor."""
    y_ticks: tuple[tuple[float, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmStrips:
    """One method."""

    name: str
    series: int
    note: str
    pressure: bool
    """Whether Bop's averages are among them, which take a paragraph to explain."""
    strips: tuple[Strip, ...]
    box: tuple[int, int, int, int] = (LEFT, TOP, WIDTH, HEIGHT - BOTTOM)
    width: int = WIDTH
    height: int = HEIGHT


def strips(study: Study) -> tuple[ArmStrips, ...]:
    """Lay the section out; of each method its first seed with histograms is shown."""
    found = (_arm_strips(arm, number) for number, arm in enumerate(study.arms))
    return tuple(arm for arm in found if arm)


def _arm_strips(arm: StudyArm, number: int) -> ArmStrips | None:
    run = next((run for run in arm.runs if run.histograms), None)
    if run is None:
        return None
    layers = list(dict.fromkeys(name for layers in run.histograms.values() for name in layers))
    shown = [layers[i] for i in _evenly(len(layers), _LAYERS)]
    labels = dict(zip(layers, own_parts(layers), strict=True))
    kinds = {h.shown for layers in run.histograms.values() for h in layers.values()}
    what = {
        "latent": "latent weights",
        "pressure": "average gradients, in units of the threshold, on a scale of powers of ten",
    }
    note = f"{' and '.join(what[kind] for kind in sorted(kinds))}; seed {run.seed}"
    if len(shown) < len(layers):
        note += f"; {len(shown)} of {plural(len(layers), 'layer')}"
    return ArmStrips(
        name=arm.name,
        series=number,
        note=note,
        pressure="pressure" in kinds,
        strips=tuple(_strip(name, labels[name], run.histograms) for name in shown),
    )


def _strip(layer: str, label: str, histograms: Mapping[int, Mapping[str, StudyHistogram]]) -> Strip:
    epochs = [epoch for epoch in sorted(histograms) if layer in histograms[epoch]]
    epochs = [epochs[i] for i in _evenly(len(epochs), _COLUMNS)]
    columns = [histograms[epoch][layer] for epoch in epochs]
    bins, limit = len(columns[0].counts), columns[0].limit
    if any(len(c.counts) != bins or c.limit != limit for c in columns):
        raise ValueError(
            f"the histograms of {layer!r} must have the same bins and limit at every epoch"
        )
    counts = np.array([c.counts for c in columns], np.float64).T[::-1]
    shares = counts / np.maximum(counts.sum(0), 1)
    # The root: few weights in a bin should still be seen beside the full bins at -1 and 1.
    opacity = np.sqrt(shares / max(shares.max(), 1e-12))
    pixels = np.zeros((*opacity.shape, 4), np.uint8)
    pixels[..., :3] = (0x2F, 0x7F, 0xC4)
    pixels[..., 3] = np.round(255 * opacity)
    top, bottom = TOP, HEIGHT - BOTTOM
    return Strip(
        layer=shorten(label, 24),
        title=layer,
        description=f"{count(epochs[0])} to {count(epochs[-1])}, values from "
        f"{-limit:g} to {limit:g}",
        uri=_uri(Image.fromarray(pixels), lossless=True),
        x_ticks=(
            (LEFT, count(epochs[0]), "start"),
            (WIDTH, f"epoch {count(epochs[-1])}", "end"),
        ),
        y_ticks=tuple(
            ((top + bottom) / 2 - value / limit * (bottom - top) / 2, text)
            for value, text in _TICKS[columns[0].shown]
            if abs(value) <= limit
        ),
    )


def _evenly(size: int, most: int) -> Sequence[int]:
    """At most so many places, both ends among them."""
    if size <= most:
        return range(size)
    return [round(i * (size - 1) / (most - 1)) for i in range(most)]
