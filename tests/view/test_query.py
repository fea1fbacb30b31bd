"""Addresses, read and answered, against a loop over the rows."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qsl

import polars as pl
import pytest

from synpic.view.frame import Frame
from synpic.view.query import QueryError, Range, answer, parse_query

Row = dict[str, Any]


def ask(frame: Frame, address: str) -> list[str]:
    query = parse_query(parse_qsl(address, keep_blank_values=True), frame)
    # What an address says is what its query says again.
    again = parse_query(parse_qsl(query.address()), frame)
    assert again.address() == query.address()
    marked = {"drop": {frame.prompts["prompt_id"][1]}, "note": set(frame.prompts["prompt_id"][:3])}
    return answer(query, frame, marked).to_list()


def by_hand(frame: Frame, keep: Callable[[Row], Any]) -> set[str]:
    return {row["prompt_id"] for row in frame.prompts.iter_rows(named=True) if keep(row)}


@pytest.mark.parametrize(
    ("address", "keep"),
    [
        ("", lambda row: True),
        ("q=STAR", lambda row: "star" in row["prompt"]),
        ("q=%5Bs", lambda row: False),
        ("q=number+1%5B0-9%5D%24&regex=1", lambda row: re.search("number 1[0-9]$", row["prompt"])),
        ("agreement=..0", lambda row: row["agreement"] <= 0),
        ("margin=0.5..0.8", lambda row: 0.5 <= row["margin"] <= 0.8),
        ("tied=1..", lambda row: row["tied"] >= 1),
        ("flagged=1..", lambda row: row["flagged"] >= 1),
        ("failed=1..", lambda row: False),
        ("length=29", lambda row: row["length"] == 29),
        ("winner=beta", lambda row: row["winner"] == "beta"),
        ("split=validation", lambda row: row["split"] == "validation"),
        ("meta_kind=count", lambda row: row["meta_kind"] == "count"),
        ("meta_kind=COUNT", lambda row: False),
        ("meta_level=3..7&q=circle", lambda row: 3 <= row["meta_level"] <= 7
         and "circle" in row["prompt"]),
        ("rest.redness=..-0.2", lambda row: (row["rest.redness"] or 0) <= -0.2),
    ],
)  # fmt: skip
def test_filters(frame: Frame, address: str, keep: Callable[[Row], Any]) -> None:
    found = ask(frame, address)
    assert len(found) == len(set(found))
    assert set(found) == by_hand(frame, keep)


def test_marks(frame: Frame) -> None:
    ids = frame.prompts["prompt_id"].to_list()
    assert ask(frame, "marked=drop") == ids[1:2]
    assert ask(frame, "marked=any") == ids[:3]
    assert ask(frame, "marked=none") == ids[3:]
    assert ask(frame, "marked=star") == []


def test_scores_keep_prompts_with_an_image_in_the_range(frame: Frame) -> None:
    inside = frame.shown.candidates.filter(frame.shown.candidates["score_redness"] >= 0.9)
    assert set(ask(frame, "score_redness=0.9..")) == set(inside["prompt_id"])
    assert 0 < len(set(inside["prompt_id"])) < 24


@pytest.mark.parametrize(
    "column",
    [
        *("agreement", "margin", "spread", "tied", "winner_rate", "length"),
        *("rest.greenness", "tau.redness.greenness"),
    ],
)
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_sorts(frame: Frame, column: str, order: str) -> None:
    found = ask(frame, f"sort={column}&order={order}")
    values = dict(frame.prompts.select("prompt_id", column).iter_rows())
    there = [values[one] for one in found if values[one] is not None]
    assert there == sorted(there, reverse=order == "desc")
    # Those without a value are last, and equal ones stand by their ids.
    assert [values[one] for one in found[len(there) :]] == [None] * (24 - len(there))
    for before, after in pairwise(found):
        assert values[before] != values[after] or before < after


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("sort=agrement", "Did you mean 'agreement'"),
        ("order=up", "one of: asc, desc"),
        ("page=0", "from 1"),
        ("page=99999999999", "from 1"),
        ("size=100000", "from 1 to 200"),
        ("margin=high", "no range"),
        ("margin=nan..1", "no range"),
        ("q=(&regex=1", "no regular expression: unclosed group"),
        ("q=*&regex=1", "no regular expression: repetition operator missing expression"),
        ("marked=gone", "one of"),
        ("meta_kinds=a", "Did you mean 'meta_kind'"),
        ("regex=maybe", "one of"),
        ("meta_tags=a", "is no filter"),
    ],
)
def test_what_an_address_cannot_ask(frame: Frame, address: str, words: str) -> None:
    with pytest.raises(QueryError) as caught:
        ask(frame, address)
    assert words in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize("numbers", [Range(), Range(low=0.0), Range(high=9.0)], ids=str)
def test_nan_is_in_no_range(numbers: Range) -> None:
    column = pl.DataFrame({"x": [1.0, float("nan"), None]})
    assert column.filter(numbers.of(pl.col("x")))["x"].to_list() == [1.0]
