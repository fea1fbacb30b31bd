"""Pairs in the shape that a trainer opens, from a workspace or a release.

``pickapic`` and ``pairwise`` are folders of Parquet whose only config is the default one, for
scripts that cannot name a config. ``folders`` is two folders of image files, chosen and rejected,
with a caption beside each; ``webdataset`` is tars, a sample a pair; ``flow-factory`` and
``verl-omni`` are these trainers' own. Images are copied as they were encoded, a row group or a
handful of pairs at a time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from synpic.errors import PublishError, did_you_mean
from synpic.pipeline.cuts import AS_THE_RECIPE_SAYS, Cuts
from synpic.publish.atomic_folder import new_folder, require_free
from synpic.publish.export_readme import DATA, export_readme
from synpic.publish.manifest import describe_rule
from synpic.publish.table.pair_source import PairSource, open_pair_source
from synpic.publish.table.records import ConfigRows, records
from synpic.publish.table.resolve_source import Where
from synpic.publish.table.shards import Limits, ShardFile, plan_shards
from synpic.publish.write_flow_factory import write_flow_factory
from synpic.publish.write_folders import notes_on_folders, write_folders
from synpic.publish.write_shards import explain_refusals, pack, require_room, spell_out, write_file
from synpic.publish.write_tars import write_tars
from synpic.publish.write_verl_omni import TensorsOfPairs, images_of, write_verl_omni
from synpic.rank import OwnPairs
from synpic.readers.display import count
from synpic.release.manifest import MANIFEST, ExportManifest, File, encode, own_version
from synpic.workspace.tables import SCHEMA_VERSION

__all__ = ["KINDS", "Export", "Exported", "export", "plan_export"]

KINDS = ("pickapic", "pairwise", "folders", "webdataset", "flow-factory", "verl-omni")

_ONE_SPLIT = {
    "folders": "two folders hold one",
    "flow-factory": "none is named `train`, which it learns from",
}
"""Kinds that have room for pairs of one split → why."""

_EVALUATED = ("test", "validation")
"""The split whose prompts are drawn for evaluation beside ``train``: the first that is there."""


@dataclass(frozen=True, eq=False)
class Export:
    """An export before anything is written.

    Args:
        kind: one of ``KINDS``.
        rows: split → pairs.
        bytes: about how many it takes.
    """

    kind: str
    rows: Mapping[str, int]
    bytes: int
    _source: PairSource
    _records: ConfigRows
    _shards: Sequence[ShardFile]
    _evaluated: Sequence[str] = ()
    _tensors: TensorsOfPairs | None = None

    @property
    def strategy(self) -> str:
        """By which pairs were picked."""
        return self._source.strategy


@dataclass(frozen=True, eq=False)
class Exported:
    """An export that was written.

    Args:
        directory: where, as it was given; ``~`` is spelt out.
        kind: one of ``KINDS``.
        rows: split → pairs.
        files: how many there are.
        bytes: of all of them.
        notes: what a trainer that reads the folder should know; a sentence each.
    """

    directory: Path
    kind: str
    rows: Mapping[str, int]
    files: int
    bytes: int
    notes: Sequence[str] = ()


def export(
    where: Where,
    kind: str,
    directory: str | os.PathLike[str],
    *,
    strategy: str | None = None,
    cuts: Cuts = AS_THE_RECIPE_SAYS,
    split: str | None = None,
    revision: str | None = None,
    token: str | None = None,
    limits: Limits | None = None,
    tensors: TensorsOfPairs | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Exported:
    """Write the pairs of ``where`` to ``directory``, in the shape that ``kind`` names.

    The folder appears whole or not at all. One that is there already is replaced if it is empty or
    an earlier export and nothing else, and is left untouched otherwise: a release above all.

    Args:
        where: a workspace, a release's folder, or its name on the Hub; see ``load_rankings``.
        kind: one of ``KINDS``.
        strategy: how pairs are picked; the recipe's if None.
        cuts: in the place of the recipe's; of a release, besides those that it was published with.
        split: only this one; all if None.
        revision, token: of a release on the Hub.
        limits: of shards and row groups.
        tensors: for "verl-omni": what encodes prompts and images, as
            :func:`synpic.train.data.pair_tensors.open_pair_tensors` opens it.
        on_progress: called with pairs written and pairs in all.

    Raises:
        PublishError: an unknown kind or split, no pair, a place that is taken, a disk that refuses.
        ReleaseError: there is no such release, or nothing in it to pair.
        RankingError: an unknown strategy, or a workspace with nothing to rank.
        SynpicError: as ranking a workspace and opening a release do.
    """
    seen, target = spell_out(directory)
    with explain_refusals(target):
        require_free(target, "export")
    planned = plan_export(
        where,
        kind,
        strategy=strategy,
        cuts=cuts,
        split=split,
        revision=revision,
        token=token,
        limits=limits,
        tensors=tensors,
    )
    if tensors is not None:
        rows = planned._records.rows
        prompts = rows["prompt"].unique(maintain_order=True)
        tensors.prepare(prompts, images_of(rows), planned._source.read)
    with explain_refusals(target), new_folder(target, "export") as folder:
        require_room(folder, planned.bytes)
        files = _WRITERS[kind](planned, folder, on_progress)
        notes = _notes(planned, files)
        about = export_readme(kind, planned.rows, planned._source, notes)
        files["README.md"] = write_file(folder / "README.md", about.encode())
        manifest = write_file(folder / MANIFEST, encode(_manifest(planned, files)))
    return Exported(
        directory=seen,
        kind=kind,
        rows=planned.rows,
        files=len(files) + 1,
        bytes=sum(file.bytes for file in (*files.values(), manifest)),
        notes=notes,
    )


def plan_export(
    where: Where,
    kind: str,
    *,
    strategy: str | None = None,
    cuts: Cuts = AS_THE_RECIPE_SAYS,
    split: str | None = None,
    revision: str | None = None,
    token: str | None = None,
    limits: Limits | None = None,
    tensors: TensorsOfPairs | None = None,
) -> Export:
    """What :func:`export` would write; it takes and raises the same."""
    if kind not in KINDS:
        raise PublishError(
            f"unknown kind of export {kind!r}.{did_you_mean(kind, KINDS)}",
            hint=f"known: {', '.join(KINDS)}",
        )
    if (kind == "verl-omni") != (tensors is not None):
        raise PublishError(
            "verl-omni reads latents and embeddings: a model has to make them"
            if tensors is None
            else f"--to {kind} has no room for what a model encodes",
            hint="name the model that will be trained with --model"
            if tensors is None
            else "leave --model out, or export --to verl-omni",
        )
    source = open_pair_source(where, strategy, cuts=cuts, revision=revision, token=token)
    config = "pickapic" if kind == "pickapic" else "pairwise"
    made = records(config, source.candidates, source.ranking, source.strategy, source.own)
    if kind == "webdataset":
        made = _with_seeds_and_ranks(made, source.candidates)
    splits = _splits(kind, made, split, source.own)
    rows = made.rows.filter(pl.col("split").is_in(splits))
    shards = plan_shards([ConfigRows(DATA, rows, made.images)], splits, limits or Limits())
    counts = {one: rows.filter(pl.col("split") == one).height for one in splits}
    size = sum(shard.bytes for shard in shards)
    if tensors is not None:
        size += tensors.bytes_of(rows["prompt"].n_unique(), rows.height)
    evaluated: list[str] = []
    if kind == "flow-factory" and split is None:
        others = dict.fromkeys(made.rows["split"]).keys() - {*splits}
        held_out = pl.col("split").is_in([one for one in _EVALUATED if one in others][:1])
        evaluated = made.rows.filter(held_out)["prompt"].unique(maintain_order=True).to_list()
    pairs = ConfigRows(config, rows, made.images)
    return Export(kind, counts, size, source, pairs, shards, evaluated, tensors)


def _with_seeds_and_ranks(made: ConfigRows, candidates: pl.DataFrame) -> ConfigRows:
    """Pairs with the seed and rank of both sides: null from a release that has pairs alone."""
    rows = made.rows
    for side in ("chosen", "rejected"):
        about = candidates.select(
            pl.col("candidate_id").alias(f"{side}_id"),
            pl.col("seed").alias(f"{side}_seed"),
            pl.col("rank").alias(f"{side}_rank"),
        )
        rows = rows.join(about, on=f"{side}_id", how="left", maintain_order="left")
    return ConfigRows(made.config, rows, made.images)


def _splits(kind: str, made: ConfigRows, asked: str | None, own: OwnPairs | None) -> list[str]:
    """The splits to export, in order of name: a release has lost the order of its source."""
    splits = sorted(set(made.rows["split"]))
    if not splits:
        raise PublishError(
            "there is no pair to export: "
            + (
                "every pair that the strategy picks is tied"
                if own is None
                else f"no labelled pair of {own.source!r} is decided and has both images here"
            ),
            hint="choose other --pairs, or let more rewards rank",
        )
    if asked is not None:
        if asked not in splits:
            raise PublishError(
                f"there is no pair of split {asked!r}.{did_you_mean(asked, splits)}",
                hint=f"splits with pairs: {', '.join(splits)}",
            )
        return [asked]
    if kind == "flow-factory" and "train" in splits:
        return ["train"]
    if kind in _ONE_SPLIT and len(splits) > 1:
        raise PublishError(
            f"there are {len(splits)} splits, and {_ONE_SPLIT[kind]}: {', '.join(splits)}",
            hint="choose one with --split, and export each into a folder of its own",
        )
    return splits


def _write_shards(
    planned: Export, folder: Path, on_progress: Callable[[int, int], None] | None
) -> dict[str, File]:
    return pack(planned._shards, planned._source.read, folder, on_progress)


def _write_tars(
    planned: Export, folder: Path, on_progress: Callable[[int, int], None] | None
) -> dict[str, File]:
    return write_tars(planned._shards, planned._source.read, folder, on_progress)


def _write_folders(
    planned: Export, folder: Path, on_progress: Callable[[int, int], None] | None
) -> dict[str, File]:
    return write_folders(planned._records.rows, planned._source.read, folder, on_progress)


def _write_flow_factory(
    planned: Export, folder: Path, on_progress: Callable[[int, int], None] | None
) -> dict[str, File]:
    rows, read = planned._records.rows, planned._source.read
    return write_flow_factory(rows, planned._evaluated, read, folder, on_progress)


def _write_verl_omni(
    planned: Export, folder: Path, on_progress: Callable[[int, int], None] | None
) -> dict[str, File]:
    rows, read = planned._records.rows, planned._source.read
    assert planned._tensors is not None
    return write_verl_omni(rows, planned._tensors, read, folder, on_progress)


_WRITERS = {
    "pickapic": _write_shards,
    "pairwise": _write_shards,
    "folders": _write_folders,
    "webdataset": _write_tars,
    "flow-factory": _write_flow_factory,
    "verl-omni": _write_verl_omni,
}


def _notes(planned: Export, files: Mapping[str, File]) -> tuple[str, ...]:
    if planned.kind == "folders":
        return notes_on_folders(files)
    if planned._evaluated:
        prompts = count(len(planned._evaluated), "prompt")
        return (f"`test.jsonl` has {prompts} of another split, to evaluate with.",)
    return ()


def _manifest(planned: Export, files: Mapping[str, File]) -> ExportManifest:
    """What makes the folder one of ours, to be replaced by the next export."""
    found = {
        "synpic": own_version(),
        "schema_version": SCHEMA_VERSION,
        "export": planned.kind,
        "strategy": planned.strategy,
        "from": dict(planned._source.origin),
        "ranking": _rule(planned._source),
        "rows": dict(planned.rows),
        "files": dict(files),
    }
    return ExportManifest.model_validate(found)


def _rule(source: PairSource) -> dict[str, Any] | None:
    if source.rule is not None:
        return source.rule.model_dump(mode="json", by_alias=True, exclude_unset=True)
    if not source.ranking.weights:
        return None
    return describe_rule(source.ranking, source.candidates["candidate_id"])
