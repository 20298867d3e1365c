"""What differs between two sets of settings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def differences(stored: Any, expected: Any) -> list[str]:
    """One phrase for every plain value that differs between nested dictionaries and lists.

    >>> differences({"a": [1, {"b": 2}], "c": 3}, {"a": [1, {"b": 5}]})
    ['a.1.b was 2 and is now 5', 'c was 3 and is now missing']
    """
    before, after = dict(_leaves(stored)), dict(_leaves(expected))
    return [
        f"{path} was {_short(before, path)} and is now {_short(after, path)}"
        for path in sorted(before.keys() | after.keys())
        if path not in before or path not in after or before[path] != after[path]
    ]


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        inner = f"{path}.{key}".lstrip(".")
        if isinstance(item, dict | list) and item:
            yield from _leaves(item, inner)
        else:
            yield inner, item


def _short(leaves: dict[str, Any], path: str) -> str:
    if path not in leaves:
        return "missing"
    text = repr(leaves[path])
    return text if len(text) <= 40 else f"{text[:12]}…{text[-4:]}"
