"""The paper's question, tumour or none, on other patches."""

from __future__ import annotations

from ...jobs import Plan
from ..fern_histology.recipe import NOTES, WIDTHS, arms

PLAN = Plan(
    name="fern-histology-tumour",
    title="Ferns against XNOR-Net and real convolutions on lung tissue: tumour or none",
    dataset="lc25000-tumour",
    arms=arms(2, 4, published=True),
    widths=WIDTHS,
    notes=NOTES,
)
