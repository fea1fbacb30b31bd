"""Making a part of a release again: the sample, its workspace, the steps, and the result."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from synpic.engine.bars import progress_bars
from synpic.engine.progress import Listener
from synpic.engine.report import Report
from synpic.errors import ReleaseError, Stopped
from synpic.pipeline.inventory import Inventory, take_inventory
from synpic.pipeline.remake.code import code_of_model, code_of_reward
from synpic.pipeline.remake.comparing import compare_all
from synpic.pipeline.remake.recipe import begin_workspace, published_recipe
from synpic.pipeline.remake.resolving import Remakeable, left_out, resolve_parts
from synpic.pipeline.remake.result import Remade, RemakePlan, SampleSize
from synpic.pipeline.steps import generate_candidates, score_candidates
from synpic.prompts import ensure_prompts
from synpic.readers.display import size
from synpic.recipe import Recipe
from synpic.release.chunks import POSITION, ChunkSample, sample_chunks
from synpic.release.images import PublishedImages
from synpic.release.manifest import MANIFEST
from synpic.release.source import Published
from synpic.workspace import Snapshot, Workspace

__all__ = ["plan_remake", "remake"]

_MOST_BYTES = 1 << 30
"""Of published images that are read from the Hub without being asked to."""


@dataclass(frozen=True)
class _Prepared:
    """Everything that is known before the first image is drawn."""

    release: Published
    scores: pl.DataFrame
    sample: ChunkSample
    snapshot: Snapshot
    inventory: Inventory
    parts: Remakeable

    @property
    def sample_size(self) -> SampleSize:
        return SampleSize.of(self.sample, self.release.manifest.counts.prompts_wanted)


def plan_remake(
    release: Published,
    *,
    share: float = 0.01,
    images: bool | None = None,
    trust_code: bool = False,
) -> RemakePlan:
    """What :func:`remake` would make in a new folder; nothing is drawn, and nothing kept.

    Args:
        release, share, images, trust_code: as for :func:`remake`.

    Raises:
        As :func:`remake`.
    """
    with tempfile.TemporaryDirectory(prefix="synpic-remake-") as folder:
        ready = _prepare(release, Workspace(folder), share, trust_code)
        published, note = _published_images(ready, images)
        download = None
        if published is not None:
            download = published.bytes_to_read(_in_sample(ready, published))
            published.close()
        wanted = ready.inventory.wanted_candidates()
        wanted = wanted.filter(pl.col("model").is_in(ready.parts.model_names))
        return RemakePlan(
            release=release.name,
            revision=release.revision,
            sample=ready.sample_size,
            models=dict(wanted.group_by("model", maintain_order=True).len().iter_rows()),
            rewards={reward.name: wanted.height for reward in ready.parts.rewards},
            download=download,
            not_remade=ready.parts.not_remade,
            changed=ready.parts.changed,
            notes=note,
        )


def remake(
    release: Published,
    into: str | os.PathLike[str],
    *,
    share: float = 0.01,
    images: bool | None = None,
    device: str | None = None,
    trust_code: bool = False,
    progress: bool = False,
    listener: Listener | None = None,
    stop: threading.Event | None = None,
) -> Remade:
    """Draw and score a part of a release again, and hold it to what was published.

    The part is whole chunks of prompts (``synpic.release.chunks``), the same for everybody. It is
    made in a workspace of its own: killed at any moment and called again, it goes on; a larger
    share adds to a smaller one.

    Args:
        release: from ``open_release``; it must have the config ``scores``.
        into: a folder that is empty or not there yet, or the one of an earlier call.
        share: of the chunks, above 0 and at most 1; one chunk at least.
        images: read the published images and compare pixels; else the hashes of their files stand
            for them. If None, of a folder, and of the Hub where that is at most 1 GiB.
        device: as torch names it; every visible accelerator, else the CPU, if None.
        trust_code: run what the recipe of the release names as code (``module:callable``, remote
            code, an environment), and ask the addresses that it names. Else what needs that is not
            made again.
        progress: draw a bar for each model and reward, as a widget in a notebook, elsewhere on
            stderr.
        listener: receives progress.
        stop: when set, the current batch is finished and kept.

    Returns:
        How many ids, seeds, images, scores and rankings are equal, why the others are not, and
        what could not be made again.

    Raises:
        ReleaseError: no part of it can be made again: it has no ``scores``, an earlier synpic
            published it, or its images were ingested.
        WorkspaceError: ``into`` holds something else.
        RecipeError: this synpic cannot follow its recipe.
        HubUnreachable: the Hub did not answer.
        Stopped: ``stop`` was set; what was made is kept.
    """
    ready = _prepare(release, Workspace(into), share, trust_code)
    parts = ready.parts
    with progress_bars(progress, listener) as shown:
        inventory = _make(ready, device, shown, stop)
    published, notes = _published_images(ready, images)
    try:
        compared, more = compare_all(
            release, ready.scores, ready.sample, parts, inventory, published
        )
    finally:
        if published is not None:
            published.close()
    return Remade(
        release=release.name,
        revision=release.revision,
        workspace=os.fspath(into),
        sample=ready.sample_size,
        by_pixels=published is not None,
        parts=compared,
        not_remade=parts.not_remade,
        changed=parts.changed,
        notes=[*notes, *more],
    )


def _make(
    ready: _Prepared,
    device: str | None,
    listener: Listener | None,
    stop: threading.Event | None,
) -> Inventory:
    """Draw and score, and take stock of what there is then."""
    parts = ready.parts
    how: dict[str, Any] = {"device": device, "listener": listener, "stop": stop}
    if parts.models:
        report = generate_candidates(
            ready.snapshot, only=parts.model_names, retry_failed=True, **how
        )
        _note_broken(ready, report, "models")
    inventory = take_inventory(ready.snapshot)
    if parts.rewards and inventory.candidates().height:
        names = [reward.name for reward in parts.rewards]
        report = score_candidates(ready.snapshot, only=names, retry_failed=True, **how)
        _note_broken(ready, report, "rewards")
        inventory = take_inventory(ready.snapshot)
    return inventory


def _prepare(release: Published, workspace: Workspace, share: float, trust_code: bool) -> _Prepared:
    if not 0 < share <= 1:
        raise ReleaseError(
            f"a share of {share:.4g} of the chunks holds none, or more than there are",
            hint="ask for more than 0 % and at most 100 %",
        )
    scores, chunk = _readable(release)
    recipe = published_recipe(release)
    by_prompt = scores.unique(["prompt_id", POSITION], keep="first", maintain_order=True)
    wanted = release.manifest.counts.prompts_wanted
    sample = sample_chunks(
        by_prompt.select("prompt_id", "prompt", "split", POSITION), chunk, wanted, share
    )
    scores = scores.join(sample.prompts.select("prompt_id"), on="prompt_id", how="semi")
    models, rewards = _not_followed(release, recipe, trust_code)
    parts = Remakeable(
        not_remade=[
            *left_out(scores, "models", models),
            *left_out(scores, "rewards", rewards),
        ]
    )
    followed = [name for name in recipe.models if name not in models]
    if not _draws_two(release, followed):
        listed = "; ".join(f"{one.what}: {one.why}" for one in parts.not_remade)
        raise ReleaseError(
            f"{release.name}: {_of(followed)} can be drawn again: {listed}",
            hint="--trust-code runs code that a release names; read it first",
        )
    scoring = [name for name in recipe.scoring if name not in rewards]
    begin_workspace(workspace, release, sample, followed, scoring)
    snapshot = workspace.snapshot()
    ensure_prompts(snapshot)
    inventory = take_inventory(snapshot)
    found = resolve_parts(inventory, release.manifest, scores)
    parts = replace(found, not_remade=[*parts.not_remade, *found.not_remade])
    return _Prepared(release, scores, sample, snapshot, inventory, parts)


def _draws_two(release: Published, followed: Sequence[str]) -> bool:
    """Whether a prompt can have two images, as a recipe has to have it."""
    drawn = (one.samples or 0 for one in release.manifest.models if one.name in followed)
    return sum(drawn) > 1


def _of(followed: Sequence[str]) -> str:
    if not followed:
        return "no image of it"
    return f"of each prompt one image, by {followed[0]}, and no second to rank it with"


def _readable(release: Published) -> tuple[pl.DataFrame, int]:
    """``scores``, and how many prompts a chunk has.

    Raises:
        ReleaseError: nothing of the release can be drawn again, and why.
    """
    manifest = release.manifest
    if manifest.models and all(one.samples is None for one in manifest.models):
        raise ReleaseError(
            f"{release.name}: its images were not drawn, but ingested from "
            f"{manifest.models[0].checkpoint}: nothing can draw them again",
            hint="`synpic verify` checks what was published",
        )
    scores = release.table("scores")
    if manifest.chunk is None or POSITION not in scores.columns:
        lacks = f"`chunk` in {MANIFEST}" if manifest.chunk is None else f"`{POSITION}` in `scores`"
        raise ReleaseError(
            f"{release.name} has no {lacks}: an earlier synpic published it, and in which batches "
            "its images were drawn is not known",
            hint="ask its author to publish it again, from its workspace",
        )
    return scores, manifest.chunk


def _not_followed(
    release: Published, recipe: Recipe, trust_code: bool
) -> tuple[dict[str, str], dict[str, str]]:
    """Models and rewards of the recipe that are left out, each with the reason."""
    models: dict[str, str] = {}
    rewards: dict[str, str] = {}
    if not trust_code:
        for name, model in recipe.models.items():
            if why := code_of_model(model.model_dump(exclude_unset=True)):
                models[name] = f"{why}; --trust-code follows it"
        for name, reward in recipe.scoring.items():
            if why := code_of_reward(name, reward.model_dump(exclude_unset=True)):
                rewards[name] = f"{why}; --trust-code follows it"
    for row in release.manifest.rewards:
        if "suite" in row.fingerprint_inputs and row.name in recipe.scoring:
            rewards[row.name] = "it reads what a suite asks, which no release holds"
    return models, rewards


def _note_broken(ready: _Prepared, report: Report, kind: str) -> None:
    """Move what turned out not to work from what is made again to what is not."""
    if report.stopped:
        raise Stopped(
            "stopped; everything finished so far is kept",
            hint="the same command goes on from here",
        )
    broken = {one.name: one.broken.message for one in report.outcomes if one.broken}
    parts = ready.parts
    parts.not_remade += left_out(ready.scores, kind, broken)
    if kind == "models":
        parts.models = [one for one in parts.models if one.name not in broken]
    else:
        parts.rewards = [one for one in parts.rewards if one.name not in broken]


def _published_images(
    ready: _Prepared, asked: bool | None
) -> tuple[PublishedImages | None, list[str]]:
    """The published pixels, where they are to be read; and a note where they are not."""
    release = ready.release
    if asked is False or "ranked" not in release.records:
        why = [] if asked is False else ["the release has no `ranked`, which holds the pixels"]
        return None, why
    published = PublishedImages(release)
    if asked or release.revision is None:
        return published, []
    needed = published.bytes_to_read(_in_sample(ready, published))
    if needed <= _MOST_BYTES:
        return published, []
    published.close()
    return None, [f"--images reads {size(needed)} of published images and compares pixels"]


def _in_sample(ready: _Prepared, published: PublishedImages) -> list[str]:
    there = published.candidates.select("candidate_id")
    drawn = ready.scores.filter(pl.col("model").is_in(ready.parts.model_names))
    return list(there.join(drawn, on="candidate_id", how="semi")["candidate_id"])
