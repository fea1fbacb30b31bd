"""An evaluation as files.

A report in a folder: ``report.md`` for people, ``report.json`` for programs; and ``eval.json`` in
the workspace that was evaluated. Beside each JSON lies a Parquet file of the same name with the
value of each image, by which two evaluations are compared prompt by prompt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from synpic.errors import EvaluationError, StorageError
from synpic.evaluate.evaluation import Evaluation
from synpic.evaluate.tables import TextTable, markdown, markdown_table
from synpic.release.cards.markdown import markdown_text
from synpic.workspace import Workspace
from synpic.workspace.evaluation_values import (
    VALUES,
    VALUES_BESIDE,
    encode_values,
    values_beside,
)
from synpic.workspace.evaluations import EVALUATION, REPORT, encode_evaluation
from synpic.workspace.whole_folder import whole_folder

__all__ = ["PAGE", "Appendix", "record_evaluation", "require_room", "whole_dict", "write_report"]

PAGE = "report.md"


def require_room(folder: Path, *, overwrite: bool) -> None:
    """Refuse a place where a report cannot be written without harm.

    Args:
        overwrite: whether a report that is there is replaced.

    Raises:
        EvaluationError: a file, another folder, or a report lies there.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise EvaluationError(f"--to {folder}: it is a file", hint="name a folder")
    others = {one.name for one in folder.iterdir()} - {PAGE, REPORT, *VALUES_BESIDE}
    if others:
        raise EvaluationError(
            f"--to {folder}: it holds {min(others)}, which is of no report",
            hint="name a new folder",
        )
    if any(folder.iterdir()) and not overwrite:
        raise EvaluationError(
            f"--to {folder}: there is a report already",
            hint="name another folder, or add --overwrite",
        )


@dataclass(frozen=True)
class Appendix:
    """What stands beside the comparison of models: a distance from references, say.

    Args:
        name: the key in JSON.
        title: for people.
        table: with a row for each model.
        notes: how to read it.
        values: the rows, for JSON.
    """

    name: str
    title: str
    table: TextTable
    notes: Sequence[str]
    values: Sequence[Mapping[str, Any]]


def whole_dict(found: Evaluation, appendices: Sequence[Appendix] = ()) -> dict[str, Any]:
    """All of it, for JSON: of the values of single images, their hash alone."""
    beside = {one.name: [dict(row) for row in one.values] for one in appendices}
    return found.as_dict() | beside | {"values": _encoded_values(found)[1]}


def _encoded_values(found: Evaluation) -> tuple[bytes, str]:
    tables = [one.values for one in found.measures if one.values is not None]
    return encode_values(pa.concat_tables(tables) if tables else VALUES.empty_table())


def write_report(found: Evaluation, folder: Path, appendices: Sequence[Appendix] = ()) -> None:
    """Write its files: whole, or not at all.

    Args:
        appendices: what follows the comparison.

    Raises:
        StorageError: the disk is full, or refuses.
    """
    try:
        with whole_folder(folder) as making:
            parts = [markdown(found)]
            for one in appendices:
                notes = [markdown_text(note) for note in one.notes]
                parts += [f"## {one.title}\n", markdown_table(one.table, ["model"]) + "\n", *notes]
            (making / PAGE).write_text("\n".join(parts).rstrip() + "\n", "utf-8")
            (making / REPORT).write_bytes(encode_evaluation(whole_dict(found, appendices)))
            (making / values_beside(REPORT)).write_bytes(_encoded_values(found)[0])
    except OSError as error:
        raise StorageError(
            f"{folder}: the report cannot be written: {error}",
            hint="name a folder on a disk with room that you may write to",
        ) from error


def record_evaluation(
    found: Evaluation, workspace: Workspace, appendices: Sequence[Appendix] = ()
) -> bool:
    """Leave ``eval.json`` and ``eval.parquet`` in the workspace that was evaluated.

    Args:
        appendices: what stands beside the comparison.
        workspace: in one without writing, the file on the disk stays as it is.

    Returns:
        Whether they were written; False where both say the same already.

    Raises:
        StorageError: the disk is full, or refuses.
    """
    store = workspace.store
    files = {
        values_beside(EVALUATION): _encoded_values(found)[0],
        EVALUATION: encode_evaluation(whole_dict(found, appendices)),
    }
    if all(store.exists(name) and store.read(name) == data for name, data in files.items()):
        return False
    for name, data in files.items():
        store.write(name, data)
    return True
