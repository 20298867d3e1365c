"""``bitgrove data``."""

from __future__ import annotations

from .. import data as _data


def data() -> None:
    """List the built-in data sets, and where their files are looked for."""
    for name, line in _data.list().items():
        print(f"{name:<16}{line}")
    print(
        "\nFiles are looked for in the folder BITGROVE_DATA, then downloaded. A folder of your own "
        "pictures,\nwith one sub-folder per class, works wherever a name does."
    )
