"""How a reader refuses a file."""

from __future__ import annotations

import json
from typing import Any, NoReturn

HEADER_LIMIT = 64 << 20
"""Bytes of a JSON header. A larger one is refused before it is read."""


class FileFormatError(ValueError):
    """A file is damaged, of another kind, or written by a newer version."""


class FileChangedError(RuntimeError):
    """Someone else changed a file since it was read; what would be written would undo that."""


def refuse(reason: str, *, at: int) -> NoReturn:
    """Raise with the byte at which the reason lies."""
    raise FileFormatError(f"{reason} (at byte {at})")


def json_object(text: str | bytes, what: str, *, at: int = 8) -> dict[str, Any]:
    """Parse a JSON object that may be hostile."""
    try:
        value = json.loads(text)
    except RecursionError:
        refuse(f"{what} is nested too deeply", at=at)
    except ValueError as error:
        refuse(f"{what} is no JSON: {error}", at=at)
    if not isinstance(value, dict):
        refuse(f"{what} is no JSON object", at=at)
    return value


def check_kind(kind: str, version: int, *, expected: str, newest: int, at: int = 8) -> None:
    """Refuse a file of another kind, or of a version that is not in ``1 ..= newest``."""
    if kind != expected:
        refuse(f"this is a file of kind '{kind}', not '{expected}'", at=at)
    if not 1 <= version <= newest:
        refuse(
            f"written in version {version} of the format; this program reads versions 1 to "
            f"{newest}: update bitgrove",
            at=at,
        )
