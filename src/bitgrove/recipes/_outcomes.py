"""Outcomes of runs as JSON files, so that a study can be resumed, and lines of a TOML file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..files import replacing


def kept(path: Path, settings: Mapping[str, Any]) -> dict[str, Any] | None:
    """The outcome of an earlier run, if it is there.

    Args:
        path: where :func:`write` put it, with the settings under ``settings``.
        settings: those of the run at hand, as JSON values.

    Raises:
        ValueError: the file is damaged, or was made with other settings.
    """
    if not path.is_file():
        return None
    try:
        outcome = json.loads(path.read_text())
        same = outcome["settings"] == settings
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is damaged ({error}); delete it to run anew") from None
    if not same:
        raise ValueError(
            f"{path} was made with other settings, {outcome['settings']}; resume with those, or "
            "--overwrite the run"
        )
    return outcome


def write(path: Path, value: object) -> None:
    """A value as JSON, in a folder that is made if it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        file.write(json.dumps(value, indent=1).encode() + b"\n")


def toml_line(key: str, value: object) -> str:
    """One line of TOML; JSON's strings, numbers and lists are TOML's too.

    >>> toml_line("seeds", [0, 1])
    'seeds = [0, 1]'
    """
    return f"{key} = {json.dumps(value, ensure_ascii=False)}"
