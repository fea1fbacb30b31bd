"""What people, or a comparer, say of pairs of images: the other kind of input, beside scores.

A source of comparisons (a set's labels, a study) says of some pairs of a prompt's candidates which
share of its votes each side has; a comparer, with which probability each side is better. Nothing
makes a score of that: people may prefer a to b, b to c and c to a.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from synpic.errors import RankingError, did_you_mean
from synpic.rank.blocks import Booleans, Floats, Ints, Numbers, Signs, prompt_sizes, starts_of
from synpic.rank.guards import require_columns
from synpic.rank.shares import WHOLE, counted_labels, mean_share

__all__ = [
    "NO_COMPARISONS",
    "NO_PAIRS",
    "WHOLE",
    "Comparisons",
    "Coverage",
    "Located",
    "combine_labels",
]

NO_PAIRS = pl.DataFrame(
    schema={"one": pl.String, "other": pl.String, "share": pl.Int64, "votes": pl.Int64}
)
"""The ``pairs`` of :class:`Comparisons` that compare nothing."""


@dataclass(frozen=True)
class Coverage:
    """How many prompts with two candidates a source compares.

    Args:
        every: prompts of every pair compared.
        some: prompts of some pairs compared, and not every.
        none: prompts without a pair compared.
    """

    every: int
    some: int
    none: int


@dataclass(frozen=True, eq=False)
class Comparisons:
    """The pairs that one source compared, each once.

    Args:
        pairs: one and other (String, candidate ids, one < other), share (Int64, 0 … ``WHOLE``: the
            millionths of the votes that prefer ``one``) and votes (Int64; null: unknown); from
            :func:`combine_labels`.
        tie: 0 … ½; a share within it of ½ is a win of neither side. 0: any majority wins.
        source: where the labels are from, for the record: "ingested", or a study; of a comparer,
            what it is registered as.
        question: what was asked, for the record.
        by_people: False where the labels are those of others' rewards, or a comparer's.
        comparer: of a comparer, what is known of it, for the record: at least its
            ``fingerprint``; None where there are labels.

    Raises:
        RankingError: ``tie`` is no number from 0 to below ½.
    """

    pairs: pl.DataFrame
    tie: float = 0.0
    source: str = ""
    question: str = ""
    by_people: bool = True
    comparer: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.tie < 0.5:
            raise RankingError(
                f"tie = {self.tie!r}, expected a number from 0 to below 0.5",
                hint="it is the distance from one half within which neither image wins",
            )

    @classmethod
    def of_labels(
        cls, labels: pl.DataFrame, *, tie: float = 0.0, source: str = "", question: str = "overall"
    ) -> Comparisons:
        """The comparisons that ``labels`` make by their rows of one question.

        Args:
            labels: question, the columns of :func:`combine_labels`, and ``kind`` where known:
                "reward" is a label that no person gave.

        Raises:
            RankingError: no row is of the question, or a share is none.
        """
        require_columns(labels, ("question",), "labels")
        asked = labels.filter(pl.col("question") == question)
        if asked.is_empty():
            known = labels["question"].unique().drop_nulls().sort().to_list()
            raise RankingError(
                f"no label of {source or 'this source'} answers the question {question!r}."
                f"{did_you_mean(question, known)}",
                hint=f"its labels are of: {', '.join(known) or 'no question'}",
            )
        by_people = "kind" not in asked.columns or "reward" not in asked["kind"]
        return cls(combine_labels(asked), tie, source, question, by_people)

    @classmethod
    def of_probabilities(
        cls, rows: pl.DataFrame, comparer: Mapping[str, Any], *, tie: float = 0.0, source: str = ""
    ) -> Comparisons:
        """The comparisons of one comparer.

        Args:
            rows: left, right (String) and probability (Float, 0 … 1, of the left), of each pair
                once.
            comparer: what is known of it, for the record.
            source: what it is registered as.

        Raises:
            RankingError: a column is missing, or a probability is none.
        """
        require_columns(rows, ("left", "right", "probability"), "comparisons")
        labels = rows.select("left", "right", share="probability", n=pl.lit(None, pl.Int64))
        broken = labels.filter(~pl.col("share").is_between(0, 1).fill_null(False))
        if broken.height:
            left, right, held, _ = broken.row(0)
            raise RankingError(
                f"the probability that {left} is better than {right} is {held}, expected 0 … 1",
                hint="remove the part that holds it, and run `synpic score` again",
            )
        pairs = combine_labels(labels)
        return cls(pairs, tie, source, "overall", by_people=False, comparer=comparer)

    def coverage(self, candidates: pl.DataFrame) -> Coverage:
        """In how many prompts it compares pairs of ``candidates``.

        Args:
            candidates: prompt_id and candidate_id, of each candidate once.
        """
        table = candidates.select("prompt_id", "candidate_id").sort("prompt_id")
        sizes = prompt_sizes(table["prompt_id"])
        several = sizes >= 2
        located = Located.of(self, table, sizes)
        every, any_of = located.every_pair & several, located.any_pair & several
        return Coverage(
            int(every.sum()), int((any_of & ~every).sum()), int((several & ~any_of).sum())
        )

    def among(self, candidates: pl.Series) -> pl.DataFrame:
        """The ``pairs`` of which both sides are among ``candidates`` (ids)."""
        known = candidates.implode()
        return self.pairs.filter(pl.col("one").is_in(known) & pl.col("other").is_in(known))


NO_COMPARISONS: Mapping[str, Comparisons] = {}


def combine_labels(labels: pl.DataFrame) -> pl.DataFrame:
    """One share for each pair of images, of all the rows that label it.

    Rows of one pair are averaged with their numbers of votes as weights, whichever image stands
    left; rows without a share (unlabelled), without votes, or of an image with itself count for
    nothing.

    Args:
        labels: left, right (String), share (Float, 0 … 1, of the left; null: unlabelled) and n
            (Int; null counts as one vote, and makes the pair's number of votes unknown).

    Returns:
        As :class:`Comparisons` has its ``pairs``, ordered by one and other.

    Raises:
        RankingError: a column is missing, a share is not within 0 … 1, or n is below 0.
    """
    require_columns(labels, ("n",), "labels")
    rows = counted_labels(labels.with_columns(known=pl.col("n").is_not_null()))
    left, right = pl.col("left"), pl.col("right")
    in_order = pl.when(left < right)
    shares = rows.select(
        in_order.then(left).otherwise(right).alias("one"),
        in_order.then(right).otherwise(left).alias("other"),
        in_order.then("share").otherwise(1 - pl.col("share")).alias("share"),
        "n",
        "known",
    )
    votes = pl.when(pl.col("known").all()).then(pl.col("n").sum()).alias("votes")
    return shares.group_by("one", "other").agg(mean_share(), votes).sort("one", "other")


@dataclass(frozen=True, eq=False)
class Located:
    """The comparisons of one source between the rows of a table of candidates.

    Args:
        prompt: ``Int[pairs]``, the number of each pair's prompt, rising.
        one, other: ``Int[pairs]``, rows of the table, of one prompt.
        share: ``Int[pairs]``, millionths for ``one``.
        tie: in millionths.
        sizes: ``Int[prompts]``, the rows of each prompt, which follow one another.
    """

    prompt: Ints
    one: Ints
    other: Ints
    share: Ints
    tie: int
    sizes: Ints

    @classmethod
    def of(cls, comparisons: Comparisons, table: pl.DataFrame, sizes: Ints) -> Located:
        """Those of the rows of ``table``; pairs of other images, or of two prompts, are left out.

        Args:
            table: candidate_id, of each candidate once, the rows of a prompt adjacent.
            sizes: ``Int[prompts]``, how many rows each prompt has.
        """
        prompt = pl.Series(np.repeat(np.arange(len(sizes)), sizes), dtype=pl.Int64)
        rows = table.select("candidate_id", prompt=prompt).with_row_index("row")
        found = (
            comparisons.pairs.join(rows, left_on="one", right_on="candidate_id")
            .join(rows, left_on="other", right_on="candidate_id", suffix="_other")
            .filter(pl.col("prompt") == pl.col("prompt_other"))
            .sort("prompt", "row", "row_other")
        )
        prompts, one, other, share = (
            found[name].cast(pl.Int64).to_numpy()
            for name in ("prompt", "row", "row_other", "share")
        )
        return cls(prompts, one, other, share, round(comparisons.tie * WHOLE), sizes)

    @cached_property
    def every_pair(self) -> Booleans:
        """``Bool[prompts]``: whether all pairs of the prompt's candidates are compared."""
        pairs = self.sizes * (self.sizes - 1) // 2
        found: Booleans = np.bincount(self.prompt, minlength=len(self.sizes)) == pairs
        return found

    @cached_property
    def any_pair(self) -> Booleans:
        """``Bool[prompts]``: whether any pair of the prompt's candidates is compared."""
        found: Booleans = np.bincount(self.prompt, minlength=len(self.sizes)) > 0
        return found

    def wins(self) -> npt.NDArray[np.int32]:
        """``Int32[rows]``: how many others of its prompt each candidate beats."""
        won, size = self._outcome(), int(self.sizes.sum())
        wins = np.bincount(self.one[won > 0], minlength=size)
        return (wins + np.bincount(self.other[won < 0], minlength=size)).astype(np.int32)

    def signs(self, rows: Ints) -> Signs:
        """For the rows ``Int[k, m]`` of m prompts, ``Int8[k, k, m]``: 1 where i beats j, −1 where
        j beats i, and 0 where neither does or the two were not compared."""
        return self._square(rows, self._outcome(), 0, np.int8)

    def shares(self, rows: Ints) -> Floats:
        """``Float[k, k, m]``: the share of the votes on (i, j) that i has; ½ where neither beats
        the other, NaN where the two were not compared."""
        share = np.where(self._outcome() == 0, WHOLE // 2, self.share)
        # Around ½, so that both sides of a pair are filled in the same way.
        centred = self._square(rows, 2 * share - WHOLE, 2 * WHOLE, np.int64)
        found: Floats = np.where(centred == 2 * WHOLE, np.nan, (centred + WHOLE) / (2 * WHOLE))
        return found

    def _outcome(self) -> Signs:
        """``Int8[pairs]``: 1 where ``one`` wins, −1 where ``other`` does, else 0."""
        ahead = 2 * self.share - WHOLE
        return (ahead > 2 * self.tie).astype(np.int8) - (ahead < -2 * self.tie).astype(np.int8)

    def _square(self, rows: Ints, values: Numbers, empty: int, dtype: npt.DTypeLike) -> Numbers:
        """``[k, k, m]`` with ``values`` at (one, other) and their negative at (other, one)."""
        starts = starts_of(self.sizes)
        numbers = np.searchsorted(starts, rows[0])
        near = slice(*np.searchsorted(self.prompt, (numbers[0], numbers[-1] + 1)))
        prompt = self.prompt[near]
        column = np.searchsorted(numbers, prompt)  # Between them may lie prompts of other blocks.
        here = numbers[column] == prompt
        first, column, value = starts[prompt[here]], column[here], values[near][here]
        one, other = self.one[near][here] - first, self.other[near][here] - first
        square = np.full((len(rows), *rows.shape), empty, dtype)
        square[one, other, column] = value
        square[other, one, column] = -value
        return square
