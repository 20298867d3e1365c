"""Writing the page and its figures."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np

from ..files import replacing
from ._record import Record
from ._render import render


def write(record: Record, folder: str | os.PathLike[str]) -> Path:
    """Write ``report.html`` and ``results.json`` into a folder, replacing older ones whole.

    The page is one file without scripts, fonts or pictures from elsewhere: it works offline, in
    print, in light and dark. ``results.json`` holds :meth:`Record.to_dict`, with null for every
    figure that is not finite.

    Args:
        record: the figures.
        folder: where to write; made if it is missing.

    Returns:
        The path of ``report.html``.

    Raises:
        ValueError: figures contradict each other: the confusion is not as large as its classes are
            many, teaching names other images before than after, the parts of the file are larger
            than the whole, or a picture has other than 1, 3 or 4 channels. Nothing is written.
        TypeError: a picture is no ``uint8[h, w, c]``.
        ModuleNotFoundError: jinja2 is missing; the message says how to install it.
        OSError: the folder cannot be written.
    """
    page = render(record).encode("utf-8")
    results = json.dumps(_json_value(record.to_dict()), indent=2, allow_nan=False).encode("ascii")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in (("results.json", results), ("report.html", page)):
        with replacing(folder / name) as file:
            file.write(content)
    return folder / "report.html"


def _json_value(value: Any) -> Any:
    """The same with null for figures that JSON cannot hold."""
    if isinstance(value, dict):
        return {key: _json_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json_value(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
