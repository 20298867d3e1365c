"""``bitgrove import-forest``."""

from __future__ import annotations

from pathlib import Path

from ..files import check_writable
from ._pictures import shown


def import_forest(model: Path, /, *, out: Path, quantise: bool = False) -> None:
    """Pack a trained LightGBM model, saved as text by Booster.save_model.

    Models of scikit-learn and ydf have no such text: pack them in Python, by
    bitgrove.export.import_forest. A pickled model is never opened.

    Parameters
    ----------
    model:
        The text.
    out:
        The .grove file to write; an existing one is replaced at the end.
    quantise:
        Keep at most 255 thresholds for each feature, so that they run as bytes.
    """
    from ..export import import_forest as packed

    check_writable(out)
    forest = packed(model)
    if quantise:
        forest = forest.quantised()
    forest.save(out)
    print(
        f"{shown(str(out))}: {len(forest.root):,} trees, {len(forest.feature):,} nodes, "
        f"{out.stat().st_size:,} bytes"
    )
