"""Loading an index of whatever class."""

from __future__ import annotations

import os

from ._clustered import ClusteredCodes
from ._fanng import Fanng
from ._flat import Flat
from ._multi_index import MultiIndexHashing
from ._storage import settings_of


def load(
    path: str | os.PathLike[str], mmap: bool = False, *, verify: bool | None = None
) -> Flat | Fanng | MultiIndexHashing | ClusteredCodes:
    """Load an index of the class that saved it; :meth:`Fanng.load` describes the arguments.

    Raises:
        FileFormatError: a damaged file, one of another kind or a newer version, or an undamaged one
            whose content is no index.
        ValueError: as for :meth:`Fanng.load`.
        OSError: the file cannot be read.

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "a.index"
    >>> Flat(3).save(path)
    >>> load(path)
    Flat(dim=3, metric='l2', dtype='float32') with 0 rows
    """
    kind = settings_of(path).get("type")
    exact = {index._type: index for index in (Flat, MultiIndexHashing, ClusteredCodes)}
    return exact.get(str(kind), Fanng).load(path, mmap, verify=verify)
