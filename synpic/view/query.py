"""Which prompts a page shows, and in which order: an address read into a query, and answered.

    ?sort=agreement&order=asc&q=circle&regex=1&margin=0.5..&meta_kind=count&page=2

Every column of a prompt is a filter by its own name: of numbers a range (``0.2..0.8``, ``..5``,
``3..``, ``3``), of texts a value, of booleans ``true`` or ``false``. ``score_<reward>`` keeps the
prompts with an image in that range.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlencode

import polars as pl

from synpic.errors import SynpicError, did_you_mean
from synpic.view.frame import Frame

__all__ = ["MARKED", "Query", "QueryError", "Range", "answer", "parse_query"]

MOST_OF_A_PAGE = 200
MARKED = ("any", "none", "drop", "keep", "star", "note")


class QueryError(SynpicError):
    """An address that asks for what there is not."""


@dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high``, both included; None is open."""

    low: float | None = None
    high: float | None = None

    def of(self, column: pl.Expr) -> pl.Expr:
        """Where ``column`` is in it; nulls are not."""
        # polars holds NaN to be the largest number: it would be in every range without an end.
        inside = column.is_not_null() & column.cast(pl.Float64).is_not_nan()
        if self.low is not None:
            inside &= column >= self.low
        if self.high is not None:
            inside &= column <= self.high
        return inside

    def __str__(self) -> str:
        low, high = (
            "" if end is None else repr(end).removesuffix(".0") for end in (self.low, self.high)
        )
        return low if low == high else f"{low}..{high}"


@dataclass(frozen=True)
class Query:
    """What is asked for.

    Args:
        text: in the prompt, whatever the case; "" for all.
        regex: ``text`` is a regular expression (of Rust's crate regex: no look-around).
        sort: a column of prompts; "" for the order of prompt ids.
        descending: the highest first.
        filters: (column, range, value or boolean), each column once.
        marked: one of ``MARKED``; "" for all.
        page: from 1.
        size: prompts a page, up to 200.
    """

    text: str = ""
    regex: bool = False
    sort: str = ""
    descending: bool = False
    filters: tuple[tuple[str, Range | str | bool], ...] = ()
    marked: str = ""
    page: int = 1
    size: int = 20

    def address(self) -> str:
        """The query as :func:`parse_query` reads it."""
        asked: dict[str, object] = {
            "q": self.text,
            "regex": int(self.regex) or "",
            "sort": self.sort,
            "order": ("desc" if self.descending else "asc") if self.sort else "",
            "marked": self.marked,
            **{
                name: str(value).lower() if isinstance(value, bool) else value
                for name, value in self.filters
            },
        }
        return urlencode({name: str(value) for name, value in asked.items() if value != ""})


def parse_query(asked: Iterable[tuple[str, str]], frame: Frame) -> Query:
    """The query that the parameters of an address make.

    Raises:
        QueryError: one is unknown, or its value is no value; naming it.
    """
    query = Query()
    filters: dict[str, Range | str | bool] = {}
    columns = frame.prompts.schema
    scores = {f"score_{reward}" for reward in frame.shown.rewards}
    known = ("q", "regex", "sort", "order", "marked", "page", "size", *columns, *sorted(scores))
    for name, value in asked:
        if value == "":
            continue
        if name == "q":
            query = replace(query, text=value)
        elif name == "regex":
            query = replace(query, regex=_boolean(name, value))
        elif name == "sort":
            if value not in columns:
                raise QueryError(
                    f"sort={value}: no such column.{did_you_mean(value, columns)}",
                    hint=f"there are: {', '.join(columns)}",
                )
            query = replace(query, sort=value)
        elif name == "order":
            query = replace(query, descending=_one_of(name, value, ("asc", "desc")) == "desc")
        elif name == "marked":
            query = replace(query, marked=_one_of(name, value, MARKED))
        elif name == "page":
            query = replace(query, page=_whole(name, value, 10**9))
        elif name == "size":
            query = replace(query, size=_whole(name, value, MOST_OF_A_PAGE))
        elif name in scores:
            filters[name] = _range(name, value)
        elif name in columns:
            filters[name] = _filter(name, value, columns[name])
        else:
            raise QueryError(
                f"{name}: no such filter.{did_you_mean(name, known)}",
                hint=f"there are: {', '.join(known)}",
            )
    if query.regex:
        _check_regex(query.text)
    return replace(query, filters=tuple(filters.items()))


def answer(query: Query, frame: Frame, marked: Mapping[str, Iterable[str]]) -> pl.Series:
    """The ids of the prompts that ``query`` keeps, in its order; equal ones by prompt_id.

    Args:
        marked: kind of mark → ids of the prompts that have it, or an image that has.
    """
    kept: list[pl.Expr] = []
    if query.text:
        prompt = pl.col("prompt")
        if query.regex:
            kept.append(prompt.str.contains(f"(?i){query.text}"))
        else:
            folded = prompt.str.to_lowercase()
            kept.append(folded.str.contains(query.text.lower(), literal=True))
    for name, value in query.filters:
        if name in frame.prompts.columns:
            column = pl.col(name)
            kept.append(value.of(column) if isinstance(value, Range) else column == value)
        elif isinstance(value, Range):
            inside = frame.shown.candidates.filter(value.of(pl.col(name)))["prompt_id"]
            kept.append(pl.col("prompt_id").is_in(inside.unique().implode()))
    if query.marked:
        kinds = ("drop", "keep", "star", "note") if query.marked in ("any", "none") else ()
        ids = {one for kind in kinds or (query.marked,) for one in marked.get(kind, ())}
        has = pl.col("prompt_id").is_in(list(ids))
        kept.append(~has if query.marked == "none" else has)
    used = {name for one in kept for name in one.meta.root_names()} | {"prompt_id"}
    rows = frame.prompts.select(*used, *({query.sort} - used - {""})).lazy().filter(*kept)
    if query.sort:
        rows = rows.sort(
            query.sort, descending=query.descending, nulls_last=True, maintain_order=True
        )
    return rows.select("prompt_id").collect()["prompt_id"]


def _filter(name: str, value: str, kind: pl.DataType) -> Range | str | bool:
    if kind.is_numeric():
        return _range(name, value)
    if kind == pl.Boolean():
        return _boolean(name, value)
    if kind != pl.String():
        raise QueryError(f"{name}: a column of lists or the like is no filter")
    return value


def _range(name: str, value: str) -> Range:
    low, dots, high = value.partition("..")
    try:
        ends = [float(end) if end.strip() else None for end in (low, high)]
    except ValueError:
        ends = [math.nan]
    if any(end is not None and not math.isfinite(end) for end in ends) or value == "..":
        raise QueryError(
            f"{name}={value}: no range of numbers", hint="write 0.2..0.8, 3.., ..5 or 3"
        )
    return Range(ends[0], ends[1]) if dots else Range(ends[0], ends[0])


def _boolean(name: str, value: str) -> bool:
    return _one_of(name, value, ("true", "false", "1", "0")) in ("true", "1")


def _one_of(name: str, value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise QueryError(f"{name}={value}: unknown", hint=f"one of: {', '.join(known)}")
    return value


def _whole(name: str, value: str, most: int) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", value) or not 1 <= int(value) <= most:
        raise QueryError(f"{name}={value}: not a number from 1 to {most:,}")
    return int(value)


def _check_regex(text: str) -> None:
    try:
        pl.Series([""]).str.contains(f"(?i){text}")
    except pl.exceptions.PolarsError as error:
        # After a picture of where it is, the library says what it is: "error: unclosed group".
        said = [line.strip() for line in str(error).split("\n") if line.strip()]
        reasons = [line.removeprefix("error: ") for line in said if line.startswith("error: ")]
        reason = (reasons or said)[-1]
        raise QueryError(
            f"{text!r} is no regular expression: {reason}",
            hint="put a \\ before a bracket or dot that is meant as it is",
        ) from error
