"""Own pairs say of each pair what the same labels say where people rank."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synpic.errors import RankingError
from synpic.rank import OwnPairs
from synpic.rank.comparisons import WHOLE, combine_labels

SCHEMA = {
    "prompt_id": pl.String, "left": pl.String, "right": pl.String, "question": pl.String,
    "share": pl.Float32, "n": pl.Int32, "rater": pl.String, "kind": pl.String,
    "group": pl.String, "row": pl.Int64,
}  # fmt: skip

Vote = tuple[str, str, float | None, int | None]


def labels_of(votes: list[Vote], **columns: Any) -> pl.DataFrame:
    """A row of the source for each of ``votes``: left, right, share, n."""
    rows = [
        {"prompt_id": "p", "left": left, "right": right, "question": "overall", "share": share,
         "n": n, "rater": None, "kind": "person", "group": None, "row": row, **columns}
        for row, (left, right, share, n) in enumerate(votes)
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=SCHEMA)


def own(labels: pl.DataFrame) -> OwnPairs:
    return OwnPairs.of_labels(labels, "study", "overall", keep_ties=True)


STUDY = {"kind": "study", "rater": "r"}
ANSWER = {"kind": "person", "rater": "r"}


@pytest.mark.parametrize("columns", [STUDY, ANSWER])
def test_a_tie_in_32_bits_is_one(columns: dict[str, str]) -> None:
    labels = labels_of([("a", "b", 1 / 3, 3), ("a", "b", 2 / 3, 3)], **columns)
    assert combine_labels(labels)["share"].to_list() == [WHOLE // 2]
    pairs = own(labels)
    assert pairs.rows["share"].to_list() == [0.5]
    assert pairs.pairs(ties=False).is_empty()
    assert pairs.pairs(ties=True)["tied"].to_list() == [True]


def test_labels_without_votes_are_no_pairs() -> None:
    labels = labels_of([("a", "b", 1.0, 0), ("c", "d", 0.0, None), ("e", "e", 1.0, 2)])
    assert own(labels).rows.select("left", "right", "share").rows() == [("c", "d", 0.0)]


@pytest.mark.parametrize("columns", [STUDY, ANSWER])
def test_votes_of_a_study_never_contradict_each_other(columns: dict[str, str]) -> None:
    votes: list[Vote] = [("a", "b", 1.0, 1), ("c", "d", 0.0, 1), ("b", "a", 0.0, 1),
                         ("a", "b", 0.0, 1), ("b", "a", None, 1)]  # fmt: skip
    pairs = own(labels_of(votes, **columns))
    found = pairs.rows.select("row", "left", "right", "share", "rater").rows()
    assert found == [(0, "a", "b", 0.666667, None), (1, "c", "d", 0.0, "r")]
    made = pairs.pairs(ties=True).select("chosen_id", "rejected_id", "first").rows()
    assert made == [("a", "b", True), ("d", "c", False)]


@pytest.mark.parametrize("columns", [{"rater": None}, {"rater": "7", "group": "70"}])
def test_rows_of_a_dataset_stay_as_they_were(columns: dict[str, str]) -> None:
    labels = labels_of([("a", "b", 1.0, 1), ("b", "a", 1.0, 1)], **columns)
    assert own(labels).rows.select("row", "left", "right", "share", "rater").rows() == [
        (0, "a", "b", 1.0, columns["rater"]), (1, "b", "a", 1.0, columns["rater"]),
    ]  # fmt: skip


VOTES = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.sampled_from("abc"),
        st.none() | st.sampled_from([0.0, 1 / 3, 0.5, 2 / 3, 0.7, 1.0]),
        st.none() | st.integers(0, 4),
    ),
    min_size=1,
)


@given(votes=VOTES)
def test_own_pairs_of_a_study_have_the_shares_that_rank(votes: list[Vote]) -> None:
    labels = labels_of(votes, **STUDY)
    combined = combine_labels(labels).select("one", "other", "share")
    ranked = {(one, other): share for one, other, share in combined.iter_rows()}
    found = own(labels).rows
    assert found["row"].is_sorted()
    shares = {}
    for left, right, share in found.select("left", "right", "share").iter_rows():
        of_one = share if left < right else 1 - share
        shares[min(left, right), max(left, right)] = round(of_one * WHOLE)
    assert shares == ranked
    assert len(shares) == found.height


@pytest.mark.parametrize(
    ("share", "n", "message"), [(1.5, 1, r"share = 1\.5 of n = 1"), (1.0, -2, "n = -2")]
)
def test_what_is_no_label_is_refused(share: float, n: int, message: str) -> None:
    with pytest.raises(RankingError, match=message):
        own(labels_of([("a", "b", share, n)]))
