"""What a workspace holds against what its recipe wants, counted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import polars as pl

from synpic import ids
from synpic.errors import SynpicError
from synpic.pipeline.comparisons import LabelCoverage, label_coverage, of_images_here
from synpic.pipeline.inventory import Inventory, WantedModel, take_inventory
from synpic.pipeline.labels import LabelCounts, count_labels
from synpic.pipeline.pairs import wanted_pairs
from synpic.pipeline.position import bias_warning
from synpic.pipeline.verdicts import verdict_warnings, verdicts_described
from synpic.rank import PositionBias
from synpic.readers.display import count
from synpic.readers.notebook import html_table
from synpic.score.comparing_task import PAIR_KEY
from synpic.score.recorded import RecordedReward
from synpic.score.reward import WantedReward
from synpic.workspace import SET_ASIDE, Snapshot, Workspace, tables

__all__ = ["ComparedCount", "Count", "JudgedCount", "Status", "status"]


@dataclass(frozen=True)
class Count:
    """One model (at one size), one reward, one comparer or one judge.

    Args:
        wanted: images; for a reward or judge, the wanted candidates that are there; for a comparer,
            pairs of them.
        done: of those, how many are made, scored or judged.
        failed: of those, how many have a failure row instead.
        doubled: rows made twice, by workers that raced; one of each is used.
        unused: rows that the recipe no longer names.
        bytes: of the parts in its folder.
        flagged: of a model's done images, how many a safety check flagged.
        unchecked: of those, how many no check has seen.
    """

    stage: str
    name: str
    folder: str
    fingerprint: str
    wanted: int
    done: int
    failed: int
    doubled: int
    unused: int
    bytes: int
    flagged: int = 0
    unchecked: int = 0

    @property
    def missing(self) -> int:
        """What the next run will do."""
        return self.wanted - self.done - self.failed


@dataclass(frozen=True)
class ComparedCount(Count):
    """One comparer, in pairs.

    Args:
        remarks: its position bias, and what it waits for.
    """

    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class JudgedCount(Count):
    """One judge.

    Args:
        remarks: how many of the wanted images are right.
    """

    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class SourceCounts:
    """What the source of prompts, or of images, held.

    Args:
        read: rows or, of a source of images, images.
        empty: without a text; of images, without a caption.
        duplicate: of a prompt that was there before.
        sharing: of images, how many have a prompt that another has too; None where the recipe
            draws.
    """

    read: int
    empty: int
    duplicate: int
    sharing: int | None = None


@dataclass(frozen=True)
class LabelStatus:
    """What labels there are.

    Args:
        sources: each that has any, counted.
        rewards: what there is for each reward that ranks by labels.
    """

    sources: list[LabelCounts]
    rewards: list[LabelCoverage]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        rewards = [
            {
                **vars(one),
                "prompts": vars(one.prompts),
                "problem": one.problem and one.problem.message,
            }
            for one in self.rewards
        ]
        return {"sources": [one.as_dict() for one in self.sources], "rewards": rewards}


@dataclass(frozen=True, repr=False)
class Status:
    """All that ``synpic status`` shows.

    Args:
        prompts: distinct ones.
        unused: (folder, rows, bytes) of models and rewards that the recipe no longer names.
        undecided: the same, of models and rewards that are not found: the recipe may want them.
        changed: models that have images, and none of their present settings: (name, what).
        unresolved: models and rewards that are not found: (name, why).
        failures: (stage, name, reason, how many), most frequent first.
        set_aside: damaged parts that `synpic repair` moved out of the way.
        checks: whether the recipe has [safety] now.
        labels: of pairs.
    """

    workspace: str
    prompts: int
    source: SourceCounts
    counts: list[Count]
    unused: list[tuple[str, int, int]]
    undecided: list[tuple[str, int, int]]
    changed: list[tuple[str, str]]
    unresolved: list[tuple[str, str]]
    failures: list[tuple[str, str, str, int]]
    set_aside: int
    checks: bool
    labels: LabelStatus

    def __repr__(self) -> str:
        counts = "; ".join(f"{c.stage} {c.name}: {c.done:,} of {c.wanted:,}" for c in self.counts)
        return f"Status({self.workspace!r}, {count(self.prompts, 'prompt')}: {counts})"

    def _repr_html_(self) -> str:
        head = ["step", "name", "wanted", "done", "failed", "missing"]
        rows = [[c.stage, c.name, c.wanted, c.done, c.failed, c.missing] for c in self.counts]
        notes = [f"{name}: {why}" for name, why in self.unresolved]
        return html_table(f"{self.workspace}, {count(self.prompts, 'prompt')}", head, rows, notes)

    @property
    def complete(self) -> bool:
        """Nothing is missing; what failed counts as missing."""
        return not self.unresolved and all(one.done == one.wanted for one in self.counts)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        counts = [{**vars(one), "missing": one.missing} for one in self.counts]
        source = {
            "prompts_read": self.source.read,
            "prompts_empty": self.source.empty,
            "prompts_duplicate": self.source.duplicate,
            "sharing": self.source.sharing,
        }
        flat = {name: value for name, value in vars(self).items() if name != "source"}
        labels = self.labels.as_dict()
        return {**flat, **source, "counts": counts, "labels": labels, "complete": self.complete}


def status(workspace: Workspace | Snapshot) -> Status:
    """Count what is wanted, done, failed, doubled and unused.

    Raises:
        SynpicError: the recipe cannot be resolved.
        CorruptPart: naming a part that cannot be read.
    """
    inventory = take_inventory(workspace)
    workspace, prompts = inventory.workspace, inventory.prompt_table
    want = inventory.wanted_candidates()
    candidates = inventory.candidates()
    counts: list[Count] = []
    for model in inventory.models:
        rows = workspace.read(
            workspace.parts(model.folder), tables.CANDIDATES, ["candidate_id", "sha256"]
        )
        mine = want.filter(pl.col("folder") == model.folder).select("candidate_id")
        flags = candidates.join(mine, on="candidate_id", how="semi")["flagged"]
        counted = _count(workspace, "generate", model, rows, mine)
        flagged, unchecked = int(flags.sum() or 0), flags.null_count()
        counts.append(replace(counted, flagged=flagged, unchecked=unchecked))
    there = candidates.select("candidate_id", "sha256")
    for reward in inventory.rewards:
        rows = workspace.read(
            workspace.parts(reward.folder), tables.SCORES, ["candidate_id", "sha256"]
        )
        counts.append(_count(workspace, "score", reward, rows, there))
    counts += _compared(inventory)
    counts += _judged(inventory, inventory.judged(candidates).select(there.columns))
    used = {one.folder for one in counts}
    ingested = inventory.ingested
    rest = [folder for folder in _folders(workspace) if folder not in used]
    owners = set(map(partial(_kind_and_name, inventory), inventory.unresolved))
    undecided = [folder for folder in rest if folder.rpartition("-")[0] in owners]
    return Status(
        workspace=str(workspace.store),
        prompts=inventory.prompts.height,
        source=SourceCounts(
            prompts.read,
            prompts.empty,
            prompts.duplicates,
            None if ingested is None else ingested.index.sharing,
        ),
        counts=counts,
        unused=[_folder(workspace, f) for f in rest if f not in undecided],
        undecided=[_folder(workspace, f) for f in undecided],
        changed=list(inventory.changed().items()),
        unresolved=[(name, e.message) for name, e in inventory.unresolved.items()],
        failures=_reasons(workspace, used, set() if ingested is None else {ingested.folder}),
        set_aside=_set_aside(workspace),
        checks=inventory.recipe.safety is not None,
        labels=LabelStatus(
            sources=count_labels(inventory),
            rewards=label_coverage(inventory, candidates),
        ),
    )


IMAGE = pl.col("candidate_id")
PAIR = pl.concat_str("left", "right", separator="+")
"""What failures call an image, and a pair of images."""


def _count(
    workspace: Workspace,
    stage: str,
    of: WantedModel | WantedReward | RecordedReward,
    rows: pl.DataFrame,
    want: pl.DataFrame,
    named: pl.Expr = IMAGE,
) -> Count:
    """``named``: what failures call a row of ``want``."""
    keys = want.columns
    # Two rows with one id are the same image (or score) made twice; of pixels, one sha256 is used.
    distinct = rows.select(keys).unique()
    done = distinct.join(want, on=keys, how="semi")
    failures = workspace.failures(stage).filter(
        (pl.col("fingerprint") == of.fingerprint) & (pl.col("name") == of.name)
    )
    failed = (
        want.select(named.alias("candidate_id"))
        .join(failures.select("candidate_id"), on="candidate_id", how="semi")
        .join(done.select(named.alias("candidate_id")), on="candidate_id", how="anti")
    )
    return Count(
        stage=stage,
        name=of.name,
        folder=of.folder,
        fingerprint=ids.short(of.fingerprint),
        wanted=want.height,
        done=done.height,
        failed=failed.height,
        doubled=rows.height - distinct.height,
        unused=distinct.height - done.height,
        bytes=_bytes(workspace, of.folder),
    )


def _kind_and_name(inventory: Inventory, place: str) -> str:
    """Of something that is not found, how the folders of what it made begin."""
    kind, _, name = place.partition(".")
    if kind == "judges":
        return f"verdicts/{name}"
    if kind == "rewards":
        return f"{'comparisons' if name in inventory.recipe.comparers else 'scores'}/{name}"
    return f"candidates/{name}"


def _compared(inventory: Inventory) -> Iterator[ComparedCount]:
    """A count for each comparer."""
    if not inventory.comparers:
        return
    workspace, scored = inventory.workspace, inventory.scored()
    for comparer in inventory.comparers:
        remarks = []
        try:
            wanted = wanted_pairs(inventory, inventory.recipe.comparers[comparer.name], scored)
            pairs = wanted.table.select(PAIR_KEY)
            if wanted.waiting:
                remarks.append(f"{count(wanted.waiting, 'prompt')} without all scores")
        except SynpicError as error:
            pairs = pl.DataFrame(schema=dict.fromkeys(PAIR_KEY, pl.String))
            remarks.append(error.message)
        rows = workspace.read(workspace.parts(comparer.folder), tables.COMPARISONS)
        counted = _count(workspace, "compare", comparer, rows, pairs, PAIR)
        if (bias := PositionBias.of(rows)) is not None:
            remarks.append(bias.described)
            remarks += [bias_warning(comparer.name)] if bias.strong else []
        # What is not asked for now, and was compared, ranks all the same.
        unused = (
            rows.height - counted.doubled - of_images_here(rows, scored).unique(PAIR_KEY).height
        )
        yield ComparedCount(**vars(replace(counted, unused=unused)), remarks=tuple(remarks))


def _judged(inventory: Inventory, there: pl.DataFrame) -> Iterator[JudgedCount]:
    """A count for each judge, of the images that it is asked about (candidate_id, sha256)."""
    workspace = inventory.workspace
    for judge in inventory.judges:
        columns = [*there.columns, "correct", "score"]
        rows = workspace.read(workspace.parts(judge.folder), tables.VERDICTS, columns)
        counted = _count(workspace, "judge", judge, rows, there)
        said = rows.unique(there.columns).join(there, on=there.columns, how="semi")
        remarks = []
        if not said.is_empty():
            remarks = [verdicts_described(said), *verdict_warnings(judge.name, said)]
        yield JudgedCount(**vars(counted), remarks=tuple(remarks))


_KINDS = {
    "candidates": tables.CANDIDATES,
    "scores": tables.SCORES,
    "verdicts": tables.VERDICTS,
    "comparisons": tables.COMPARISONS,
}


def _folders(workspace: Workspace) -> list[str]:
    return [folder for kind in _KINDS for folder in workspace.folders(kind)]


def _folder(workspace: Workspace, folder: str) -> tuple[str, int, int]:
    schema = _KINDS[folder.partition("/")[0]]
    rows = workspace.read(workspace.parts(folder), schema, ["fingerprint"])
    return folder, rows.height, _bytes(workspace, folder)


def _bytes(workspace: Workspace, folder: str) -> int:
    return sum(workspace.store.size(part) for part in workspace.parts(folder))


def _reasons(
    workspace: Workspace, used: set[str], ingested: set[str]
) -> list[tuple[str, str, str, int]]:
    """Why things failed, for the models and rewards that are still wanted and still lack them."""
    found: list[tuple[str, str, str, int]] = []
    for stage, kind, named in (
        ("generate", "candidates", IMAGE),
        ("score", "scores", IMAGE),
        ("judge", "verdicts", IMAGE),
        ("compare", "comparisons", PAIR),
    ):
        parts = [p for f in used if f.startswith(f"{kind}/") for p in workspace.parts(f)]
        columns = [*named.meta.root_names(), "fingerprint"]
        done = workspace.read(parts, _KINDS[kind], columns)
        rows = workspace.failures(stage).join(
            done.select(named.alias("candidate_id"), "fingerprint"),
            on=["candidate_id", "fingerprint"],
            how="anti",
        )
        counted = rows.group_by("name", "fingerprint", "reason").len()
        for name, fingerprint, reason, number in counted.iter_rows():
            folder = f"{kind}/{name}-{ids.short(fingerprint)}"
            if folder in used:
                found.append(("ingest" if folder in ingested else stage, name, reason, number))
    return sorted(found, key=lambda row: (-row[3], row))


def _set_aside(workspace: Workspace) -> int:
    kinds = [f"{SET_ASIDE}/{kind}" for kind in (*_KINDS, "labels")]
    folders = [f"{kind}/{name}" for kind in kinds for name in workspace.store.list(kind)]
    return sum(len(workspace.parts(f)) for f in [*folders, f"{SET_ASIDE}/failures", SET_ASIDE])
