"""What retrieval scores take: packed codes, and who is who among queries and database."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ..interfaces import PackedCodes, describe

Codes: TypeAlias = npt.NDArray[np.uint8] | PackedCodes
"""``uint8[n, ceil(bits / 8)]`` in ``np.packbits`` order with padding bits zero, or as a value."""

_MOST_BYTES = 8192


def check_codes(query_codes: Codes, database_codes: Codes) -> tuple[npt.NDArray, npt.NDArray, int]:
    """Rows of bytes of both, and how many bits they have.

    Raises:
        TypeError: no ``uint8`` matrix.
        ValueError: widths differ, there are no rows, or more than 65,536 bits.
    """
    queries, query_bits = _rows("query_codes", query_codes)
    database, bits = _rows("database_codes", database_codes)
    if queries.shape[1] != database.shape[1]:
        raise ValueError(
            f"code widths differ: query_codes have {queries.shape[1]} bytes a row, "
            f"database_codes {database.shape[1]}"
        )
    if query_bits is not None and bits is not None and query_bits != bits:
        raise ValueError(
            f"code lengths differ: query_codes have {query_bits} bits, database_codes {bits}"
        )
    return queries, database, query_bits or bits or 8 * queries.shape[1]


def _rows(name: str, codes: Codes) -> tuple[npt.NDArray, int | None]:
    bits = None
    if isinstance(codes, PackedCodes):
        codes, bits = codes.data, codes.bits
    if not isinstance(codes, np.ndarray) or codes.dtype != np.uint8 or codes.ndim != 2:
        raise TypeError(
            f"{name} must be packed codes, uint8 of shape (n, ceil(bits / 8)), got "
            f"{describe(codes)}; pack signs with np.packbits(values >= 0, axis=1)"
        )
    if not len(codes):
        raise ValueError(f"{name} must hold at least one row")
    if not 1 <= codes.shape[1] <= _MOST_BYTES:
        raise ValueError(f"{name} must have 1 to {_MOST_BYTES} bytes a row, got {codes.shape[1]}")
    return np.ascontiguousarray(codes), bits


def own_rows(
    exclude_self: bool,
    query_ids: npt.ArrayLike | None,
    database_ids: npt.ArrayLike | None,
    queries: int,
    rows: int,
) -> npt.NDArray[np.int64] | None:
    """The row of the database that each query is and that is left out for it; -1 for none.

    Raises:
        TypeError: ``exclude_self`` is no bool.
        ValueError: ids of another number, twice in the database, or shared although nothing is
            to be left out.
    """
    if not isinstance(exclude_self, bool):
        raise TypeError(f"exclude_self must be a bool, got {exclude_self!r}")
    if (query_ids is None) != (database_ids is None):
        raise ValueError("query_ids and database_ids go together: give both or neither")
    if query_ids is None or database_ids is None:
        if not exclude_self:
            return None
        if queries != rows:
            raise ValueError(
                "exclude_self without ids means that query i is row i of the database, but there "
                f"are {queries} queries and {rows} rows; give query_ids and database_ids"
            )
        return np.arange(rows, dtype=np.int64)
    asked = _ids("query_ids", query_ids, "queries", queries)
    held = _ids("database_ids", database_ids, "rows of the database", rows)
    order = np.argsort(held, kind="stable")
    ordered = held[order]
    if rows > 1 and (ordered[1:] == ordered[:-1]).any():
        twice = ordered[1:][ordered[1:] == ordered[:-1]][0]
        raise ValueError(f"database_ids must be distinct, {twice.item()!r} is there twice")
    at = np.minimum(np.searchsorted(ordered, asked), rows - 1)
    found = ordered[at] == asked
    if found.any() and not exclude_self:
        first = asked[found][0].item()
        raise ValueError(
            f"{found.sum()} of the {queries} queries are rows of the database too, such as id "
            f"{first!r}: give exclude_self=True to leave each out of its own ranking"
        )
    return np.where(found, order[at], -1).astype(np.int64)


def _ids(name: str, ids: npt.ArrayLike, whose: str, count: int) -> npt.NDArray:
    found = np.asarray(ids)
    if found.shape != (count,):
        raise ValueError(f"{name} must be {count}, one for each of the {whose}, got {found.shape}")
    if found.dtype.kind not in "iuSU":
        raise TypeError(f"{name} must be integers or strings, got {describe(found)}")
    return found


def threads_of(threads: int | None) -> int:
    """The number given, or that of the CPUs that this process may use."""
    from ..kernels import usable_cpus

    if threads is None:
        return usable_cpus()
    if isinstance(threads, bool) or not isinstance(threads, int | np.integer):
        raise TypeError(f"threads must be an integer, got {threads!r}")
    if not 1 <= threads <= 1024:
        raise ValueError(f"threads must be in 1 ..= 1024, got {threads}")
    return int(threads)
