"""A summary as a table, plain or in colour."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

_COLUMNS = ("layer", "kind", "output", "1-bit", "real", "1-bit MACs", "real MACs", "bytes")

Row = tuple[str, ...]


def plain_table(rows: Sequence[Row], conclusion: str) -> str:
    """Rows of which the last one is the total, under a heading, as lines of text."""
    rows = [_COLUMNS, *rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_COLUMNS))]
    lines = [
        "  ".join(
            cell.ljust(width) if i < 3 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    rule = "-" * max(map(len, lines))
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1], conclusion])


def rich_table(rows: Sequence[Row], conclusion: str) -> Table:
    """The same for a terminal."""
    table = Table(caption=conclusion, caption_justify="left")
    for i, name in enumerate(_COLUMNS):
        table.add_column(name, justify="left" if i < 3 else "right", no_wrap=i >= 3)
    *layers, total = rows
    for row in layers:
        table.add_row(*row)
    table.add_section()
    table.add_row(*total, style="bold")
    return table


def size_text(count: float) -> str:
    """A number of bytes as people read it.

    >>> size_text(240), size_text(1436), size_text(4_189_344)
    ('240 B', '1.4 KiB', '4.0 MiB')
    """
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"
