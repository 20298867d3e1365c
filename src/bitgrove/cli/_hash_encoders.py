"""Encoders by the names that a person types."""

from __future__ import annotations

import ast
import difflib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .. import files

if TYPE_CHECKING:
    from ..hashing import HashEncoder

METHODS = {
    "itq": "ITQ",
    "pcah": "PCAH",
    "lsh": "LSH",
    "spectral": "SpectralHashing",
    "uh-bdnn": "UHBDNN",
    "deep-hashing": "DeepHashing",
    "cca-itq": "CCAITQ",
    "sdh": "SupervisedDiscreteHashing",
    "sh-bdnn": "SHBDNN",
    "supervised-deep-hashing": "SupervisedDeepHashing",
    "class-codes": "ClassCodes",
    "dsh": "DSH",
    "triplet": "TripletHashing",
    "subic": "SuBiC",
    "greedy-hash": "GreedyHash",
    "csq": "CSQ",
    "ortho-hash": "OrthoHash",
    "bi-half": "BiHalf",
}
"""Of :mod:`bitgrove.hashing`; those that learn from features of any kind."""


def make(method: str, bits: int, settings: Sequence[str], seed: int) -> HashEncoder:
    """An encoder that has learnt nothing yet.

    Raises:
        ValueError: no such method or parameter.
    """
    from .. import hashing

    if method not in METHODS:
        near = difflib.get_close_matches(method, METHODS, 1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise ValueError(f"there is no method {method!r}{hint}; known are {', '.join(METHODS)}")
    encoder: HashEncoder = getattr(hashing, METHODS[method])(bits)
    known = encoder.get_params()
    if "random_state" in known:
        encoder.set_params(random_state=seed)
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise ValueError(f"--set takes NAME=VALUE, got {setting!r}")
        if name not in known or name in ("bits", "random_state"):
            free = sorted(set(known) - {"bits", "random_state"})
            raise ValueError(
                f"{method} has no setting {name!r}; it has {', '.join(free) or 'none'} "
                "(and --bits and --seed)"
            )
        encoder.set_params(**{name: _value(text)})
    return encoder


def read_encoder(path: Path) -> HashEncoder:
    """A fitted encoder.

    Raises:
        FileFormatError: the file holds none.
        OSError: it cannot be read.
    """
    from .. import hashing

    try:
        return hashing.load(path)
    except files.FileFormatError as error:
        raise ValueError(f"{error}; expected a file that 'bitgrove hash fit' wrote") from None


def encode_rows(
    encoder: HashEncoder, rows: npt.NDArray[np.floating], name: str
) -> npt.NDArray[np.uint8]:
    """The codes of rows, whose number of features is checked first."""
    check_width(encoder, rows, name)
    return encoder.encode(rows)


def check_width(encoder: HashEncoder, rows: npt.NDArray[np.floating], name: str) -> None:
    """Refuse rows of another number of features than those it learnt from.

    Raises:
        ValueError: so.
    """
    expected: int = getattr(encoder, "n_features_in_", 0)
    if rows.shape[1] != expected:
        raise ValueError(
            f"{name} has rows of {rows.shape[1]:,} features, the encoder learnt from rows of "
            f"{expected:,}; of pictures --kind must be the same"
        )


def _value(text: str) -> Any:
    """What JSON or Python would write so, else the word itself."""
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, SyntaxError):
            continue
    return text
