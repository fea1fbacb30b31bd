"""The parts of several workspaces: which there are, and where two say different things."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from synpic.pipeline.merge.labels import label_clashes, labels_to_place
from synpic.pipeline.merge.prompts import some_ids, widest_index
from synpic.pipeline.merge.source import Clash, Source
from synpic.readers.display import count
from synpic.workspace import Workspace
from synpic.workspace.marks import Mark, Marks, read_marks

__all__ = ["JoinedContents", "PartToPlace", "compare", "join_marks", "list_parts"]

_KINDS = ("candidates", "scores", "verdicts", "comparisons")
"""Folders whose folders hold parts, all of which are placed."""


@dataclass(frozen=True)
class PartToPlace:
    """A part that goes into the new workspace under its own name.

    Args:
        workspace: where it lies.
        name: there, and in the new one.
        bytes: its size.
    """

    workspace: Workspace
    name: str
    bytes: int


@dataclass(frozen=True)
class JoinedContents:
    """What workspaces hold together.

    Args:
        images: of distinct ids.
        scores: folder of a reward → distinct images that it scored; as "verdicts/…", of a judge →
            distinct images that it judged; and, as "comparisons/…", of a comparer → distinct pairs.
        clashes: images of one id with other pixels, scores, verdicts or comparisons of one image
            that differ, labels of one source that do, and suites.
    """

    images: int
    scores: Mapping[str, int]
    clashes: Sequence[Clash]


def list_parts(sources: Sequence[Source]) -> list[PartToPlace]:
    """All parts, each once: parts of one name are equal, since the name is a hash.

    Of the labels of a source, the part that counts.

    Raises:
        OlderSchema: an earlier synpic wrote one.
        CorruptPart, NewerSchema: of the footer of labels, where a source has several parts.
    """
    found: dict[str, PartToPlace] = {}
    for source in sources:
        workspace = source.workspace
        folders = [folder for kind in _KINDS for folder in workspace.folders(kind)]
        for folder in [*folders, "failures"]:
            for part in workspace.parts(folder):
                if part not in found:
                    found[part] = PartToPlace(workspace, part, workspace.store.size(part))
    for workspace, part in labels_to_place(sources, widest_index(sources)[0]):
        found[part] = PartToPlace(workspace, part, workspace.store.size(part))
    return list(found.values())


def compare(
    sources: Sequence[Source], on_folder: Callable[[str], None] = lambda folder: None
) -> JoinedContents:
    """Read what all workspaces hold of each folder, without pixels.

    Args:
        on_folder: called with the name of a folder that has been read.

    Raises:
        CorruptPart: naming the first part that cannot be read.
    """
    clashes: list[Clash] = []
    ids = [pl.Series("candidate_id", [], pl.String)]
    scores: dict[str, int] = {}
    for folder in _folders(sources, "candidates"):
        rows = _rows(sources, folder, lambda one, f: one.candidates([f]), "sha256")
        clashes += _clashes("candidates", folder, rows, ["candidate_id"], "sha256", sources)
        ids.append(rows["candidate_id"])
        on_folder(folder)
    for folder in _folders(sources, "scores"):
        rows = _rows(sources, folder, lambda one, f: one.scores(f), "score")
        keys = ["candidate_id", "sha256"]
        clashes += _clashes("scores", folder, rows, keys, "score", sources)
        scores[posixpath.basename(folder)] = rows.select(keys).unique().height
        on_folder(folder)
    for folder in _folders(sources, "verdicts"):
        rows = _rows(sources, folder, _worded_verdicts, "verdict")
        keys = ["candidate_id", "sha256"]
        clashes += _clashes("verdicts", folder, rows, keys, "verdict", sources)
        scores[folder] = rows.select(keys).unique().height
        on_folder(folder)
    for folder in _folders(sources, "comparisons"):
        rows = _rows(sources, folder, _named_pairs, "probability")
        keys = ["candidate_id", "sha256"]
        clashes += _clashes("comparisons", folder, rows, keys, "probability", sources)
        scores[folder] = rows.select(keys).unique().height
        on_folder(folder)
    clashes += label_clashes(sources, widest_index(sources)[0])
    for source in sources:
        source.workspace.failures("score")
    return JoinedContents(pl.concat(ids).n_unique(), scores, clashes)


def _worded_verdicts(workspace: Workspace, folder: str) -> pl.DataFrame:
    """Verdicts, each as one text; reasons and parts are what a judge says beside."""
    correct = pl.when("correct").then(pl.lit("right")).otherwise(pl.lit("wrong"))
    score = pl.format("score {}", "score")
    return workspace.verdicts(folder).select(
        "candidate_id",
        "sha256",
        verdict=pl.concat_str(
            pl.when(pl.col("correct").is_not_null()).then(correct),
            pl.when(pl.col("score").is_not_null()).then(score),
            separator=", ",
            ignore_nulls=True,
        ),
    )


def _named_pairs(workspace: Workspace, folder: str) -> pl.DataFrame:
    """Comparisons, each pair under one name, as failures have it."""
    return workspace.comparisons(folder).select(
        pl.concat_str("left", "right", separator="+").alias("candidate_id"),
        pl.concat_str("sha256_left", "sha256_right", separator="+").alias("sha256"),
        "probability",
    )


def join_marks(sources: Sequence[Source]) -> tuple[Marks, list[Clash]]:
    """All marks: a prompt or image has every mark that it has anywhere, and every note.

    Raises:
        RecipeError: a file of marks is damaged.
    """
    clashes: list[Clash] = []
    joined: dict[str, dict[str, Mark]] = {"prompts": {}, "candidates": {}}
    decided: dict[tuple[str, str], str] = {}
    for source in sources:
        marks = read_marks(source.workspace.store)
        for kind, of_kind in (("prompts", marks.prompts), ("candidates", marks.candidates)):
            for one, mark in of_kind.items():
                before = joined[kind].get(one, Mark())
                if (before.drop and mark.keep) or (before.keep and mark.drop):
                    owner = decided[kind, one]
                    said = ["drop" if each.drop else "keep" for each in (before, mark)]
                    clashes.append(
                        Clash("marks", f"{one}: {said[0]} in {owner}, {said[1]} in {source.name}")
                    )
                    continue
                if mark.drop or mark.keep:
                    decided.setdefault((kind, one), source.name)
                notes = dict.fromkeys(note for note in (before.note, mark.note) if note)
                joined[kind][one] = Mark(
                    drop=before.drop or mark.drop,
                    keep=before.keep or mark.keep,
                    star=before.star or mark.star,
                    note="\n".join(notes) or None,
                )
    return Marks(prompts=joined["prompts"], candidates=joined["candidates"]), clashes


def _folders(sources: Iterable[Source], kind: str) -> list[str]:
    found = {folder for source in sources for folder in source.workspace.folders(kind)}
    return sorted(found)


def _rows(
    sources: Sequence[Source],
    folder: str,
    read: Callable[[Workspace, str], pl.DataFrame],
    value: str,
) -> pl.DataFrame:
    """What each workspace uses of a folder, one below the other, with the workspace's number."""
    name = posixpath.basename(folder)
    frames = [
        read(source.workspace, folder)
        .select(*dict.fromkeys(["candidate_id", "sha256", value]))
        .with_columns(at=pl.lit(number))
        for number, source in enumerate(sources)
        if folder in source.workspace.folders(folder.removesuffix(f"/{name}"))
    ]
    return pl.concat(frames)


_DIFFERENT = {
    "candidates": ("image has one id and other pixels", "images have one id and other pixels"),
    "scores": ("score differs", "scores differ"),
    "verdicts": ("verdict differs", "verdicts differ"),
    "comparisons": ("comparison differs", "comparisons differ"),
}


def _clashes(
    kind: str,
    folder: str,
    rows: pl.DataFrame,
    keys: list[str],
    value: str,
    sources: Sequence[Source],
) -> list[Clash]:
    other = rows.group_by(keys).agg(pl.col(value).n_unique().alias("n")).filter(pl.col("n") > 1)
    if other.is_empty():
        return []
    ids = sorted(other["candidate_id"].unique().to_list())
    first = rows.filter(pl.col("candidate_id") == ids[0]).sort("at")
    different = first.unique([*keys[1:], value], keep="first", maintain_order=True)
    shown = [
        f"{held[:8] if value == 'sha256' else held} in {sources[at].name}"
        for held, at in different.select(value, "at").iter_rows()
    ]
    number = count(len(ids), *_DIFFERENT[kind])
    return [
        Clash(kind, f"{folder}: {number}: {some_ids(ids)}; of the first, {' and '.join(shown)}")
    ]
