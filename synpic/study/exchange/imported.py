"""Answers of others to a study that was exported: read, and written as labels of the workspace."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import polars as pl
from pydantic import RootModel

from synpic import ids
from synpic.errors import WorkspaceError
from synpic.readers.json_models import parse_json, validate
from synpic.study.definition import Study
from synpic.study.exchange.argilla import ArgillaRecord, labels_of_argilla
from synpic.study.exchange.labels import WrittenLabels, remove_all
from synpic.study.exchange.rapidata import RapidataResults, labels_of_rapidata
from synpic.workspace import Workspace
from synpic.workspace.labels import LABEL_SCHEMA, changing_labels, find_labels, write_labels

__all__ = ["Answers", "import_answers"]


class Answers(RootModel[list[ArgillaRecord]]):
    """The records of an Argilla dataset."""


def import_answers(
    workspace: Workspace, study: Study, file: Path, question: str | None = None
) -> WrittenLabels:
    """Write answers to a study as labels called ``<study>_argilla`` or ``<study>_rapidata``.

    They replace earlier answers to the same questions; those to other questions of the study stay.

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
        asked = {name for record in records for name in record.responses}
    else:
        kind = "rapidata"
        results = validate(RapidataResults, found, where, WorkspaceError, hint)
        asked = {_question(study, question)}
        (about,) = asked
        labels = labels_of_rapidata(study, results, about, where)
    # Answers to two questions may be imported at once, and are labels of one source.
    with changing_labels(workspace, f"{study.name}_{kind}"):
        return _replace(workspace, study, kind, asked, labels, ids.sha256(data))


def _replace(
    workspace: Workspace,
    study: Study,
    kind: str,
    asked: Collection[str],
    labels: pl.DataFrame,
    sha256: str,
) -> WrittenLabels:
    """Put ``labels`` in the place of earlier ones to the questions ``asked``.

    Args:
        kind: "argilla" or "rapidata".
        sha256: of the file that they are from.
    """
    source = f"{study.name}_{kind}"
    raters = labels["rater"].drop_nulls().n_unique()
    there, files = _earlier(workspace, study, source)
    kept = there.filter(~pl.col("question").is_in(list(asked)))
    replaced = there.height - kept.height
    if labels.is_empty() and not replaced:
        return WrittenLabels(source, 0, None, 0, 0, kept.height)
    if labels.is_empty() and kept.is_empty():
        return WrittenLabels(source, 0, None, 0, 0, 0, remove_all(workspace, source))
    files = {name: one for name, one in files.items() if name not in asked}
    files |= dict.fromkeys(sorted({*labels["question"]}), sha256)
    inputs = {"study": study.fingerprint, "from": kind, "files": files}
    part = write_labels(workspace, source, inputs, pl.concat([kept, labels]))
    gone = replaced if labels.is_empty() else 0
    return WrittenLabels(source, labels.height, part, raters, 0, kept.height, gone)


def _earlier(
    workspace: Workspace, study: Study, source: str
) -> tuple[pl.DataFrame, dict[str, str]]:
    """The labels of ``source``, and question → SHA-256 of the file that its answers are from.

    Raises:
        WorkspaceError: they are answers to another study of that name.
    """
    found = find_labels(workspace, source)
    if found is None:
        return pl.DataFrame(schema=LABEL_SCHEMA), {}
    inputs = found.fingerprint_inputs
    if inputs.get("study") != study.fingerprint:
        raise WorkspaceError(
            f"{workspace.store.path(found.part)} holds answers to another study that was called "
            f"{study.name}",
            hint="move that file out of the workspace; or give the new study a name of its own",
        )
    return found.rows, inputs.get("files", {})


def _question(study: Study, name: str | None) -> str:
    known = list(study.question_by_name)
    if name is None and len(known) == 1:
        return known[0]
    if name not in known:
        raise WorkspaceError(
            f"--question: Rapidata's results do not say what was asked, and study {study.name!r} "
            f"{'has several questions' if name is None else f'has no question {name!r}'}",
            hint=f"name one of {', '.join(known)}",
        )
    return name
