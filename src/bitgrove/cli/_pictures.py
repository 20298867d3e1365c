"""The pictures a person names: files, and folders of files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image


def find_pictures(paths: Sequence[Path]) -> list[Path]:
    """Files as they are; a folder stands for all pictures in it, in order of their names.

    Raises:
        FileNotFoundError: a path is missing.
        ValueError: a folder holds no picture.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.is_file() and _is_picture(p))
            if not inside:
                raise ValueError(f"{path}: no pictures in this folder")
            found += inside
        elif path.exists():
            found.append(path)
        else:
            raise FileNotFoundError(2, "no such file", str(path))
    return found


def shown(text: str) -> str:
    r"""A name as it may go to a terminal: control characters escaped.

    >>> shown("a b.png"), shown("evil\x1b[2J")
    ('a b.png', 'evil\\x1b[2J')
    """
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode()
        for c in text
    )


def _is_picture(path: Path) -> bool:
    if any(part.startswith(".") for part in path.parts[-1:]):
        return False
    return path.suffix.lower() in Image.registered_extensions()
