"""The pictures a person names: files, and folders of files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..data import is_picture


def find_pictures(paths: Sequence[Path]) -> list[Path]:
    """Files as they are; a folder stands for all pictures in it, in order of their names.

    Raises:
        FileNotFoundError: a path is missing.
        ValueError: a folder holds no picture.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if is_picture(p.relative_to(path)))
            inside = [p for p in inside if p.is_file()]
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
