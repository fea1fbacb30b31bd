"""Labels: which of two images of a workspace people, or others' rewards, prefer.

    labels/<source>-<fp8>/part-*.parquet

A source is the dataset that brought the images (``ingested``), or a study, by its name. Its labels
are derived from the dataset or from the study's votes: they are written whole, and a later write
replaces them. A part is numbered by how often the labels of its source were written. A source may
have several, in one folder or in those of two fingerprints, since a command was killed or two wrote
at once: the last one counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import polars as pl
import pyarrow as pa

from synpic import ids
from synpic.errors import StorageError, WorkspaceError, did_you_mean
from synpic.workspace import tables
from synpic.workspace.alone import alone
from synpic.workspace.parts import frame
from synpic.workspace.recorded import folders_of
from synpic.workspace.workspace import Workspace

__all__ = [
    "INGESTED",
    "LABEL_SCHEMA",
    "SourceLabels",
    "as_labels",
    "changing_labels",
    "find_labels",
    "label_folder",
    "label_part",
    "label_sources",
    "read_labels",
    "remove_labels",
    "require_labels_of",
    "write_labels",
]

INGESTED = "ingested"
"""The source of labels that came with the images."""

# Not empty_table(), for which pyarrow imports pandas.
LABEL_SCHEMA = frame(pa.Table.from_batches([], tables.LABELS)).schema
"""Columns of labels, and their types."""

_TRIES = 3
"""Another command may replace a part between listing and reading it."""


@dataclass(frozen=True, eq=False)
class SourceLabels:
    """The labels of one source, as one read found them.

    Args:
        source: ``ingested``, or a study's name.
        part: that holds them.
        fingerprint_inputs: what decides them.
        left_out: why comparisons of the source are no labels → how many.
        rows: columns of ``tables.LABELS``, ordered by ``row``.
    """

    source: str
    part: str
    fingerprint_inputs: Mapping[str, Any]
    left_out: Mapping[str, int]
    rows: pl.DataFrame

    @property
    def fingerprint(self) -> str:
        """The hash of ``fingerprint_inputs``."""
        return ids.fingerprint(self.fingerprint_inputs)


def as_labels(found: pl.DataFrame) -> pl.DataFrame:
    """``found`` with all columns of ``LABEL_SCHEMA``: those that it lacks are null, and ``row`` is
    the number of the row, from 0."""
    rows = found if "row" in found.columns else found.with_columns(row=pl.int_range(pl.len()))
    lacking = [pl.lit(None).alias(name) for name in LABEL_SCHEMA if name not in rows.columns]
    return rows.with_columns(lacking).select(LABEL_SCHEMA.names()).cast(LABEL_SCHEMA)


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


def find_labels(workspace: Workspace, source: str) -> SourceLabels | None:
    """The labels of ``source``; None where it has none here.

    Raises:
        CorruptPart, NewerSchema: naming the first part that cannot be read.
    """
    for _ in range(_TRIES - 1):
        try:
            return _find_once(workspace, source)
        except StorageError:
            continue
    return _find_once(workspace, source)


def read_labels(workspace: Workspace, source: str) -> pl.DataFrame:
    """The rows of :func:`require_labels_of`; raises as that."""
    return require_labels_of(workspace, source).rows


def require_labels_of(workspace: Workspace, source: str) -> SourceLabels:
    """The labels of ``source``.

    Raises:
        WorkspaceError: it has none here.
        CorruptPart, NewerSchema: naming the first part that cannot be read.
    """
    found = find_labels(workspace, source)
    if found is None:
        known = label_sources(workspace)
        raise WorkspaceError(
            f"{workspace.store} has no labels of {source!r}.{did_you_mean(source, known)}",
            hint=f"labels are here of: {', '.join(known) or 'no source'}; a dataset brings them "
            "when it is ingested, and `synpic study export --to labels` writes those of a study",
        )
    return found


@contextmanager
def changing_labels(workspace: Workspace, source: str) -> Iterator[None]:
    """Around reading the labels of ``source`` and writing others in their place.

    Of two processes of one machine, the second one reads what the first has written.

    Raises:
        WorkspaceError: another process has been changing them for long.
    """
    with alone(workspace.store, f"labels/{source}"):
        yield


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


def _find_once(workspace: Workspace, source: str) -> SourceLabels | None:
    part = label_part(workspace, source)
    if part is None:
        return None
    note = workspace.part_metadata(part)
    rows = workspace.read([part], tables.LABELS)
    return SourceLabels(
        source=source,
        part=part,
        fingerprint_inputs=note.fingerprint_inputs,
        left_out=note.left_out,
        rows=rows.sort("row", "left", "right", "question", "rater", maintain_order=True),
    )
