"""Votes of a study as labels of its workspace: one for each vote that counts."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import polars as pl

from synpic.study.choices import choices_of
from synpic.study.definition import Study
from synpic.study.own_votes import read_votes_of
from synpic.study.raters import RaterRule, left_out, look_at_raters
from synpic.workspace import Workspace
from synpic.workspace.labels import (
    SourceLabels,
    as_labels,
    changing_labels,
    find_labels,
    remove_labels,
    write_labels,
)

__all__ = ["WrittenLabels", "export_labels", "labels_of_votes", "remove_all", "source_labels"]

_SHARE = {"left": 1.0, "right": 0.0, "tie": 0.5, "both_bad": 0.5}


@dataclass(frozen=True)
class WrittenLabels:
    """What was written.

    Args:
        source: of the labels, as ``labels = `` of a recipe names it.
        labels: how many.
        part: the name of the part; None where nothing was written.
        raters: whose votes they are.
        left_out: raters who do not count.
        kept: labels of the source that were there and stay: those of other questions.
        removed: labels of the source that were there and are gone, since none takes their place.
    """

    source: str
    labels: int
    part: str | None
    raters: int
    left_out: int
    kept: int = 0
    removed: int = 0


def labels_of_votes(study: Study, votes: pl.DataFrame, rule: RaterRule) -> pl.DataFrame:
    """The columns of ``tables.LABELS``, ordered by ``row``, which is the number of the vote.

    ``left`` and ``right`` are as they were shown; ``share`` is 1 for left, 0 for right, and ½ where
    both are equally good, or both bad: in either case neither is preferred. Skips, checks and
    repeats are left out, and so are raters that the rule leaves out.

    Raises:
        WorkspaceError: the votes are not of this study.
    """
    choices = choices_of(study, votes)
    out = left_out(look_at_raters(choices, rule))
    counted = choices.filter(
        (pl.col("kind") == "real")
        & (pl.col("choice") != "skip")
        & ~pl.col("rater").is_in(list(out))
    ).select("number", "prompt_id")
    rows = votes.join(counted, on="number", how="inner", maintain_order="left")
    labels = rows.select(
        "prompt_id",
        "left",
        "right",
        "question",
        pl.col("answer").replace_strict(_SHARE, return_dtype=pl.Float32).alias("share"),
        pl.lit(1, pl.Int32).alias("n"),
        "rater",
        pl.lit("study").alias("kind"),
        pl.col("number").alias("row"),
    )
    return as_labels(labels).sort("row")


def source_labels(study: Study, votes: pl.DataFrame, rule: RaterRule) -> SourceLabels:
    """The labels of :func:`labels_of_votes` as an export writes them; they lie in no part yet.

    Raises:
        WorkspaceError: the votes are not of this study.
    """
    inputs = {"study": study.name, "definition": study.fingerprint, "rule": asdict(rule)}
    return SourceLabels(study.name, "", inputs, {}, labels_of_votes(study, votes, rule))


def export_labels(workspace: Workspace, study: Study, rule: RaterRule) -> WrittenLabels:
    """Write the labels of a study, named as the study; they replace earlier ones of it.

    Where no vote counts, earlier ones are removed: they may be of a rater who is deleted.

    Raises:
        WorkspaceError: there are no votes, or they are not of this study.
        StorageError: nothing was written.
    """
    part, removed = None, 0
    # Of two exports at once, the last one that writes has read the votes last.
    with changing_labels(workspace, study.name):
        votes = read_votes_of(workspace, study)
        found = source_labels(study, votes, rule)
        labels = found.rows
        if labels.is_empty():
            removed = remove_all(workspace, study.name)
        else:
            part = write_labels(workspace, study.name, found.fingerprint_inputs, labels)
    return WrittenLabels(
        source=study.name,
        labels=labels.height,
        part=part,
        raters=labels["rater"].n_unique(),
        left_out=votes["rater"].n_unique() - labels["rater"].n_unique(),
        removed=removed,
    )


def remove_all(workspace: Workspace, source: str) -> int:
    """Remove the labels of ``source``, and return how many there were."""
    there = find_labels(workspace, source)
    remove_labels(workspace, source)
    return 0 if there is None else there.rows.height
