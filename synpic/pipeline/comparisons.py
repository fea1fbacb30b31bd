"""What people say of a workspace's images, as the recipe's rewards name it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import polars as pl

from synpic.errors import RankingError, SynpicError, WorkspaceError
from synpic.pipeline.inventory import Inventory
from synpic.pipeline.labels import labels_of
from synpic.rank import Comparisons, Coverage
from synpic.rank.comparisons import NO_PAIRS
from synpic.recipe import RewardSettings
from synpic.workspace import Snapshot
from synpic.workspace.labels import read_labels

__all__ = ["LabelCoverage", "label_coverage", "read_comparisons", "require_labels"]


@dataclass(frozen=True)
class LabelCoverage:
    """What labels a reward of the recipe has.

    Args:
        name: the recipe's.
        source, question: which labels rank.
        labels: how many answer the question; unlabelled pairs are among them.
        pairs: how many distinct pairs they label.
        prompts: of the prompts with two images, in how many it takes part.
        problem: why there are none; then all numbers are 0, and all prompts in ``prompts.none``.
    """

    name: str
    source: str
    question: str
    labels: int
    pairs: int
    prompts: Coverage
    problem: SynpicError | None = None


def read_comparisons(inventory: Inventory, names: Iterable[str]) -> dict[str, Comparisons]:
    """The comparisons of those of ``names`` that rank by labels, by name.

    Args:
        names: rewards of the recipe.

    Raises:
        WorkspaceError: the labels of one are not there.
        RankingError: no label answers its question, or a share is none.
        CorruptPart, NewerSchema: naming the first part that cannot be read.
    """
    comparing = inventory.recipe.comparing
    return {
        name: _compared(name, comparing[name], partial(labels_of, inventory))[1]
        for name in names
        if name in comparing
    }


def require_labels(snapshot: Snapshot, name: str) -> Comparisons:
    """The comparisons that a reward's labels make, whichever of their images are here.

    Raises:
        WorkspaceError, RankingError, CorruptPart, NewerSchema: as :func:`read_comparisons`.
    """
    read = partial(read_labels, snapshot.workspace)
    return _compared(name, snapshot.recipe.comparing[name], read)[1]


def label_coverage(inventory: Inventory, candidates: pl.DataFrame) -> list[LabelCoverage]:
    """What labels there are of ``candidates``, for each reward of the recipe that ranks by them.

    Args:
        candidates: prompt_id and candidate_id.

    Raises:
        CorruptPart, NewerSchema: naming the first part that cannot be read.
    """
    found = []
    for name, settings in inventory.recipe.comparing.items():
        source = str(settings.labels)
        try:
            labels, comparisons = _compared(name, settings, partial(labels_of, inventory))
            of_images = comparisons.coverage(candidates)
            pairs = comparisons.among(candidates["candidate_id"]).height
            found.append(LabelCoverage(name, source, settings.question, labels, pairs, of_images))
        except (WorkspaceError, RankingError) as error:
            none = Comparisons(NO_PAIRS).coverage(candidates)
            found.append(LabelCoverage(name, source, settings.question, 0, 0, none, error))
    return found


def _compared(
    name: str, settings: RewardSettings, read: Callable[[str], pl.DataFrame]
) -> tuple[int, Comparisons]:
    """How many labels answer the question, and the comparisons that they make."""
    source, question = str(settings.labels), settings.question
    try:
        labels = read(source)
        comparisons = Comparisons.of_labels(
            labels, tie=settings.tie, source=source, question=question
        )
    except (WorkspaceError, RankingError) as error:
        raise type(error)(f"rewards.{name}: {error.message}", hint=error.hint) from error
    return labels.filter(pl.col("question") == question).height, comparisons
