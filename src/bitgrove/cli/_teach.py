"""``bitgrove teach``."""

from __future__ import annotations

from pathlib import Path

from ..runtime import load
from ._pictures import find_pictures, shown


def teach(model: Path, name: str, image: Path, /, *images: Path) -> None:
    """Add a class, or more examples of a known one, without retraining.

    The file is replaced at the very end; if anything fails, it stays as it was.

    Parameters
    ----------
    model:
        A .grove file.
    name:
        The class that the pictures show.
    image:
        A picture, or a folder of pictures.
    images:
        More of them.
    """
    session = load(model)
    paths = find_pictures([image, *images])
    session.teach(name, paths, [str(path) for path in paths])
    session.artifact.save(model)
    examples = session.artifact.examples
    count = examples.counts()[name] if examples else 0
    print(
        f"{shown(str(model))} knows '{shown(name)}' from {count} "
        f"example{'s' if count != 1 else ''} ({len(paths)} new)"
    )
