"""``bitgrove predict``."""

from __future__ import annotations

from json import dumps
from pathlib import Path

from ..runtime import Prediction, load
from ._arguments import Count, Threads
from ._pictures import find_pictures, readable, shown


def predict(
    model: Path,
    image: Path,
    /,
    *images: Path,
    json: bool = False,
    k: Count = 5,
    threads: Threads = 1,
) -> int:
    """Classify pictures: label, confidence and the nearest training pictures.

    A picture that cannot be read is named on standard error; the others are classified, and the
    exit code is 1.

    Parameters
    ----------
    model:
        A .grove file.
    image:
        A picture, or a folder of pictures.
    images:
        More of them.
    json:
        Print one JSON object a line, with path, label, confidence and neighbours.
    k:
        Nearest training pictures to show.
    threads:
        Threads that share the work.
    """
    session = load(model, threads)
    paths = find_pictures([image, *images])
    failed = 0
    write = _as_json if json else _as_text
    for start in range(0, len(paths), 256):
        asked = paths[start : start + 256]
        read = list(readable(session.preprocessing, asked))
        failed += len(asked) - len(read)
        if read:
            answers = session.predict([pixels for _, pixels in read], k=k)
            for (path, _), answer in zip(read, answers, strict=True):
                print(write(path, answer))
    return 1 if failed else 0


def _as_json(path: Path, answer: Prediction) -> str:
    return dumps(
        {
            "path": str(path),
            "label": answer.label,
            "confidence": round(answer.confidence, 6),
            "neighbours": [
                {"name": near.name, "label": near.label, "distance": round(near.distance, 6)}
                for near in answer.neighbours
            ],
        }
    )


def _as_text(path: Path, answer: Prediction) -> str:
    line = f"{shown(str(path))}: {shown(answer.label)} ({answer.confidence:.1%})"
    nearest = [f"{shown(n.name)} ({shown(n.label)}, {n.distance:.3g})" for n in answer.neighbours]
    return line + (f"\n    nearest: {', '.join(nearest)}" if nearest else "")
