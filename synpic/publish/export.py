"""Pairs in the shape that a trainer opens, from a workspace or a release.

``pickapic`` and ``pairwise`` are folders of Parquet whose only config is the default one, for
scripts that cannot name a config. ``folders`` is two folders of image files, chosen and rejected,
with a caption beside each; ``webdataset`` is tars, a sample a pair. Images are copied as they were
encoded, a row group or a handful of pairs at a time.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl

from synpic.errors import PublishError, did_you_mean
from synpic.pipeline.cuts import AS_THE_RECIPE_SAYS, Cuts
from synpic.publish.atomic_folder import new_folder, require_free
from synpic.publish.manifest import describe_bytes, describe_rule
from synpic.publish.table.pair_source import PairSource, open_pair_source
from synpic.publish.table.records import ConfigRows, records
from synpic.publish.table.resolve_source import Where
from synpic.publish.table.shards import Limits, ShardFile, plan_shards
from synpic.publish.write_shards import explain_refusals, pack, require_room, spell_out, write_file
from synpic.publish.write_tars import write_tars
from synpic.rank import OwnPairs
from synpic.readers.display import count
from synpic.readers.images import ImageError, describe
from synpic.release.manifest import MANIFEST, ExportManifest, File, encode, own_version
from synpic.workspace.tables import SCHEMA_VERSION

__all__ = ["KINDS", "Export", "Exported", "export", "plan_export"]

KINDS = ("pickapic", "pairwise", "folders", "webdataset")

_AT_ONCE = 64
"""Pairs whose pixels are in memory together, where files are written one by one."""

_READ_BY_TRAINERS = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
"""Endings of the image files that kohya's scripts look for in a folder."""

_DATA = "data"
"""The folder of shards: ``load_dataset`` finds splits there by name, with a card or without."""


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
    on_progress: Callable[[int, int], None] | None = None,
) -> Exported:
    """Write the pairs of ``where`` to ``directory``, in the shape that ``kind`` names.

    The folder appears whole or not at all. One that is there already is replaced if it is empty or
    an earlier export and nothing else, and is left untouched otherwise: a release above all.

    Args:
        where: a workspace, a release's folder, or its name on the Hub; see ``load_rankings``.
        kind: "pickapic", "pairwise", "folders" or "webdataset".
        strategy: how pairs are picked; the recipe's if None.
        cuts: in the place of the recipe's; of a release, besides those that it was published with.
        split: only this one; all if None.
        revision, token: of a release on the Hub.
        limits: of shards and row groups.
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
    )
    with explain_refusals(target), new_folder(target, "export") as folder:
        require_room(folder, planned.bytes)
        files = _WRITERS[kind](planned, folder, on_progress)
        notes = _notes(files)
        about = "\n".join([_readme(planned), *(f"{note}\n" for note in notes)])
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
) -> Export:
    """What :func:`export` would write; it takes and raises the same."""
    if kind not in KINDS:
        raise PublishError(
            f"unknown kind of export {kind!r}.{did_you_mean(kind, KINDS)}",
            hint=f"known: {', '.join(KINDS)}",
        )
    source = open_pair_source(where, strategy, cuts=cuts, revision=revision, token=token)
    config = "pickapic" if kind == "pickapic" else "pairwise"
    made = records(config, source.candidates, source.ranking, source.strategy, source.own)
    if kind == "webdataset":
        made = _with_seeds_and_ranks(made, source.candidates)
    splits = _splits(kind, made, split, source.own)
    rows = made.rows.filter(pl.col("split").is_in(splits))
    shards = plan_shards([ConfigRows(_DATA, rows, made.images)], splits, limits or Limits())
    counts = {one: rows.filter(pl.col("split") == one).height for one in splits}
    size = sum(shard.bytes for shard in shards)
    return Export(kind, counts, size, source, ConfigRows(config, rows, made.images), shards)


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
    if kind == "folders" and len(splits) > 1:
        raise PublishError(
            f"there are {len(splits)} splits, and two folders hold one: {', '.join(splits)}",
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
    """``chosen/`` and ``rejected/``: path → size and hash.

    A pair's files are named after its two images, so that a trainer's cache of latents, which goes
    by name, never takes one pair for another after a new ranking.
    """
    sides = ("chosen", "rejected")
    for side in sides:
        (folder / side).mkdir()
    files: dict[str, File] = {}
    rows = planned._records.rows
    for start in range(0, rows.height, _AT_ONCE):
        batch = rows.slice(start, _AT_ONCE).to_dicts()
        wanted = dict.fromkeys(
            (row[side]["candidate_id"], row[side]["sha256"]) for row in batch for side in sides
        )
        pixels = dict(zip(wanted, planned._source.read(list(wanted)), strict=True))
        for row in batch:
            # One name for both sides, whatever each was encoded as: readers look at the bytes.
            chosen = row["chosen"]
            ending = _ending(pixels[chosen["candidate_id"], chosen["sha256"]], chosen["path"])
            name = f"{row['chosen_id']}-{row['rejected_id']}"
            caption = " ".join(row["prompt"].splitlines()).encode()
            for side in sides:
                data = pixels[row[side]["candidate_id"], row[side]["sha256"]]
                for path, content in (
                    (f"{side}/{name}{ending}", data),
                    (f"{side}/{name}.txt", caption),
                ):
                    # Not flushed one by one: of a hundred thousand, that would take hours.
                    (folder / path).write_bytes(content)
                    files[path] = describe_bytes(content)
        if on_progress:
            on_progress(start + len(batch), rows.height)
    return files


_WRITERS = {
    "pickapic": _write_shards,
    "pairwise": _write_shards,
    "folders": _write_folders,
    "webdataset": _write_tars,
}


def _ending(data: bytes, path: str) -> str:
    """Of a file's name, by its format; by ``path`` where the header cannot be read."""
    try:
        return f".{describe(data).extension}"
    except ImageError:
        suffix = PurePosixPath(path).suffix
        return suffix if re.fullmatch(r"\.\w{1,8}", suffix, re.ASCII) else ""


def _notes(files: Mapping[str, File]) -> tuple[str, ...]:
    """What to know of image files that stand alone: which of them a trainer passes over."""
    endings = Counter(PurePosixPath(path).suffix for path in files if path.startswith("chosen/"))
    read = ", ".join(f"`{one}`" for one in _READ_BY_TRAINERS)
    return tuple(
        f"{count(pairs, 'pair')} in `{ending}` files: kohya's scripts pass over them, and read "
        f"{read}. Convert them first."
        for ending, pairs in sorted(endings.items())
        if ending not in (*_READ_BY_TRAINERS, ".txt")
    )


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


def _picked(planned: Export) -> str:
    own = planned._source.own
    if own is None:
        return f"picked from rankings by `{planned.strategy}`; none is tied"
    ties = planned.kind == "pickapic" and own.keep_ties
    return (
        f"which came with labels by the question `{own.question}`, in their order; "
        f"{'ties are labelled 0.5' if ties else 'none is tied'}"
    )


def _readme(planned: Export) -> str:
    origin = planned._source.origin
    came = f" of {origin['repository']} at commit {origin['revision']}" if origin else ""
    total = sum(planned.rows.values())
    about = (
        f"{count(total, 'pair')}{came}, {_picked(planned)}. Exported by synpic; image files are as "
        "they were generated.\n"
    )
    if planned.kind == "folders":
        return (
            f"# Pairs in two folders\n\n{about}\n"
            "A file of `chosen/` and the file of the same name in `rejected/` are a pair; the "
            "`.txt` beside each is its prompt.\n"
        )
    kind = "tar" if planned.kind == "webdataset" else "parquet"
    head = "configs:\n- config_name: default\n  data_files:\n"
    for split in planned.rows:
        path = json.dumps(f"{_DATA}/{split}-*.{kind}", ensure_ascii=False)
        head += f"  - split: {json.dumps(split, ensure_ascii=False)}\n    path: {path}\n"
    if kind == "tar":
        return (
            f"---\n{head}---\n\n# Pairs in the layout of WebDataset\n\n{about}\n"
            "A sample is a pair: `chosen` and `rejected`, the prompt as `txt`, and `json` with "
            "models, seeds, ranks and preferences. All images have one ending; look at the bytes.\n"
        )
    columns = "of Pick-a-Pic" if planned.kind == "pickapic" else "`chosen` and `rejected`"
    return (
        f"---\n{head}---\n\n# Pairs in the columns {columns}\n\n{about}\n"
        'Load it with `datasets.load_dataset("path/to/this/folder")`.\n'
    )
