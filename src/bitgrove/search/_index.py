"""What the indexes share: rows, ids, the form of results, files."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Generic, Self, TypeVar

import numpy as np
import numpy.typing as npt

from .. import _core, files
from ..interfaces import Neighbours, RangeNeighbours
from ..kernels import usable_cpus
from ._asked import check_ids
from ._journal import Operation, decode
from ._layout import DTYPES, Array, Layout, as_bytes, positive_int
from ._storage import Storage, from_bytes, read, to_bytes

_MAX_THREADS = 1 << 12

Native = TypeVar("Native", _core.FlatIndex, _core.MultiIndex, _core.ClusterIndex, _core.FanngIndex)


class RowIndex(ABC, Generic[Native]):
    """Rows with ids, searched by one metric; made by its subclasses, such as ``Flat``."""

    _type: str

    def __init__(self, layout: Layout, native: Native) -> None:
        self._layout = layout
        self._native = native
        self._storage = Storage()

    @property
    def dim(self) -> int:
        """Elements of a row; bits for the dtype ``bits``."""
        return self._layout.dim

    @property
    def metric(self) -> str:
        """``l2``, ``ip``, ``cosine`` or ``hamming``."""
        return self._layout.metric

    @property
    def dtype(self) -> str:
        """What vectors and queries must be: ``float32``, ``float16``, ``uint8`` or ``bits``."""
        return self._layout.dtype

    @property
    def vectors(self) -> npt.NDArray:
        """The rows as they are held, read-only; for cosine, unit vectors in float32.

        A view, or where rows were removed since the graph was last mended, a copy.
        """
        return self._rows_from(*self._native.rows())[0]

    @property
    def ids(self) -> npt.NDArray[np.int64]:
        """The id of every row, ``int64[n]``, read-only."""
        return self._native.rows()[1]

    def __len__(self) -> int:
        return len(self._native)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(dim={self.dim}, metric={self.metric!r}, dtype={self.dtype!r}) "
            f"with {len(self)} rows"
        )

    def add(
        self,
        vectors: Array,
        ids: Array | None = None,
        *,
        threads: int | None = None,
    ) -> None:
        """Append rows; all of them, or on an error none.

        Searches go on meanwhile, and see the rows when all are there.

        Args:
            vectors: shape ``(n, dim)`` in the index's dtype; for bits ``uint8[n, ceil(dim / 8)]``
                in ``np.packbits`` order. An array of numpy, or of any library that shares its
                memory by DLPack, as torch does; so for all arrays that an index takes.
            ids: ``int64[n]``, unique and not negative; by default the numbers that follow the
                largest id ever held, from 0.
            threads: that link the rows to a graph; by default one for each CPU. The index does not
                depend on it.

        Raises:
            TypeError: an array of another dtype or number of axes. Nothing is converted.
            ValueError: rows of another length; NaN, infinity, or values so large that distances
                overflow; a zero row for cosine; an id that is held already, named.
            KeyboardInterrupt: Ctrl-C; nothing was added, or in the last moment all. The next change
                that adds first mends the graph, which takes as long as after many removals.
        """
        rows = self._layout.check("vectors", vectors)
        numbers = None if ids is None else check_ids("ids", ids)
        if numbers is not None and len(numbers) != len(rows):
            raise ValueError(f"{len(rows)} vectors need as many ids, got {len(numbers)}")
        held = as_bytes(self._layout.held("vectors", rows))
        self._change(Operation("add", numbers, held), usable_threads(threads))

    def remove(self, ids: Array, *, threads: int | None = None) -> None:
        """Remove rows; all of them, or on an error none.

        They are in no result from now on, and their ids are free. A graph keeps them as way marks
        until they are a fiftieth of all rows (and more than 64), or until the index is pickled or
        saved whole; then the vertices around each are linked anew, and the memory is freed. The
        other rows stay in their order. Ctrl-C acts when that is done.

        Args:
            ids: ``int64[n]``, of rows that are held.
            threads: that mend the graph; by default one for each CPU. The index does not depend on
                it.

        Raises:
            TypeError: another kind of array.
            ValueError: an id that is not held, or given twice, named.
        """
        numbers = check_ids("ids", ids)
        if len(numbers):
            self._change(Operation("remove", numbers), usable_threads(threads))

    def update(self, ids: Array, vectors: Array, *, threads: int | None = None) -> None:
        """Give the rows of these ids other vectors; all of them, or on an error none.

        A search sees either the old or the new ones.

        Args:
            ids: ``int64[n]``, of rows that are held.
            vectors: as many, as for :meth:`add`.
            threads: as for :meth:`add`.

        Raises:
            TypeError: as for :meth:`add`.
            ValueError: as for :meth:`add` and :meth:`remove`.
            KeyboardInterrupt: Ctrl-C; nothing was changed, or in the last moment all.
        """
        numbers = check_ids("ids", ids)
        rows = self._layout.check("vectors", vectors)
        if len(numbers) != len(rows):
            raise ValueError(f"{len(numbers)} ids need as many vectors, got {len(rows)}")
        if len(numbers):
            held = as_bytes(self._layout.held("vectors", rows))
            self._change(Operation("update", numbers, held), usable_threads(threads))

    @abstractmethod
    def search(
        self, queries: Array, k: int, *, budget: int | None = None, threads: int | None = None
    ) -> Neighbours:
        """Find the ``k`` nearest rows of every query."""

    @abstractmethod
    def range_search(
        self, queries: Array, radius: float, *, threads: int | None = None
    ) -> RangeNeighbours:
        """Find all rows within the radius of every query."""

    def arrays(self) -> dict[str, npt.NDArray]:
        """The index as named arrays, read-only; FORMAT.md specifies them."""
        return self._snapshot()[0]

    def settings(self) -> dict[str, Any]:
        """What the arrays do not say, as JSON values; FORMAT.md specifies them."""
        return self._snapshot()[1]

    @classmethod
    @abstractmethod
    def from_arrays(
        cls,
        arrays: Mapping[str, npt.NDArray],
        settings: Mapping[str, Any],
        *,
        verify: bool = True,
    ) -> Self:
        """The index that :meth:`arrays` and :meth:`settings` describe."""

    def save(self, path: str | os.PathLike[str], *, rewrite: bool = False) -> None:
        """Write the index to one file; when this returns, it is on the disk.

        Saved again to the file that it was last loaded from or saved to, the index appends what
        changed since, so that a few rows more take no longer for a large index than for a small
        one. All of it is written anew after :meth:`build`, when the changes exceed a tenth of the
        file, and to any other place. A process that is killed, or a power cut, at any moment leaves
        the file as it was or as it is meant to be. Searches go on meanwhile, changes wait.

        Args:
            path: the file; one that exists is replaced.
            rewrite: write all of it, also where another process changed the file.

        Raises:
            FileChangedError: another process, or another index, changed the file since this index
                was loaded from it or saved to it.
            OSError: the file cannot be written; it is as before.
        """
        self._storage.save(path, self._snapshot, rewrite)

    @classmethod
    def load(
        cls, path: str | os.PathLike[str], mmap: bool = False, *, verify: bool | None = None
    ) -> Self:
        """Read an index that :meth:`save` wrote.

        Args:
            path: the file. What a crash left of a save that never returned is passed over.
            mmap: leave the arrays in the file: parts are read when they are needed, and are shared
                by all processes that map the file. Changes stay in memory until they are saved. The
                file may be saved to and replaced meanwhile, but not shortened or written in place.
            verify: check every byte against its checksum first, and that edges and codes are those
                of the rows. By default so unless ``mmap``, where it means that all of the file is
                read.

        Raises:
            FileFormatError: a damaged file, one of another kind or a newer version, or an undamaged
                one whose content is no index of this class.
            ValueError: ``verify=False`` without ``mmap``; a file of version 1 with it.
            OSError: the file cannot be read.
        """
        if verify is False and not mmap:
            raise ValueError("verify must be True without mmap: what is read is checked")
        stored = read(path, mmap, bool(verify))
        try:
            index = cls.from_arrays(stored.arrays, stored.settings, verify=not mmap or bool(verify))
            for number, record in enumerate(stored.records, 1):
                index._replay(number, record)
        except ValueError as error:
            raise files.FileFormatError(f"{path}: {error}") from None
        index._storage.settle(stored.home)
        return index

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self)._from_bytes, (to_bytes(*self._snapshot()),)

    @classmethod
    def _from_bytes(cls, content: bytes) -> Self:
        stored = from_bytes(content)
        return cls.from_arrays(stored.arrays, stored.settings)

    def _replay(self, number: int, record: bytes) -> None:
        try:
            for operation in decode(record, self._layout.row_bytes):
                self._perform(operation, usable_threads(None))
        except (ValueError, TypeError) as error:
            raise ValueError(f"record {number} of the log: {error}") from None

    def _change(self, operation: Operation, threads: int) -> None:
        """Do it, and keep it for the next :meth:`save`."""
        with self._storage.changing(operation):
            self._perform(operation, threads)

    def _perform(self, operation: Operation, threads: int) -> None:
        """Do it. The same operations on the same index give the same index, to the last bit."""
        if operation.kind == "add" and operation.rows is not None:
            self._native.add(operation.rows, operation.ids, threads)
        elif operation.kind == "remove" and operation.ids is not None:
            self._native.remove(operation.ids, threads)
        elif operation.kind == "update" and not (operation.ids is None or operation.rows is None):
            self._native.update(operation.ids, operation.rows, threads)
        else:
            raise ValueError(f"{type(self).__name__} knows no operation '{operation.kind}'")

    @abstractmethod
    def _snapshot(self) -> tuple[dict[str, npt.NDArray], dict[str, Any]]:
        """Arrays and settings of one moment."""

    def _base_settings(self) -> dict[str, Any]:
        layout = self._layout
        return {
            "type": self._type,
            "dim": layout.dim,
            "metric": layout.metric,
            "dtype": layout.dtype,
        }

    def _rows_from(
        self, data: npt.NDArray[np.uint8], ids: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray, npt.NDArray[np.int64]]:
        return data.view(DTYPES[self._layout.held_dtype]), ids

    def _prepare(
        self, queries: Array, k: int, threads: int | None
    ) -> tuple[npt.NDArray[np.uint8], int, Neighbours]:
        """Checked queries as bytes, the number of threads, and room for the result."""
        rows = self._layout.held("queries", self._layout.check("queries", queries))
        k = positive_int("k", k)
        threads = usable_threads(threads)
        shape = (len(rows), k)
        return (
            as_bytes(rows),
            threads,
            Neighbours(np.empty(shape, np.float32), np.empty(shape, np.int64)),
        )


def usable_threads(threads: int | None) -> int:
    """The number given, or that of the CPUs that this process may use.

    Raises:
        TypeError: no int.
        ValueError: below 1, or more than any machine has.
    """
    if threads is None:
        return usable_cpus()
    threads = positive_int("threads", threads)
    if threads > _MAX_THREADS:
        raise ValueError(f"threads must be in 1 ..= {_MAX_THREADS}, got {threads}")
    return threads


def check_keys(what: str, expected: set[str], given: Mapping[str, Any]) -> None:
    """Refuse a table whose keys are not exactly those expected.

    Raises:
        ValueError: naming the keys that are missing or not known.
    """
    missing, unknown = sorted(expected - set(given)), sorted(set(given) - expected, key=str)
    if missing or unknown:
        raise ValueError(f"{what}: missing {missing}, not known {unknown}")


def check_type(expected: str, settings: Mapping[str, Any]) -> None:
    """Refuse the settings of another type of index.

    Raises:
        ValueError: naming both types.
    """
    if settings.get("type") != expected:
        raise ValueError(
            f"settings: type must be {expected!r}, got {settings.get('type')!r}; "
            "load it with the class of that name"
        )


def layout_from(settings: Mapping[str, Any]) -> Layout:
    """The layout that settings describe.

    Raises:
        ValueError: they describe none.
    """
    missing = sorted({"dim", "metric", "dtype"} - set(settings))
    if missing:
        raise ValueError(f"settings: missing {missing}")
    try:
        return Layout(settings["dim"], settings["metric"], settings["dtype"])
    except (TypeError, ValueError) as error:
        raise ValueError(f"settings: {error}") from None
