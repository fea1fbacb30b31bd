"""Labels of people held to φ, prompt by prompt: what can be sorted and filtered by it, and pairs.

A pair is judged as ``synpic agree`` judges it: people decided it where more than half of the votes
are for one image, and φ is right where it prefers that one, and half right where it ties the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from synpic.evaluate.accuracy import PHI, judged_pairs
from synpic.view.people import AskedQuestion, People

__all__ = ["ACCURACY", "AGAINST", "JUDGED", "NO_PAIRS", "HeldPairs", "hold_to_people"]

AGAINST, JUDGED, ACCURACY = "against.", "judged.", "accuracy."
"""What columns begin with; the key of a question follows."""


@dataclass(frozen=True, eq=False)
class HeldPairs:
    """Pairs of images that people compared, with what φ makes of each.

    Args:
        asked: the questions.
        pairs: ordered by prompt: ``asked`` (UInt8, of the question), ``prompt`` (UInt32, a row of
            ``Frame.prompts``), ``one`` and ``other`` (UInt32, rows of ``Shown.candidates``),
            ``share`` (Float32, 0 … 1, of ``one``), ``votes`` (Int64; null: unknown), ``decided``
            (Boolean) and ``right`` (Float32: 1, ½ or 0; null where the pair is not judged).
    """

    asked: Sequence[AskedQuestion]
    pairs: pl.DataFrame

    def of(self, prompt: int, candidates: pl.DataFrame) -> list[dict[str, Any]]:
        """The pairs of one prompt, as plain data.

        Each has ``labels`` and ``question``; ``one`` and ``other``, ids of images; ``share``, that
        of the votes for ``one``, and ``votes``, how many there are, both null where unknown;
        ``people``, the image that they prefer, null for neither; and ``right``: 1 where φ prefers
        it too, ½ where φ prefers neither, 0 where it prefers the other, null where people prefer
        neither or φ has not ranked both.
        """
        at = self.pairs["prompt"]
        rows = self.pairs.slice(at.search_sorted(prompt, "left"))
        rows = rows.head(at.search_sorted(prompt, "right") - at.search_sorted(prompt, "left"))
        names = candidates["candidate_id"]
        return [self._pair(row, names) for row in rows.iter_rows(named=True)]

    def _pair(self, row: dict[str, Any], names: pl.Series) -> dict[str, Any]:
        asked, share = self.asked[row["asked"]], row["share"]
        one, other = names[row["one"]], names[row["other"]]
        return {
            "labels": asked.source,
            "question": asked.question,
            "one": one,
            "other": other,
            "share": round(share, 6) if asked.shares else None,
            "votes": row["votes"],
            "people": (one if share > 0.5 else other) if row["decided"] else None,
            "right": row["right"],
        }


_PAIRS = {
    "asked": pl.UInt8(),
    "prompt": pl.UInt32(),
    "one": pl.UInt32(),
    "other": pl.UInt32(),
    "share": pl.Float32(),
    "votes": pl.Int64(),
    "decided": pl.Boolean(),
    "right": pl.Float32(),
}

NO_PAIRS = HeldPairs((), pl.DataFrame(schema=_PAIRS))


def hold_to_people(
    people: People, candidates: pl.DataFrame, prompt_of: pl.Series, prompts: int
) -> tuple[HeldPairs, pl.DataFrame]:
    """Every pair, and columns of prompts.

    Args:
        candidates: of ``Shown``.
        prompt_of: of each of them the number of its prompt.
        prompts: how many there are.

    Returns:
        ``HeldPairs``; and of each question of which a pair is judged the columns ``against.<key>``
        (Int32, judged pairs of which φ prefers the image that people do not), ``judged.<key>``
        (Int32) and ``accuracy.<key>`` (Float64, 0 … 1, of φ over these pairs): a row for each
        prompt in order, null where no pair of it is judged.
    """
    columns = pl.DataFrame({"prompt": pl.int_range(prompts, dtype=pl.UInt32, eager=True)})
    if not people.asked:
        return NO_PAIRS, columns.drop("prompt")
    value = people.phi if people.phi is not None else pl.lit(None, pl.Float64)
    known = candidates.select(
        pl.int_range(pl.len(), dtype=pl.UInt32).alias("candidate_id"),
        "model",
        prompt_of.cast(pl.UInt32).alias("prompt_id"),
        value.alias(f"value.{PHI}"),
    )
    found = []
    for number, asked in enumerate(people.asked):
        pairs = _judged(asked, known, number)
        found.append(pairs)
        of_prompts = _by_prompt(pairs, asked.key)
        if of_prompts.height:
            columns = columns.join(of_prompts, on="prompt", how="left", maintain_order="left")
    votes = HeldPairs(people.asked, pl.concat(found).sort("prompt", maintain_order=True))
    return votes, columns.drop("prompt")


def _judged(asked: AskedQuestion, known: pl.DataFrame, number: int) -> pl.DataFrame:
    pairs = judged_pairs(asked.comparisons, known, [PHI])
    named = pairs.select(
        pl.lit(number).alias("asked"),
        pl.col("prompt_id").alias("prompt"),
        *("one", "other", "share", "votes", "decided"),
        pl.col(f"right.{PHI}").alias("right"),
    )
    return named.cast(_PAIRS)  # type: ignore[arg-type]


def _by_prompt(pairs: pl.DataFrame, key: str) -> pl.DataFrame:
    right = pl.col("right")
    return (
        pairs.drop_nulls("right")
        .group_by("prompt")
        .agg(
            (right == 0).sum().cast(pl.Int32).alias(AGAINST + key),
            pl.len().cast(pl.Int32).alias(JUDGED + key),
            right.cast(pl.Float64).mean().alias(ACCURACY + key),
        )
    )
