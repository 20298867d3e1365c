"""The libraries, the builds of each that are tried, and the settings that its searches sweep."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Setting = dict[str, Any]


class Adapter(Protocol):
    """What every library must be able to do here."""

    def build(self, base: npt.NDArray, threads: int) -> None:
        """Make an index of the rows."""
        ...

    def save(self, folder: Path) -> None:
        """Keep it in an empty folder."""
        ...

    def load(self, folder: Path, base: npt.NDArray) -> None:
        """Take it from there, ready to search."""
        ...

    def convert(self, queries: npt.NDArray) -> npt.NDArray:
        """Queries in the type that the index takes, so that no conversion is timed."""
        ...

    def use(self, setting: Setting, threads: int) -> None:
        """Search so from now on."""
        ...

    def search(self, queries: npt.NDArray, k: int) -> npt.NDArray[np.integer]:
        """The rows found, ``(q, k)``, by the fastest call of the library for a whole batch."""
        ...


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to build an index, or to search a build in other codes."""

    name: str
    library: str
    make: Callable[[], Adapter]
    settings: tuple[Setting, ...]
    folder: str = ""
    """Of the build; of another variant where both search the same build."""
    whole: bool | None = None
    """Only for data that are integers (True) or are not (False)."""
    extra: bool = False
    """Left out by default, for its build is long: only with ``--all``."""

    @property
    def place(self) -> str:
        """Folder name in the cache."""
        return self.folder or self.name


def _late(module: str, name: str, *args: Any, **kwargs: Any) -> Callable[[], Adapter]:
    """An adapter made when it is needed: a library that is not installed is one failed row."""
    return lambda: getattr(importlib.import_module(f"_search_{module}"), name)(*args, **kwargs)


def _grid(**axes: tuple[Any, ...]) -> tuple[Setting, ...]:
    return tuple(
        dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())
    )


EFFORTS = (10, 14, 20, 28, 40, 56, 80, 112, 160, 224, 320, 448, 640)
"""Sizes of a pool of candidates: steps of a half power of two."""
OURS = "bitgrove"


def _ours() -> list[Variant]:
    return [Variant(OURS, OURS, _late("ours", "Ours"), _grid(width=EFFORTS))]


def _hnswlib() -> list[Variant]:
    return [
        Variant(
            f"hnswlib_m{links}_c{effort}",
            "hnswlib",
            _late("hnswlib", "Hnswlib", links=links, effort=effort),
            _grid(ef=EFFORTS),
            extra=links > 16,
        )
        for links, effort in ((16, 200), (24, 400))
    ]


def _faiss() -> list[Variant]:
    ef = _grid(efSearch=EFFORTS)
    refined = _grid(efSearch=EFFORTS, k_factor=(1, 2))
    graphs = (
        ("faiss_hnsw32", "faiss HNSW32", "float32", ef, None),
        ("faiss_hnsw32_direct", "faiss quantised graph", "direct", ef, True),
        ("faiss_hnsw32_sq8", "faiss quantised graph", "sq8", refined, False),
        ("faiss_hnsw32_bf16", "faiss quantised graph", "bf16", refined, False),
    )
    lists = _grid(nprobe=(4, 8, 16, 24, 32, 48, 64, 96, 128), k_factor=(4, 10, 20, 40))
    return [
        *(
            Variant(
                name,
                library,
                _late("faiss", "FaissGraph", rows, effort=100),
                settings,
                folder="faiss_hnsw32",
                whole=whole,
            )
            for name, library, rows, settings, whole in graphs
        ),
        Variant(
            "faiss_ivf_pq64fs",
            "faiss IVF fast scan",
            _late("faiss", "FaissLists", "IVF2048,PQ64x4fs,RFlat"),
            lists,
        ),
    ]


def _usearch() -> list[Variant]:
    return [
        Variant(
            f"usearch_m{links}_{dtype}",
            "usearch",
            _late("usearch", "Usearch", links=links, effort=effort, dtype=dtype),
            _grid(expansion=EFFORTS),
        )
        for links, effort, dtype in ((16, 128, "bf16"),)
    ]


def _scann() -> list[Variant]:
    settings = _grid(
        leaves=(8, 12, 18, 27, 40, 60, 90, 135, 200), reorder=(30, 60, 100, 150, 250, 400)
    )
    return [Variant("scann_2000", "scann", _late("scann", "Scann", leaves=2000), settings)]


def _svs() -> list[Variant]:
    windows = tuple({"window": w} for w in EFFORTS)
    split = tuple(
        {"window": w, "capacity": c}
        for w in EFFORTS
        for c in sorted({w, max(w, 20), max(w, 40), int(1.5 * w)})
    )
    found = []
    for degree, build in ((64, 128),):
        folder = f"svs_r{degree}"

        def variant(
            name: str,
            settings: tuple[Setting, ...],
            degree: int = degree,
            build: int = build,
            folder: str = folder,
            **more: Any,
        ) -> Variant:
            make = _late("svs", "Svs", degree=degree, window=build, **more)
            return Variant(f"{folder}{name}", "scalable-vs", make, settings, folder=folder)

        found += [
            variant("", windows),
            variant("_lvq8", windows, bits=(8, 0)),
            variant("_lvq4x4", split, bits=(4, 4)),
            variant("_lvq4x8", split, bits=(4, 8)),
        ]
    return found


_REORDERED = {"reorder": True, "build_by_base": True}


def _vsag() -> list[Variant]:
    return [
        Variant(
            f"vsag_{base}_r{degree}",
            "pyvsag",
            _late(
                "vsag",
                "Vsag",
                degree=degree,
                effort=effort,
                base=base,
                reorder=True,
                build_by_base=True,
            ),
            _grid(ef=EFFORTS),
            extra=base == "sq4_uniform",
        )
        for base, degree, effort in (("sq8_uniform", 32, 300), ("sq4_uniform", 32, 300))
    ]


def _ngt() -> list[Variant]:
    epsilons = _grid(epsilon=(-0.1, -0.05, 0.0, 0.02, 0.04, 0.06, 0.08, 0.1, 0.13, 0.16, 0.2))
    return [
        Variant("ngt_anng", "ngt", _late("ngt", "Ngt", edges=20), epsilons),
        Variant(
            "ngt_onng",
            "ngt",
            _late("ngt", "Ngt", edges=100, onng=(10, 100)),
            epsilons,
            extra=True,
        ),
    ]


def variants(integers: bool) -> list[Variant]:
    """All that apply, ours first, then in the order in which a missing build is missed most."""
    libraries = (_ours, _hnswlib, _svs, _faiss, _usearch, _scann, _vsag, _ngt)
    every = [variant for library in libraries for variant in library()]
    return [v for v in every if v.whole is None or v.whole == integers]


def bit_variants() -> list[Variant]:
    """Graphs over codes of bits."""
    return [
        Variant(OURS, OURS, _late("ours", "Ours", bits=True), _grid(width=EFFORTS)),
        *(
            Variant(
                f"faiss_binary_hnsw{links}",
                "faiss IndexBinaryHNSW",
                _late("bits", "FaissBinaryGraph", links=links, effort=effort),
                _grid(efSearch=EFFORTS),
                extra=links > 16,
            )
            for links, effort in ((16, 200), (32, 200))
        ),
        Variant(
            "faiss_binary_flat", "faiss IndexBinaryFlat", _late("bits", "FaissBinaryFlat"), ({},)
        ),
    ]
