"""The page of a table: the curves, every figure, and the protocol, in one file."""

from __future__ import annotations

import base64
import json
import statistics
from html import escape

from ._figures import COLUMNS, Results, cells, spread
from ._study import Study

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;color:#222}
img{max-width:100%} table{border-collapse:collapse;margin:1rem 0}
td,th{padding:.2rem .7rem;border-bottom:1px solid #ddd;text-align:right}
td:nth-child(-n+2),th:nth-child(-n+2){text-align:left} dt{font-weight:600} dd{margin:0 0 .4rem 1rem}
"""


def page(study: Study, results: Results, picture: bytes) -> str:
    """HTML that needs no other file."""
    about = results["protocol"]
    shown = base64.b64encode(picture).decode()
    said = "".join(
        f"<dt>{escape(key.replace('_', ' '))}</dt><dd>{escape(_text(value))}</dd>"
        for key, value in about.items()
    )
    head = "".join(
        f"<th>{escape(name)}</th>"
        for name in ("data", "method", "bits", *(t for _, t in COLUMNS), "fit, CPU s")
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(study.title)}</title>'
        f"<style>{_STYLE}</style><h1>{escape(study.title)}</h1>"
        f'<img alt="Scores over code lengths; the table has every value" '
        f'src="data:image/png;base64,{shown}">'
        "<p>Means over the seeds, with standard deviations where there are several.</p>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{_rows(study, results)}</tbody></table>"
        f"<h2>Protocol</h2><dl>{said}</dl></html>\n"
    )


def _rows(study: Study, results: Results) -> str:
    lines: list[str] = []
    for cell in cells(study, results):
        seconds = f"{statistics.fmean(cell.values('fit_cpu_seconds')):.1f}"
        values = [spread(cell.values(key)) for key, _ in COLUMNS]
        shown = [cell.dataset, cell.title, str(cell.bits), *values, seconds]
        lines.append("<tr>" + "".join(f"<td>{escape(text)}</td>" for text in shown) + "</tr>")
    return "".join(lines)


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
