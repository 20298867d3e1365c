"""What ``bitgrove bench`` prints."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

from .. import kernels
from ..runtime import StageProfile
from ._bench_measure import Bench, rate
from ._bench_turns import Spread
from ._pictures import shown

_HEADS = (
    ("", "", "", "", "binary", "of", "real", ""),
    ("stage", "operators", "us", "share", "GMAC/s", "peak", "GMAC/s", "MB"),
)
_TEXTS = 2
"""Columns that are words, from the left."""
_PAGE = 80
"""Characters of a line of text."""
_LEAST = 8
"""Characters of a word that a narrow terminal shows nevertheless."""

Row = tuple[str, ...]


def lines_of(path: str, found: Bench, width: int | None) -> list[str]:
    """All lines: what was measured on, the table, the whole, and the comparison.

    Args:
        path: of the model.
        found: what was measured.
        width: columns of the terminal; None writes every name in full.
    """
    profile, sides = found.profile, "x".join(map(str, found.input))
    cpus = min(profile.threads, kernels.usable_cpus())
    return [
        f"model           {shown(path)}, images of {sides}",
        f"cpu             {shown(kernels.cpu_name())}, {kernels.usable_cpus()} usable",
        f"run with        {profile.level}, {_count(profile.threads, 'thread')}",
        f"popcount peak   {figure(found.peak / 1e9)} binary GMAC/s, measured"
        + (f": one thread's, times {cpus}" if cpus > 1 else ""),
        "",
        *table(found, width),
        "",
        *_notes(found, width),
        "",
        *_whole(found, width),
    ]


def _notes(found: Bench, width: int | None) -> list[str]:
    profile = found.profile
    if profile.threads == 1:
        times = f"its time is the shortest of {found.repeats}"
    else:
        times = (
            f"the times are those of the shortest of {found.repeats} runs, as one thread saw them: "
            "what others did while it was kept from its CPU seems short, and the stage before long"
        )
    notes = _wrapped(
        f"A stage is what runs as one pass over an image; {times}. MB are values and weights, "
        "read or written, each once.",
        width,
    )
    if found.unreliable:
        return notes + _wrapped(_UNRELIABLE, width)
    if any(round(100 * found.of_peak(stage)) > 100 for stage in profile.stages):
        notes += _wrapped(_PAST_THE_PEAK.get(profile.level, _FEWER_INSTRUCTIONS), width)
    return notes


_UNRELIABLE = (
    "The times of the stages MEAN LITTLE here: together they are far longer than the whole took at "
    "best. The threads had to share a CPU with each other or with other programs. Repeat this on "
    "a quieter machine, or with --threads 1."
)
_PAST_THE_PEAK = {
    "amx": "Over 100% of the peak: where it pays, AMX multiplies matrices of +1 and -1 as bytes "
    "instead of counting bits."
}
_FEWER_INSTRUCTIONS = (
    "Over 100% of the peak: the kernels spend less on a bit than the XOR, count and add that the "
    "peak is measured with."
)


def _wrapped(text: str, width: int | None, *, indent: int = 0) -> list[str]:
    width = min(width or _PAGE, _PAGE)
    return wrap(
        text,
        width,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def table(found: Bench, width: int | None) -> list[str]:
    """Stages and their total, cut to ``width`` columns if need be."""
    rows = [_row(found, stage) for stage in found.profile.stages]
    rows.append(_row(found, found.total))
    body = [*_HEADS, *rows]
    widths = [max(len(row[column]) for row in body) for column in range(len(_HEADS[0]))]
    if width is not None:
        room = width - sum(widths[_TEXTS:]) - len(widths) + 1
        if sum(widths[:_TEXTS]) > room:
            body = [(row[0].partition("+")[0], *row[1:]) for row in body]
            widths[:_TEXTS] = _fitted(body, room)
    rule = "-" * (sum(widths) + len(widths) - 1)
    lines = [_line(row, widths) for row in body]
    return [*lines[: len(_HEADS)], rule, *lines[len(_HEADS) : -1], rule, lines[-1]]


def _fitted(rows: Sequence[Row], room: int) -> list[int]:
    """Widths of names and operators: operators are cut first, to three fifths of the room."""
    names, operators = (max(len(row[column]) for row in rows) for column in range(_TEXTS))
    operators = min(operators, max(room - names, room * 3 // 5, _LEAST))
    return [min(names, max(room - operators, _LEAST)), operators]


def _line(row: Row, widths: Sequence[int]) -> str:
    cells = zip(row, widths, strict=True)
    name, operators, *numbers = (
        cell.rjust(width) if column >= _TEXTS else cell.ljust(width)
        for column, (cell, width) in enumerate(cells)
    )
    # What tells a name from the next one is at its end.
    name = name if len(name) == widths[0] else ".." + row[0][2 - widths[0] :]
    operators = operators if len(operators) == widths[1] else operators[: widths[1] - 2] + ".."
    return " ".join((name, operators, *numbers)).rstrip()


def _row(found: Bench, stage: StageProfile) -> Row:
    """What is 0 is left blank."""
    binary, real = rate(stage.binary_macs, stage), rate(stage.real_macs, stage)
    return (
        shown(stage.name),
        stage.ops,
        figure(stage.seconds * 1e6),
        f"{found.share(stage):.1%}",
        figure(binary / 1e9) if binary else "",
        f"{found.of_peak(stage):.0%}" if binary else "",
        figure(real / 1e9) if real else "",
        figure(stage.bytes / 1e6),
    )


def _whole(found: Bench, width: int | None) -> list[str]:
    lines = _labelled("end to end", _times(found.seconds, found.batch), width)
    peer = found.peer
    if peer is None and found.left_out is not None:
        return [*lines, *_labelled("onnxruntime", f"left out: {shown(found.left_out)}", width)]
    if peer is None:
        return lines
    ratio = peer.ratio
    text = (
        f"Medians and quartiles of {_count(found.repeats, 'round')}, in which both take turns. "
        f"onnxruntime {peer.version} runs the same network in float32, every binary weight and "
        f"every sign as a float of +1 or -1, with {_count(found.profile.threads, 'thread')} too. "
        f"The outputs differ by at most {peer.difference:.1g} of the largest."
    )
    return [
        *lines,
        *_labelled("onnxruntime", _times(peer.seconds, found.batch), width),
        f"                {figure(ratio.median)} ({figure(ratio.first)} to {figure(ratio.third)}) "
        "times as long",
        "",
        *_wrapped(text, width),
    ]


def _labelled(label: str, text: str, width: int | None) -> list[str]:
    return _wrapped(f"{label:<16}{text}", width, indent=16)


def _times(seconds: Spread, batch: int) -> str:
    least, first, median, third = (figure(value * 1e3) for value in seconds)
    return (
        f"{median} ms ({first} to {third}, best {least}) for {_count(batch, 'image')}: "
        f"{figure(batch / seconds.median)} images/s"
    )


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def figure(value: float) -> str:
    """Three digits of a number that is not negative, or all before the point.

    >>> figure(0.12345), figure(12.345), figure(123.45), figure(12345.6)
    ('0.12', '12.3', '123', '12,346')
    """
    if value >= 99.95:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"
