"""Labels: which of two images of a workspace people, or others' rewards, prefer.

    labels/<source>-<fp8>/part-*.parquet

A source is the dataset that brought the images (``ingested``), or a study, by its name. Its labels
are derived from the dataset or from the study's votes: they are written whole, and a later write
replaces them. A part is numbered by how often they were written; where two lie in one folder, since
a command was killed or two wrote at once, the later one counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from synpic import ids
from synpic.errors import StorageError, WorkspaceError, did_you_mean
from synpic.workspace import tables
from synpic.workspace.recorded import folders_of
from synpic.workspace.workspace import Workspace

__all__ = [
    "INGESTED",
    "label_folder",
    "label_parts",
    "label_sources",
    "labels_left_out",
    "read_labels",
    "remove_labels",
    "write_labels",
]

INGESTED = "ingested"
"""The source of labels that came with the images."""

_TRIES = 3
"""Another command may replace a part between listing and reading it."""


def label_folder(source: str, fingerprint_inputs: Mapping[str, Any]) -> str:
    """Where the labels of ``source`` lie, given what decides them."""
    return f"labels/{source}-{ids.short(ids.fingerprint(fingerprint_inputs))}"


def label_sources(workspace: Workspace) -> list[str]:
    """Names of the sources that have labels here, sorted."""
    folders = [one for one in workspace.folders("labels") if workspace.parts(one)]
    return sorted({one.removeprefix("labels/").rpartition("-")[0] for one in folders})


def label_parts(workspace: Workspace, source: str) -> list[str]:
    """The parts that hold the labels of ``source``: of each folder the last that was written.

    Raises:
        CorruptPart, NewerSchema: of the footer of one of several parts.
    """
    chosen = []
    for folder in folders_of(workspace, "labels", source):
        parts = workspace.parts(folder)
        if len(parts) > 1:
            parts.sort(key=lambda part: (workspace.part_metadata(part).written, part))
        chosen += parts[-1:]
    return chosen


def read_labels(workspace: Workspace, source: str) -> pl.DataFrame:
    """The labels of ``source``: columns of ``tables.LABELS``, ordered by ``row``.

    Raises:
        WorkspaceError: it has none here.
        CorruptPart, NewerSchema: naming the first part that cannot be read.
    """
    rows = _read(workspace, source)
    if rows is None:
        known = label_sources(workspace)
        raise WorkspaceError(
            f"{workspace.store} has no labels of {source!r}.{did_you_mean(source, known)}",
            hint=f"labels are here of: {', '.join(known) or 'nobody'}; a dataset brings them when "
            "it is ingested, and `synpic study export --to labels` writes those of a study",
        )
    return rows.sort("row", "left", "right", "question", "rater", maintain_order=True)


def labels_left_out(workspace: Workspace, source: str) -> dict[str, int]:
    """Why comparisons of ``source`` are no labels here, with how many of each."""
    found: dict[str, int] = {}
    for part in label_parts(workspace, source):
        for reason, number in workspace.part_metadata(part).left_out.items():
            found[reason] = found.get(reason, 0) + number
    return found


def write_labels(
    workspace: Workspace,
    source: str,
    fingerprint_inputs: Mapping[str, Any],
    labels: pl.DataFrame,
    left_out: Mapping[str, int] | None = None,
) -> str:
    """Replace the labels of ``source``, and return the name of the part.

    The new part is there before the old ones go: a command that is killed between leaves both, and
    readers take the new one.

    Args:
        fingerprint_inputs: what decides them: the source and how it is read.
        labels: the columns of ``tables.LABELS``; other columns are left out.
        left_out: why comparisons of the source are not among them → how many of each.

    Raises:
        StorageError: nothing was written.
    """
    table = labels.select(tables.LABELS.names).to_arrow().cast(tables.LABELS)
    folder = label_folder(source, fingerprint_inputs)
    old = _parts_of(workspace, source)
    before = [workspace.part_metadata(part).written for part in workspace.parts(folder)]
    note = {
        "source": source,
        "decides": dict(fingerprint_inputs),
        "written": max(before, default=0) + 1,
        "left_out": dict(left_out or {}),
    }
    written = workspace.write_part(folder, table, note)
    for part in old:
        if part != written:
            workspace.store.remove(part)
    return written


def remove_labels(workspace: Workspace, source: str) -> None:
    """Remove the labels of ``source``, if there are any."""
    for part in _parts_of(workspace, source):
        workspace.store.remove(part)


def _parts_of(workspace: Workspace, source: str) -> list[str]:
    folders = folders_of(workspace, "labels", source)
    return [part for folder in folders for part in workspace.parts(folder)]


def _read(workspace: Workspace, source: str) -> pl.DataFrame | None:
    """The rows of the parts that count; None where there is none."""
    for _ in range(_TRIES - 1):
        try:
            parts = label_parts(workspace, source)
            return workspace.read(parts, tables.LABELS) if parts else None
        except StorageError:
            continue
    parts = label_parts(workspace, source)
    return workspace.read(parts, tables.LABELS) if parts else None
