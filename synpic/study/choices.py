"""Votes as choices: which image of a comparison a rater took, whatever side it was shown on."""

from __future__ import annotations

import polars as pl

from synpic.errors import WorkspaceError
from synpic.study.definition import Study

__all__ = ["CHOICES", "choices_of"]

CHOICES = {
    "number": pl.Int64(),
    "rater": pl.String(),
    "kind": pl.String(),
    "comparison": pl.String(),
    "question": pl.String(),
    "prompt_id": pl.String(),
    "first_model": pl.String(),
    "second_model": pl.String(),
    "answer": pl.String(),
    "choice": pl.String(),
    "milliseconds": pl.Int64(),
}
"""Columns of :func:`choices_of`, and their types."""


def choices_of(study: Study, votes: pl.DataFrame, where: str = "votes.db") -> pl.DataFrame:
    """Each vote with ``choice``: "first", "second", "tie", "both_bad" or "skip".

    Of a check, ``first`` is the image that belongs to the prompt.

    Args:
        votes: as :func:`synpic.workspace.votes.read_votes` gives them.
        where: their file, for messages.

    Raises:
        WorkspaceError: a vote is of a comparison that the study does not have, or of other images.
    """
    compared = [(one.id, one.prompt_id, one.first, one.second) for one in study.comparisons]
    checks = [(one.id, one.prompt_id, one.own, one.foreign) for one in study.check_comparisons]
    known = pl.DataFrame(
        [
            {
                "comparison": one,
                "prompt_id": prompt_id,
                "first": first.candidate_id,
                "second": second.candidate_id,
                "first_model": first.model,
                "second_model": second.model,
                "is_check": one in study.checks_by_id,
            }
            for one, prompt_id, first, second in [*compared, *checks]
        ]
    )
    rows = votes.join(known, on="comparison", how="left", maintain_order="left")
    straight = (pl.col("left") == pl.col("first")) & (pl.col("right") == pl.col("second"))
    turned = (pl.col("left") == pl.col("second")) & (pl.col("right") == pl.col("first"))
    fits = (straight | turned) & (pl.col("is_check") == (pl.col("kind") == "check"))
    fits &= pl.col("question").is_in(list(study.question_by_name))
    wrong = rows.filter(~fits.fill_null(False))
    if not wrong.is_empty():
        raise WorkspaceError(
            f"{where}: vote {wrong['number'][0]} is of comparison {wrong['comparison'][0]!r}: "
            f"study {study.name!r} has none of that id with these images and that question",
            hint="study.json and votes.db are not of one study: put back the right one",
        )
    took_left = (pl.col("answer") == "left") == straight
    choice = (
        pl.when(pl.col("answer").is_in(["left", "right"]))
        .then(pl.when(took_left).then(pl.lit("first")).otherwise(pl.lit("second")))
        .otherwise("answer")
    )
    return rows.with_columns(choice=choice).select(*CHOICES)
