"""Labels: which of two images of a workspace people, or others' rewards, prefer.

    labels/<source>-<fp8>/part-*.parquet

A source is the dataset that brought the images (``ingested``), or a study, by its name. Its labels
are derived from the dataset or from the study's votes: they are written whole, and a later write
replaces them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from synpic import ids
from synpic.errors import WorkspaceError, did_you_mean
from synpic.workspace import tables
from synpic.workspace.recorded import folders_of
from synpic.workspace.workspace import Workspace

__all__ = ["INGESTED", "label_folder", "label_sources", "read_labels", "write_labels"]

INGESTED = "ingested"
"""The source of labels that came with the images."""


def label_folder(source: str, fingerprint_inputs: Mapping[str, Any]) -> str:
    """Where the labels of ``source`` lie, given what decides them."""
    return f"labels/{source}-{ids.short(ids.fingerprint(fingerprint_inputs))}"


def label_sources(workspace: Workspace) -> list[str]:
    """Names of the sources that have labels here, sorted."""
    folders = [one for one in workspace.folders("labels") if workspace.parts(one)]
    return sorted({one.removeprefix("labels/").rpartition("-")[0] for one in folders})


def read_labels(workspace: Workspace, source: str) -> pl.DataFrame:
    """The labels of ``source``: columns of ``tables.LABELS``, ordered by ``row``.

    Raises:
        WorkspaceError: it has none here.
        CorruptPart, NewerSchema: naming the first part that cannot be read.
    """
    folders = folders_of(workspace, "labels", source)
    parts = [part for folder in folders for part in workspace.parts(folder)]
    if not parts:
        known = label_sources(workspace)
        raise WorkspaceError(
            f"{workspace.store} has no labels of {source!r}.{did_you_mean(source, known)}",
            hint=f"labels are here of: {', '.join(known) or 'nobody'}; a dataset brings them when "
            "it is ingested, and `synpic study export --to labels` writes those of a study",
        )
    rows = workspace.read(parts, tables.LABELS)
    return rows.sort("row", "left", "right", "question", "rater", maintain_order=True)


def write_labels(
    workspace: Workspace, source: str, fingerprint_inputs: Mapping[str, Any], labels: pl.DataFrame
) -> str:
    """Replace the labels of ``source``, and return the name of the part.

    The new part is there before the old ones go: a command that is killed between leaves both, and
    the next one that writes removes the old.

    Args:
        fingerprint_inputs: what decides them: the source and how it is read.
        labels: the columns of ``tables.LABELS``; other columns are left out.

    Raises:
        StorageError: nothing was written.
    """
    table = labels.select(tables.LABELS.names).to_arrow().cast(tables.LABELS)
    old = [p for f in folders_of(workspace, "labels", source) for p in workspace.parts(f)]
    folder = label_folder(source, fingerprint_inputs)
    note = {"source": source, "decides": dict(fingerprint_inputs)}
    written = workspace.write_part(folder, table, note)
    for part in old:
        if part != written:
            workspace.store.remove(part)
    return written
