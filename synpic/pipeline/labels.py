"""The labels of a workspace: settled, counted, and described."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from synpic.errors import RecipeError, did_you_mean
from synpic.pipeline.inventory import Inventory
from synpic.rank import STRATEGIES, OwnPairs
from synpic.readers.display import count
from synpic.workspace import Snapshot
from synpic.workspace.labels import (
    INGESTED,
    SourceLabels,
    find_labels,
    label_sources,
    require_labels_of,
)

__all__ = [
    "LabelCounts",
    "count_labels",
    "labels_of",
    "own_pairs",
    "own_source",
    "settle_and_count",
    "settled_labels_of",
]

_GIVEN_BY = {"person": "people", "reward": "rewards", "study": "a study"}


@dataclass(frozen=True)
class LabelCounts:
    """How many labels a source has.

    Args:
        source: of the labels: ``ingested``, or a study's name.
        labels: all of them.
        pairs: how many pairs of images they are of.
        unlabelled: labels without a share: the source leaves the pair open.
        ties: labels with a share of ½.
        kinds: kind → labels; ``questions``: question → labels.
        left_out: why comparisons of the source are no labels → how many.
    """

    source: str
    labels: int
    pairs: int
    unlabelled: int
    ties: int
    kinds: Mapping[str, int]
    questions: Mapping[str, int]
    left_out: Mapping[str, int]

    @property
    def given_by(self) -> str:
        """Who gave them, in words: "people and rewards"."""
        return " and ".join(_GIVEN_BY.get(kind, kind) for kind in self.kinds)

    @property
    def described(self) -> str:
        """In words: "8,000 pairs with 12,345 labels of people, 120 unlabelled, 33 ties"."""
        labels = count(self.labels - self.unlabelled, "label")
        said = [
            f"{count(self.pairs, 'pair')} with {labels} of {self.given_by}",
            f"{self.unlabelled:,} unlabelled",
            count(self.ties, "tie"),
        ]
        if set(self.questions) != {"overall"}:
            by = ", ".join(f"{name} {number:,}" for name, number in self.questions.items())
            said.append(f"by question: {by}")
        if self.left_out:
            why = ", ".join(f"{number:,} {reason}" for reason, number in self.left_out.items())
            said.append(f"left out: {why}")
        return "; ".join([", ".join(said[:3]), *said[3:]])

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**vars(self), "kinds": dict(self.kinds), "questions": dict(self.questions),
                "left_out": dict(self.left_out)}  # fmt: skip


def count_labels(inventory: Inventory) -> list[LabelCounts]:
    """The labels of each source that has any, counted as :func:`labels_of` gives them.

    Raises:
        CorruptPart, NewerSchema: naming the first part that cannot be read.
    """
    sources = label_sources(inventory.workspace)
    return [_count(settled_labels_of(inventory, source)) for source in sources]


def labels_of(inventory: Inventory, source: str) -> pl.DataFrame:
    """The rows of :func:`settled_labels_of`; raises as that."""
    return settled_labels_of(inventory, source).rows


def settled_labels_of(inventory: Inventory, source: str) -> SourceLabels:
    """The labels of ``source``, as :func:`synpic.workspace.labels.require_labels_of` gives them.

    Each is of the image that counts, of images that have the same bytes, also where another command
    is ingesting and has not written that down.

    Raises:
        WorkspaceError: it has none here.
        CorruptPart, NewerSchema: naming the first part that cannot be read.
    """
    found = require_labels_of(inventory.workspace, source)
    if inventory.ingested is None:
        return found
    # What reads sources of images is not needed where they are drawn.
    from synpic.ingest.labels.candidates import merge_equal

    rows, left_out = merge_equal(found.rows, found.left_out, inventory.ingested.counted)
    return replace(found, rows=rows, left_out=left_out)


def own_source(snapshot: Snapshot) -> str:
    """The labels whose pairs the strategy "own" takes: those that the recipe names; else those that
    came with images, or the only ones.

    Raises:
        RecipeError: there are none, or not those; or those of several studies, and none is named.
    """
    workspace, named = snapshot.workspace, snapshot.recipe.records.labels
    sources = label_sources(workspace)
    if named is not None and sources:
        if named in sources:
            return named
        raise RecipeError(
            f"records.labels = {json.dumps(named)}: {workspace.store} has no labels of that name."
            f"{did_you_mean(named, sources)}",
            hint=f"labels are here of: {', '.join(sources)}; `synpic study export` writes those of "
            "a study",
        )
    if INGESTED in sources or len(sources) == 1:
        return INGESTED if INGESTED in sources else sources[0]
    if sources:
        raise RecipeError(
            f'records.pairs = "own": {workspace.store} has the labels of {len(sources)} studies: '
            f"{', '.join(sources)}",
            hint=f"say which under [records]: labels = {json.dumps(sources[0])}",
        )
    raise RecipeError(
        f'records.pairs = "own" takes the pairs that labels bring, and {workspace.store} has no '
        "labels",
        hint="docs/labels.md lists the datasets whose labels are read when their images "
        f"are ingested; or choose one of {', '.join(STRATEGIES)}",
    )


def own_pairs(inventory: Inventory) -> OwnPairs:
    """The pairs of the strategy "own", as the recipe's ``[records]`` says which.

    Raises:
        RecipeError: there are no labels.
        RankingError: none answers the recipe's question.
        CorruptPart, NewerSchema: naming the first part that cannot be read.
    """
    source, settings = own_source(inventory.snapshot), inventory.recipe.records
    labels = labels_of(inventory, source)
    return OwnPairs.of_labels(labels, source, settings.question, settings.ties == "keep")


def settle_and_count(snapshot: Snapshot) -> list[str]:
    """Settle the labels that came with the images, and describe them; nothing where none came."""
    from synpic.ingest import IngestedImages, current_index
    from synpic.ingest.settled_labels import settle_labels

    workspace = snapshot.workspace
    index, _ = current_index(snapshot)
    settle_labels(workspace, IngestedImages.take(workspace, index))
    found = find_labels(workspace, INGESTED)
    return [] if found is None else [f"labels: {_count(found).described}"]


def _count(labels: SourceLabels) -> LabelCounts:
    rows = labels.rows
    both = pl.min_horizontal("left", "right"), pl.max_horizontal("left", "right")
    return LabelCounts(
        source=labels.source,
        labels=rows.height,
        pairs=rows.select(low=both[0], high=both[1]).n_unique(),
        unlabelled=rows["share"].null_count(),
        ties=int((rows["share"] == 0.5).sum()),
        kinds=_by(rows, "kind"),
        questions=_by(rows, "question"),
        left_out=labels.left_out,
    )


def _by(rows: pl.DataFrame, column: str) -> dict[str, int]:
    return dict(rows.group_by(column).len().sort(column).iter_rows())
