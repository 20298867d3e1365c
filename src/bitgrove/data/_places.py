"""Where the files of a built-in data set lie: at hand, or on their official home."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .. import require
from ._errors import DataError


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file with its checksum and the addresses that offer it."""

    name: str
    sha256: str
    urls: tuple[str, ...]


def local_folder(name: str) -> Path | None:
    """The folder ``name`` of a local collection of data sets, or None.

    Looked in: the folder given by the variable ``BITGROVE_DATA``; then, in a checkout of the
    repository, ``../shared/data`` beside it.

    Raises:
        DataError: ``BITGROVE_DATA`` names no folder.
    """
    given = os.environ.get("BITGROVE_DATA")
    if given and not Path(given).is_dir():
        raise DataError(f"BITGROVE_DATA names no folder: {given!r}; correct or unset it")
    roots = [Path(given)] if given else []
    checkout = Path(__file__).resolve().parents[3]
    if (checkout / "pyproject.toml").is_file():
        roots.append(checkout.parent / "shared" / "data")
    return next((root / name for root in roots if (root / name).is_dir()), None)


def obtain(folder: str, files: Sequence[RemoteFile]) -> list[Path]:
    """Paths of the files of a data set: those at hand, else downloaded once and checked.

    Downloads are kept in the user's cache folder, below ``bitgrove``.

    Raises:
        DataError: the local folder lacks a file, or no address gave the right file.
        ModuleNotFoundError: a download is needed and pooch is not installed.
    """
    local = local_folder(folder)
    if local is None:
        return [_download(folder, file) for file in files]
    missing = [file.name for file in files if not (local / file.name).is_file()]
    if missing:
        raise DataError(f"{local} lacks {', '.join(missing)}; put the official files there")
    return [local / file.name for file in files]


def _download(folder: str, file: RemoteFile) -> Path:
    pooch = require("pooch", extra="train", needed_for=f"downloading {folder}")
    reasons = []
    for url in file.urls:
        try:
            found = pooch.retrieve(
                url,
                known_hash=f"sha256:{file.sha256}",
                fname=file.name,
                path=pooch.os_cache("bitgrove") / folder,
            )
            return Path(found)
        except (OSError, ValueError) as error:  # no connection; another file than expected
            reasons.append(f"{url}: {error}")
    raise DataError(
        f"cannot download {folder}/{file.name}. Without a connection, set BITGROVE_DATA to a "
        f"folder that holds {folder}/{file.name}. What was tried: {'; '.join(reasons)}"
    )
