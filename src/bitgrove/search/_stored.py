"""An index from the arrays and settings that a file holds; nothing in them is trusted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import _core
from ..interfaces import describe
from ._index import check_keys
from ._layout import Layout, as_bytes

_SETTINGS = {"type", "dim", "metric", "dtype", "max_degree", "built", "next_id", "width"}
_GRAPH_SETTINGS = {"start", "squared_bound", "checked", "coded"}
_CODER_SETTINGS = {"step", "lift_places", "exact"}
_NONE = np.uint32(0xFFFFFFFF)


def modern(
    arrays: Mapping[str, npt.NDArray], settings: Mapping[str, Any]
) -> tuple[Mapping[str, npt.NDArray], Mapping[str, Any]]:
    """The same index in the present layout; version 1 had neither codes nor a fixed stride.

    Raises:
        ValueError: version 1, with arrays that do not fit together.
    """
    if "width" in settings:
        return arrays, settings
    built = settings.get("built")
    expected = {"type", "dim", "metric", "dtype", "max_degree", "built"}
    check_keys(
        "settings",
        expected | ({"start", "squared_bound", "checked"} if built is True else set()),
        settings,
    )
    check_keys(
        "arrays",
        {"vectors", "ids"} | ({"degrees", "neighbours"} if built is True else set()),
        arrays,
    )
    ids = _array("ids", arrays, np.int64, 1)
    new = {"vectors": arrays["vectors"], "ids": ids}
    now = dict(settings) | {
        "next_id": _next_id(ids),
        "width": _core.DEFAULT_WIDTH,
    }
    if built is True:
        stride = _int("max_degree", settings, 4, 1024)
        degrees = _array("degrees", arrays, np.uint32, 1)
        ends = _array("neighbours", arrays, np.uint32, 1)
        if len(degrees) != len(ids):
            raise ValueError(f"degrees: expected one for each of {len(ids)} rows")
        if degrees.max(initial=0) > stride:
            raise ValueError("degrees: one is above max_degree")
        if degrees.sum(dtype=np.int64) != len(ends):
            raise ValueError(
                f"neighbours: degrees ask for {degrees.sum(dtype=np.int64)} edges, "
                f"there are {len(ends)}"
            )
        edges = np.full((len(ids), stride), _NONE)
        edges[np.arange(stride) < degrees[:, None]] = ends
        new["edges"] = edges
        vertices = _first_equal(np.ascontiguousarray(arrays["vectors"]))
        if vertices is not None:
            new["vertices"] = vertices
        now["coded"] = False
    return new, now


def restore(
    native: _core.FanngIndex,
    layout: Layout,
    arrays: Mapping[str, npt.NDArray],
    settings: Mapping[str, Any],
    verify: bool,
) -> None:
    """Give an empty index the arrays, without copying those that may be written.

    Raises:
        ValueError: naming the array or setting at fault.
    """
    built, coded = settings.get("built"), settings.get("coded", False)
    exact = settings.get("exact", False)
    if not all(type(flag) is bool for flag in (built, coded, exact)):
        raise ValueError("settings: built, coded and exact must be true or false")
    graph = {"edges"} | ({"low", "codes"} if coded else set())
    check_keys(
        "settings",
        _SETTINGS | (_GRAPH_SETTINGS if built else set()) | (_CODER_SETTINGS if coded else set()),
        settings,
    )
    optional = {"vertices"} & set(arrays)
    check_keys("arrays", {"vectors", "ids"} | ((graph | optional) if built else set()), arrays)
    native.restore(
        *_rows_and_ids(layout, arrays),
        _int("next_id", settings, 0, 2**63 - 1),
        _writable(_array("edges", arrays, np.uint32, 2)) if built else None,
        _array("vertices", arrays, np.uint32, 1) if optional else None,
        _array("low", arrays, np.float32, 1) if coded else None,
        _writable(_array("codes", arrays, np.uint8, 2)) if coded else None,
        _float("step", settings) if coded else 1.0,
        _int("lift_places", settings, 0, 4096) if coded else 0,
        exact,
        _int("start", settings, -1, 2**31) if built else -1,
        _float("squared_bound", settings) if built else 0.0,
        _int("checked", settings, 0, 2**31) if built else 0,
        verify,
    )


def restore_flat(
    native: _core.FlatIndex,
    layout: Layout,
    arrays: Mapping[str, npt.NDArray],
    settings: Mapping[str, Any],
    verify: bool,
) -> None:
    """Give an empty index the arrays, without copying those that may be written.

    Raises:
        ValueError: naming the array or setting at fault.
    """
    check_keys("arrays", {"vectors", "ids"}, arrays)
    rows, ids = _rows_and_ids(layout, arrays)
    if "next_id" not in settings:  # version 1
        settings = dict(settings) | {"next_id": _next_id(ids)}
    check_keys("settings", {"type", "dim", "metric", "dtype", "next_id"}, settings)
    native.restore(rows, ids, _int("next_id", settings, 0, 2**63 - 1), verify)


def _next_id(ids: npt.NDArray[np.int64]) -> int:
    """In version 1 the id of a row that was added without one was its number."""
    return max(int(ids.max(initial=-1)), len(ids) - 1) + 1


def _rows_and_ids(
    layout: Layout, arrays: Mapping[str, npt.NDArray]
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    rows = _writable(as_bytes(layout.check_held("vectors", arrays["vectors"])))
    ids = _writable(_array("ids", arrays, np.int64, 1))
    if len(ids) != len(rows):
        raise ValueError(f"ids: expected one for each of {len(rows)} rows, got {len(ids)}")
    return rows, ids


def _first_equal(rows: npt.NDArray) -> npt.NDArray[np.uint32] | None:
    """For each row the first that equals it; None if all differ."""
    _, first, back = np.unique(rows + 0, axis=0, return_index=True, return_inverse=True)
    return None if len(first) == len(rows) else first[back.ravel()].astype(np.uint32)


def _array(
    name: str, arrays: Mapping[str, npt.NDArray], dtype: type, axes: int
) -> npt.NDArray[Any]:
    array = arrays[name]
    if not isinstance(array, np.ndarray) or array.dtype != dtype or array.ndim != axes:
        kind = "axis" if axes == 1 else "axes"
        raise ValueError(
            f"{name} must be a {np.dtype(dtype)} array with {axes} {kind}, got {describe(array)}"
        )
    return np.require(array, requirements=["C", "A"])


def _writable(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.require(array, requirements=["C", "A", "W"])


def _int(name: str, settings: Mapping[str, Any], least: int, most: int) -> int:
    value = settings[name]
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"settings: {name} must be an int in {least} ..= {most}, got {value!r}")
    return value


def _float(name: str, settings: Mapping[str, Any]) -> float:
    value = settings[name]
    if type(value) not in (int, float) or not 0 <= value <= 1e300:
        raise ValueError(f"settings: {name} must be in 0 ..= 1e300, got {value!r}")
    return float(value)
