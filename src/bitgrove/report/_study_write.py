"""Writing the page of a study and its figures."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

from .. import __version__, require
from ..files import replacing
from ._render import template
from ._study import Study
from ._study_lines import accuracy_chart, flips_chart, layer_charts, series_style
from ._study_strips import strips
from ._study_table import counts, table
from ._write import _json_value


def write_study(study: Study, path: str | os.PathLike[str]) -> Path:
    """Write the page of a study, and the same figures as JSON beside it.

    The page is one file without scripts, fonts or pictures from elsewhere: it works offline, in
    print, in light and dark. The JSON has the page's name with ``.json`` and holds ``study`` as it
    is, with null for every figure that is not finite.

    Args:
        study: the figures.
        path: of the page, such as ``RUN/report.html``; its folder is made if it is missing.

    Returns:
        The path of the page.

    Raises:
        ValueError: ``path`` ends in ``.json``; or the histograms of a layer differ in their bins.
            Nothing is written.
        ModuleNotFoundError: jinja2 is missing; the message says how to install it.
        OSError: the folder cannot be written.

    >>> import tempfile
    >>> from bitgrove.report import StudyArm, StudyRun
    >>> run = StudyRun(seed=0, test_accuracy=0.9, best_validation_accuracy=0.91, seconds=60.0)
    >>> study = Study(title="Bop", what="One run.", arms=[StudyArm(name="Bop", runs=[run])])
    >>> write_study(study, Path(tempfile.mkdtemp()) / "report.html").name
    'report.html'
    """
    path = Path(path)
    figures = path.with_suffix(".json")
    if figures == path:
        raise ValueError(f"path must be that of the page, such as report.html, got {path}")
    page = _render(study, figures.name).encode("utf-8")
    data = json.dumps(_json_value(asdict(study)), indent=1, allow_nan=False).encode("ascii")
    path.parent.mkdir(parents=True, exist_ok=True)
    for target, content in ((figures, data), (path, page)):
        with replacing(target) as file:
            file.write(content)
    return path


def _render(study: Study, figures: str) -> str:
    jinja2 = require("jinja2", extra="train", needed_for="the report")
    return template(jinja2, "study.html.j2").render(
        study=study,
        version=__version__,
        figures=figures,
        counts=counts(study),
        table=table(study),
        accuracy=accuracy_chart(study),
        flips=flips_chart(study),
        layers=layer_charts(study),
        strips=(shown := strips(study)),
        pressure=any(arm.pressure for arm in shown),
        style=series_style,
    )
