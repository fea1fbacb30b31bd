"""What people and comparers say of pairs of images, as the recipe's rewards name it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import polars as pl

from synpic.errors import RankingError, SynpicError, WorkspaceError
from synpic.hub import checkpoints
from synpic.hub.lock import LockEntry
from synpic.pipeline.inventory import Inventory
from synpic.pipeline.labels import labels_of
from synpic.rank import Comparisons, Coverage, PositionBias
from synpic.rank.comparisons import NO_PAIRS
from synpic.recipe import RewardSettings
from synpic.score.comparer import WantedComparer
from synpic.score.recorded import RecordedReward
from synpic.workspace import Snapshot
from synpic.workspace.labels import read_labels

__all__ = [
    "LabelCoverage",
    "compared_by",
    "label_coverage",
    "of_images_here",
    "read_comparisons",
    "require_labels",
]


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


def read_comparisons(
    inventory: Inventory, names: Iterable[str], candidates: pl.DataFrame
) -> dict[str, Comparisons]:
    """The comparisons of those of ``names`` that rank by labels or by a comparer, by name.

    Args:
        names: rewards of the recipe.
        candidates: candidate_id and sha256 of all that are there.

    Raises:
        WorkspaceError: the labels of one are not there, or a comparer has compared nothing.
        RankingError: no label answers its question, or a share or probability is none.
        CorruptPart, NewerSchema: naming the first part that cannot be read.
    """
    chosen = set(names)
    labelled = {
        name: _compared(name, settings, partial(labels_of, inventory))[1]
        for name, settings in inventory.recipe.labelled.items()
        if name in chosen
    }
    compared = {
        one.name: compared_by(inventory, one, candidates)
        for one in inventory.comparers
        if one.name in chosen
    }
    return labelled | compared


def compared_by(
    inventory: Inventory, comparer: WantedComparer | RecordedReward, candidates: pl.DataFrame
) -> Comparisons:
    """What one comparer says of ``candidates``, of those pixels and no others.

    Every pair that it ever compared counts, whether or not the recipe asks for it now.

    Args:
        candidates: candidate_id and sha256.

    Raises:
        WorkspaceError: it has compared nothing here.
        RankingError: a probability is not within 0 … 1.
        CorruptPart, NewerSchema: naming the first part that cannot be read.
    """
    rows = of_images_here(inventory.workspace.comparisons(comparer.folder), candidates)
    if rows.is_empty():
        raise WorkspaceError(
            f"rewards.{comparer.name} has compared no two images that are here",
            hint="run `synpic score`; if it has, `synpic status` says what failed; or leave it out "
            "of ranking.rewards",
        )
    try:
        return Comparisons.of_probabilities(
            rows,
            _provenance(comparer, PositionBias.of(rows)),
            tie=inventory.recipe.comparers[comparer.name].tie,
            source=comparer.registered,
        )
    except RankingError as error:
        text = f"{comparer.folder}: {error.message}"
        raise RankingError(text, hint=error.hint) from error


def require_labels(snapshot: Snapshot, name: str) -> Comparisons:
    """The comparisons that a reward's labels make, whichever of their images are here.

    Raises:
        WorkspaceError, RankingError, CorruptPart, NewerSchema: as :func:`read_comparisons`.
    """
    read = partial(read_labels, snapshot.workspace)
    return _compared(name, snapshot.recipe.labelled[name], read)[1]


def _provenance(
    comparer: WantedComparer | RecordedReward, bias: PositionBias | None
) -> dict[str, Any]:
    """What a release says of a comparer, as :class:`synpic.release.compared.ComparerRow` has it."""
    weights, info, own = comparer.checkpoint, None, False
    # Of a comparer whose code is away, only what its comparisons record.
    if isinstance(comparer, WantedComparer):
        info = comparer.info
        own = comparer.settings.checkpoint in (None, info and info.checkpoint)
    return {
        "fingerprint": comparer.fingerprint,
        "checkpoint": checkpoints.describe(weights) if isinstance(weights, LockEntry) else weights,
        "decides": comparer.fingerprint_inputs,
        "licence": info.licence if info and own else None,
        "paper": info.paper if info else None,
        "position_bias": None if bias is None else round(bias.bias, 6),
        "order_decides": None if bias is None else round(bias.turned, 6),
    }


def of_images_here(rows: pl.DataFrame, candidates: pl.DataFrame) -> pl.DataFrame:
    """The rows of a table of comparisons whose images, with those pixels, are among ``candidates``.

    Args:
        candidates: candidate_id and sha256.
    """
    for side in ("left", "right"):
        here = candidates.select(
            pl.col("candidate_id").alias(side), pl.col("sha256").alias(f"sha256_{side}")
        )
        rows = rows.join(here, on=[side, f"sha256_{side}"], how="semi")
    return rows


def label_coverage(inventory: Inventory, candidates: pl.DataFrame) -> list[LabelCoverage]:
    """What labels there are of ``candidates``, for each reward of the recipe that ranks by them.

    Args:
        candidates: prompt_id and candidate_id.

    Raises:
        CorruptPart, NewerSchema: naming the first part that cannot be read.
    """
    found = []
    for name, settings in inventory.recipe.labelled.items():
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
