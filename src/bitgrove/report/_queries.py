"""Test images beside the remembered examples that answered for them."""

from __future__ import annotations

from dataclasses import dataclass

from ._pictures import TILE, Picture, picture
from ._record import Near, Query, Record
from ._text import percent, plural, significant


@dataclass(frozen=True, slots=True, kw_only=True)
class NearView:
    """One neighbour."""

    picture: Picture | None
    name: str
    label: str
    distance: str
    same: bool
    """Whether it is of the query's true class."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryView:
    """One test image and its neighbours."""

    picture: Picture
    name: str
    truth: str
    answer: str
    confidence: str
    right: bool
    near: tuple[NearView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueriesView:
    """The strip of test images."""

    sentence: str
    queries: tuple[QueryView, ...]
    tile: int = TILE


def queries_view(record: Record) -> QueriesView | None:
    """Lay the strip out; None for no queries."""
    if not record.queries:
        return None
    wrong = sum(query.answer != query.truth for query in record.queries)
    fate = f"{wrong:,} of them answered wrongly" if wrong else "all answered rightly"
    return QueriesView(
        sentence=f"{plural(len(record.queries), 'test image')}, {fate}.",
        queries=tuple(map(_query, record.queries)),
    )


def _query(query: Query) -> QueryView:
    return QueryView(
        picture=picture(query.pixels),
        name=query.name,
        truth=query.truth,
        answer=query.answer,
        confidence=percent(query.confidence),
        right=query.answer == query.truth,
        near=tuple(_near(near, query.truth) for near in query.near),
    )


def _near(near: Near, truth: str) -> NearView:
    return NearView(
        picture=None if near.pixels is None else picture(near.pixels),
        name=near.name,
        label=near.label,
        distance=significant(near.distance),
        same=near.label == truth,
    )
