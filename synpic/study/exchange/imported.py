"""Answers of others to a study that was exported: read, and written as labels of the workspace."""

from __future__ import annotations

from pathlib import Path

from pydantic import RootModel

from synpic import ids
from synpic.errors import WorkspaceError
from synpic.readers.json_models import parse_json, validate
from synpic.study.definition import Study
from synpic.study.exchange.argilla import ArgillaRecord, labels_of_argilla
from synpic.study.exchange.labels import WrittenLabels
from synpic.study.exchange.rapidata import RapidataResults, labels_of_rapidata
from synpic.workspace import Workspace
from synpic.workspace.labels import write_labels

__all__ = ["Answers", "import_answers"]


class Answers(RootModel[list[ArgillaRecord]]):
    """The records of an Argilla dataset."""


def import_answers(
    workspace: Workspace, study: Study, file: Path, question: str | None = None
) -> WrittenLabels:
    """Write answers to a study as labels called ``<study>_argilla`` or ``<study>_rapidata``.

    Args:
        file: ``records.json`` of an Argilla dataset, or the results of a Rapidata order, as JSON.
        question: of a Rapidata order, which does not say it; the only one of the study if None.

    Raises:
        WorkspaceError: the file is neither, or is of another study.
        StorageError: nothing was written.
    """
    where = str(file)
    hint = "name records.json of an Argilla dataset, or the results of a Rapidata order, as JSON"
    try:
        data = file.read_bytes()
    except OSError as error:
        raise WorkspaceError(f"{where}: {error.strerror or error}", hint=hint) from error
    found = parse_json(data, where, error=WorkspaceError, hint=hint)
    if isinstance(found, list):
        kind = "argilla"
        records = validate(Answers, found, where, WorkspaceError, hint).root
        labels = labels_of_argilla(study, records, where)
    else:
        kind = "rapidata"
        results = validate(RapidataResults, found, where, WorkspaceError, hint)
        labels = labels_of_rapidata(study, results, _question(study, question), where)
    source = f"{study.name}_{kind}"
    part = None
    if not labels.is_empty():
        inputs = {"study": study.fingerprint, "from": kind, "sha256": ids.sha256(data)}
        part = write_labels(workspace, source, inputs, labels)
    return WrittenLabels(source, labels.height, part, labels["rater"].drop_nulls().n_unique(), 0)


def _question(study: Study, name: str | None) -> str:
    known = list(study.question_by_name)
    if name is None and len(known) == 1:
        return known[0]
    if name not in known:
        raise WorkspaceError(
            f"--question: Rapidata's results do not say what was asked, and study {study.name} "
            f"{'has several questions' if name is None else f'has no question {name!r}'}",
            hint=f"name one of {', '.join(known)}",
        )
    return name
