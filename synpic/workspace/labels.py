"""Labels: which of two images of a workspace people, or others' rewards, prefer.

    labels/<source>-<fp8>/part-*.parquet

A source is the dataset that brought the images (``ingested``), or a study, by its name. Its labels
are derived from the dataset or from the study's votes: they are written whole, and a later write
replaces them. A part is numbered by how often the labels of its source were written. A source may
have several, in one folder or in those of two fingerprints, since a command was killed or two wrote
at once: the last one counts.
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
    "label_part",
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


def label_part(workspace: Workspace, source: str) -> str | None:
    """The part that holds the labels of ``source``, the last that was written; None without any.

    Raises:
        CorruptPart, NewerSchema: of the footer of one of several parts.
    """
    parts = _parts_of(workspace, source)
    if len(parts) > 1:
        parts.sort(key=lambda part: (workspace.part_metadata(part).written, part))
    return parts[-1] if parts else None


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
            hint=f"labels are here of: {', '.join(known) or 'no source'}; a dataset brings them "
            "when it is ingested, and `synpic study export --to labels` writes those of a study",
        )
    return rows.sort("row", "left", "right", "question", "rater", maintain_order=True)


def labels_left_out(workspace: Workspace, source: str) -> dict[str, int]:
    """Why comparisons of ``source`` are no labels here, with how many of each."""
    part = label_part(workspace, source)
    return {} if part is None else dict(workspace.part_metadata(part).left_out)


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
        CorruptPart, NewerSchema: of the footer of an earlier part; nothing was written.
    """
    table = labels.select(tables.LABELS.names).to_arrow().cast(tables.LABELS)
    folder = label_folder(source, fingerprint_inputs)
    old = _parts_of(workspace, source)
    before = [workspace.part_metadata(part).written for part in old]
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
    """The rows of the part that counts; None where there is none."""
    for _ in range(_TRIES - 1):
        try:
            return _read_once(workspace, source)
        except StorageError:
            continue
    return _read_once(workspace, source)


def _read_once(workspace: Workspace, source: str) -> pl.DataFrame | None:
    part = label_part(workspace, source)
    return None if part is None else workspace.read([part], tables.LABELS)
