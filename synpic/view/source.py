"""A workspace or a release as what a page shows: prompts, candidates, and images by id."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import polars as pl

from synpic.errors import RankingError, RecipeError, RewardError, WorkspaceError
from synpic.pipeline.image_scores import every_image
from synpic.pipeline.inventory import Inventory, take_inventory
from synpic.pipeline.ranking import RankedSet, aggregation_of, rank_candidates
from synpic.publish.table.resolve_source import Where, find
from synpic.rank import Comparisons
from synpic.release import Published
from synpic.release.compared import read_compared
from synpic.release.images import PublishedImages
from synpic.view.left_out import left_out_images, released_prompts
from synpic.view.memory import give_back
from synpic.view.people import (
    NO_PEOPLE,
    People,
    people_of_release,
    people_of_workspace,
    phi_of_rewards,
)
from synpic.view.samples import Samples, find_samples
from synpic.view.verdicts import (
    CORRECT,
    NOT_EVALUATED,
    NTH,
    REASON,
    VERDICT,
    Evaluated,
    with_verdicts,
)
from synpic.workspace import Snapshot, Workspace

__all__ = ["CANDIDATE", "Images", "Shown", "open_source"]

CANDIDATE = {
    "prompt_id": pl.String(),
    "candidate_id": pl.String(),
    "model": pl.String(),
    "sample": pl.Int32(),
    "seed": pl.Int64(),
    "sha256": pl.String(),
    "width": pl.Int32(),
    "height": pl.Int32(),
    "flagged": pl.Boolean(),
    "failure": pl.String(),
    "left_out": pl.String(),
    "preference": pl.Float64(),
    "rank": pl.Int32(),
}
"""Columns of ``Shown.candidates``, and their types; ``score_<reward>`` and ``wins_<reward>``
follow, and what :func:`synpic.view.verdicts.with_verdicts` adds."""

_MORE = ("score_", "wins_", CORRECT, VERDICT, REASON)


class Images(Protocol):
    """Encoded images by candidate id. Any number of threads may ask."""

    def read(self, candidate_id: str, sha256: str) -> bytes:
        """The encoded file; "" for a hash checks nothing.

        Raises:
            WorkspaceError, ReleaseError: it is gone, or damaged.
        """
        ...

    def read_all(self, wanted: Sequence[tuple[str, str]]) -> list[bytes]:
        """The files of (candidate_id, sha256) pairs, in that order.

        Raises:
            WorkspaceError, ReleaseError: one is gone, or damaged.
        """
        ...

    def in_order(self, wanted: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        """``wanted`` in the order in which they lie on the disk: to read many, a run of it at a
        time."""
        ...


@dataclass(frozen=True, eq=False)
class Shown:
    """What a page shows.

    Args:
        name: of the folder, or the release as it was asked for.
        kind: "workspace", "release" or "training run".
        prompts: prompt_id, prompt, split and ``meta_<name>``, a row for each, in order of
            prompt_id; and ``released`` where rules of the recipe choose among them.
        candidates: the columns of ``CANDIDATE``, ``score_<reward>``, ``wins_<reward>``, and what
            :func:`synpic.view.verdicts.with_verdicts` adds; ordered by prompt_id, model, sample and
            candidate_id. A row without ``sha256`` has no image; ``failure`` says why; ``left_out``
            says why a release would not have one that is there.
        weights: reward → weight, of those that rank.
        rewards: all that have scores here.
        images: the pixels.
        remark: why nothing is ranked; None where something is.
        workspace: None where this is a release.
        comparisons: of those of ``weights`` that rank by labels of pairs.
        people: which images people prefer, whether that ranks or not.
        evaluated: the judges and models whose verdicts and pairs ``candidates`` has.
    """

    name: str
    kind: str
    prompts: pl.DataFrame
    candidates: pl.DataFrame
    weights: Mapping[str, float]
    rewards: Sequence[str]
    images: Images
    remark: str | None = None
    workspace: Workspace | None = None
    comparisons: Mapping[str, Comparisons] = field(default_factory=dict)
    people: People = NO_PEOPLE
    evaluated: Evaluated = NOT_EVALUATED


def open_source(where: Where = ".") -> Shown:
    """What ``where`` holds: a workspace, also one that is not scored yet, a release, or a training
    run with samples.

    Raises:
        ReleaseError: it is none of these.
        SynpicError: as opening a workspace or a release does.
    """
    if (run := find_samples(where)) is not None:
        return _of_run(run)
    origin = find(where)
    return _of_release(origin) if isinstance(origin, Published) else _of_workspace(origin)


def _of_workspace(workspace: Workspace) -> Shown:
    rows, held = _held(workspace.snapshot())
    rows, evaluated = with_verdicts(rows, held.inventory)
    candidates = _candidates(rows)
    del rows  # they take as much again
    give_back()
    inventory = held.inventory
    meta = [name for name in inventory.prompts.columns if name.startswith("meta_")]
    prompts = inventory.prompts.select("prompt_id", "prompt", "split", *meta).sort("prompt_id")
    if held.released is not None:
        passed = pl.col("prompt_id").is_in(held.released.implode())
        prompts = prompts.with_columns(released=passed)
    return Shown(
        name=_name_of(workspace),
        kind="workspace",
        prompts=prompts,
        candidates=candidates,
        weights=inventory.recipe.weights,
        rewards=[reward.name for reward in inventory.rewards],
        images=_InParts(inventory),
        remark=held.remark,
        workspace=workspace,
        comparisons=held.comparisons,
        people=people_of_workspace(inventory, candidates, held.comparisons, held.phi),
        evaluated=evaluated,
    )


def _name_of(workspace: Workspace) -> str:
    folder = workspace.folder
    if folder.name == "workspace" and folder.parent.name:  # "workspace" says nothing of it
        return f"{folder.parent.name}/{folder.name}"
    return folder.name or str(workspace.store)


@dataclass(frozen=True, eq=False)
class _Held:
    """What is known of a workspace: ``released_prompts``, why nothing is ranked, and φ of the
    rewards alone."""

    inventory: Inventory
    released: pl.Series | None = None
    remark: str | None = None
    comparisons: Mapping[str, Comparisons] = field(default_factory=dict)
    phi: pl.DataFrame | None = None


def _held(snapshot: Snapshot) -> tuple[pl.DataFrame, _Held]:
    """A row for each image of a workspace, and what is known of it; all else that ranking makes is
    dropped with this call."""
    try:
        ranked = rank_candidates(_uncut(snapshot))
        phi = _without_labels(ranked)
    except (RankingError, RecipeError, RewardError, WorkspaceError) as error:
        # A recipe that cannot be read at all fails here again.
        inventory = take_inventory(snapshot)
        return _every_image(inventory), _Held(inventory, remark=error.message)
    rows = _every_image(ranked.inventory, ranked.there)
    table = ranked.ranking.table
    wins = [name for name in table.columns if name.startswith("wins_")]
    ranks = table.select("candidate_id", "preference", "rank", *wins)
    left_out = left_out_images(ranked, snapshot.recipe)
    for more in (ranks, left_out):
        if not more.is_empty():
            rows = rows.join(more, on="candidate_id", how="left", maintain_order="left")
    released = released_prompts(ranked, snapshot.recipe)
    comparisons = ranked.ranking.comparisons
    return rows, _Held(ranked.inventory, released, comparisons=comparisons, phi=phi)


def _without_labels(ranked: RankedSet) -> pl.DataFrame | None:
    """φ of the rewards alone, where labels rank too."""
    ranking = ranked.ranking
    if not ranking.comparisons:
        return None
    aggregation = aggregation_of(ranked.inventory.snapshot)
    return phi_of_rewards(ranked.scored, ranking.weights, ranking.comparisons, aggregation)


def _uncut(snapshot: Snapshot) -> Snapshot:
    """``snapshot`` without the rules that choose prompts and images for a release.

    They come after ranking: what a release leaves out has a rank and is looked at too.
    """
    every = dict.fromkeys(("where", "min_margin", "min_agreement", "top"))
    records = snapshot.recipe.records.model_copy(update=every)
    return replace(snapshot, recipe=snapshot.recipe.model_copy(update={"records": records}))


def _every_image(inventory: Inventory, scored: pl.DataFrame | None = None) -> pl.DataFrame:
    """A row for each image that the recipe wants, there or not.

    Args:
        scored: what ``Inventory.scored`` gave, where it is at hand.
    """
    if scored is None:
        scored = inventory.scored()
    wanted = every_image(inventory, scored).drop("prompt", "place")
    wanted = wanted.unique("candidate_id", keep="first", maintain_order=True)
    there = scored.select("candidate_id", "seed", "sha256", "width", "height", "flagged")
    return wanted.join(there, on="candidate_id", how="left", maintain_order="left")


def _of_release(release: Published) -> Shown:
    images = PublishedImages(release)
    table = release.table("ranked")
    meta = [name for name in table.columns if name.startswith("meta_")]
    pixels = images.candidates.select("candidate_id", "sha256")
    comparisons: Mapping[str, Comparisons] = {}
    if "scores" in release.records:
        rows = release.table("scores").drop("sha256")
        comparisons = read_compared(rows, release.manifest.ranking.comparisons, release.name)
    else:
        kinds = table.drop(meta).schema.items()
        lists = [name for name, kind in kinds if isinstance(kind, pl.List)]
        named = {"candidate_ids": "candidate_id", "models": "model", "seeds": "seed"}
        rows = table.select("prompt_id", *lists).explode(lists).rename(named)
    # An image that was not ranked is in ``scores`` alone, and has no pixels in the release.
    candidates = _candidates(
        rows.join(pixels, on="candidate_id", how="inner", maintain_order="left")
    )
    return Shown(
        name=release.name,
        kind="release",
        prompts=table.select("prompt_id", "prompt", "split", *meta).sort("prompt_id"),
        candidates=candidates,
        weights=release.manifest.ranking.weights,
        rewards=[n.removeprefix("score_") for n in rows.columns if n.startswith("score_")],
        images=_InRelease(images),
        comparisons=comparisons,
        people=people_of_release(release, rows, comparisons, candidates),
    )


def _of_run(run: Path) -> Shown:
    samples = Samples(run)
    return Shown(
        name=run.resolve().name,
        kind="training run",
        prompts=samples.prompts,
        candidates=_candidates(samples.candidates),
        weights={},
        rewards=[],
        images=samples,
        remark="samples of a training run, step after step; nothing scores them",
    )


def _candidates(rows: pl.DataFrame) -> pl.DataFrame:
    """``rows`` with the columns of ``CANDIDATE``, those that it lacks null, in order."""
    more = sorted(name for name in rows.columns if name == NTH or name.startswith(_MORE))
    numbers = ("score_", "wins_")
    kept = [
        pl.col(name).cast(pl.Float64) if name.startswith(numbers) else pl.col(name) for name in more
    ]
    plain = [
        (pl.col(name) if name in rows.columns else pl.lit(None)).cast(kind).alias(name)
        for name, kind in CANDIDATE.items()
    ]
    return rows.select(*plain, *kept).sort(
        "prompt_id", "model", "sample", "candidate_id", nulls_last=True
    )


class _InParts:
    """Of a workspace. Its reader keeps files open, so one thread at a time may use it."""

    def __init__(self, inventory: Inventory) -> None:
        self._reader = inventory.workspace.images(inventory.image_folders())
        self._lock = threading.Lock()

    def read(self, candidate_id: str, sha256: str) -> bytes:
        if not sha256:
            raise WorkspaceError(f"candidate {candidate_id}: its image is not made yet")
        return self.read_all([(candidate_id, sha256)])[0]

    def read_all(self, wanted: Sequence[tuple[str, str]]) -> list[bytes]:
        with self._lock:
            return self._reader.read(wanted)

    def in_order(self, wanted: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        return self._reader.in_order(wanted)


class _InRelease:
    def __init__(self, images: PublishedImages) -> None:
        self._reader = images
        self._lock = threading.Lock()

    def read(self, candidate_id: str, sha256: str) -> bytes:
        return self.read_all([(candidate_id, sha256)])[0]

    def read_all(self, wanted: Sequence[tuple[str, str]]) -> list[bytes]:
        with self._lock:
            return self._reader.read(wanted)

    def in_order(self, wanted: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        return self._reader.in_order(wanted)
