"""Argilla: a dataset for each question, and the answers that Argilla exports.

    DIR/<question>/.argilla/dataset.json  .argilla/settings.json  records.json

That is what ``rg.Dataset.to_disk`` writes and ``rg.Dataset.from_disk`` reads (argilla 2.8,
``argilla/datasets/_io/_disk.py``). Images are data URLs: a server takes up to 5,000,000 characters
of each.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import Field

from synpic.errors import WorkspaceError
from synpic.publish.write_shards import explain_refusals
from synpic.readers.json_models import Record
from synpic.study.definition import Study
from synpic.study.exchange.outside import (
    encoded_pair,
    pictures_of,
    require_new_folder,
    sides,
)
from synpic.study.questions import StudyQuestion
from synpic.workspace import Workspace
from synpic.workspace.labels import LABEL_SCHEMA
from synpic.workspace.whole_folder import whole_folder

__all__ = ["ArgillaRecord", "export_argilla", "labels_of_argilla"]

_ANSWERS = {
    "left": "Left is better",
    "right": "Right is better",
    "tie": "Equally good",
    "both_bad": "Both bad",
}
_SHARE = {"left": 1.0, "right": 0.0, "tie": 0.5, "both_bad": 0.5}


def export_argilla(workspace: Workspace, study: Study, target: Path) -> int:
    """Write a dataset for each question into the new folder ``target``; return how long each is.

    Raises:
        PublishError: there is something, or the disk refuses or is full.
        WorkspaceError, CorruptPart: an image is gone, or damaged.
    """
    require_new_folder(target)
    pictures = pictures_of(workspace)
    with explain_refusals(target), whole_folder(target) as folder:
        for question in study.questions:
            records = []
            for one in study.comparisons:
                left, right = encoded_pair(pictures, study, one.id)
                shown = {"left": _data_url(left), "right": _data_url(right)}
                if question.shows_prompt:
                    shown["prompt"] = study.prompts[one.prompt_id]
                records.append({"id": one.id, "fields": shown})
            place = folder / question.name
            (place / ".argilla").mkdir(parents=True)
            _write(place / ".argilla" / "dataset.json", _dataset(study, question))
            _write(place / ".argilla" / "settings.json", _settings(question))
            _write(place / "records.json", records)
    return len(study.comparisons)


class _Response(Record):
    value: Any
    user_id: str | None = None
    status: str | None = None


class ArgillaRecord(Record):
    """A record as ``dataset.records.to_json`` writes it, of which answers alone are read."""

    id: str
    responses: Mapping[str, list[_Response]] = Field(default_factory=dict)


def labels_of_argilla(study: Study, records: list[ArgillaRecord], where: str) -> pl.DataFrame:
    """The columns of ``tables.LABELS``, a row for each answer that is not a draft.

    Of several answers of one user to one question of a record, the last one counts.

    Raises:
        WorkspaceError: a record, question or answer that the study does not have.
    """
    rows: dict[tuple[str, str, str | int], dict[str, Any]] = {}
    for record in records:
        if record.id not in study.by_id:
            raise WorkspaceError(
                f"{where}: record {record.id!r} is of no comparison of study {study.name!r}",
                hint="name the study whose export was answered: --name",
            )
        left, right = sides(study, record.id)
        for question, responses in record.responses.items():
            for answer in responses:
                if answer.status not in (None, "submitted"):
                    continue
                known = isinstance(answer.value, str) and answer.value in _SHARE
                if question not in study.question_by_name or not known:
                    raise WorkspaceError(
                        f"{where}: record {record.id}: responses.{question}: value "
                        f"{answer.value!r} is no answer of study {study.name!r}",
                        hint=f"questions: {', '.join(study.question_by_name)}; answers: "
                        f"{', '.join(_SHARE)}",
                    )
                # An answer without a user is of one of its own.
                user = len(rows) if answer.user_id is None else answer.user_id
                rows[record.id, question, user] = {
                    "prompt_id": study.by_id[record.id].prompt_id,
                    "left": left.candidate_id,
                    "right": right.candidate_id,
                    "question": question,
                    "share": _SHARE[answer.value],
                    "n": 1,
                    "rater": answer.user_id,
                    "kind": "person",
                }
    numbered = [{**row, "row": number} for number, row in enumerate(rows.values())]
    return pl.DataFrame(numbered, schema=LABEL_SCHEMA)


def _dataset(study: Study, question: StudyQuestion) -> dict[str, Any]:
    return {"name": f"study-{study.name}-{question.name}", "allow_extra_metadata": False}


def _settings(question: StudyQuestion) -> dict[str, Any]:
    prompt = {
        "name": "prompt",
        "title": "Text",
        "required": True,
        "settings": {"type": "text", "use_markdown": False},
    }
    images = [
        {"name": side, "title": side.title(), "required": True, "settings": {"type": "image"}}
        for side in ("left", "right")
    ]
    asked = {
        "name": question.name,
        "title": question.text,
        "required": True,
        "settings": {
            "type": "label_selection",
            "options": [{"value": value, "text": text} for value, text in _ANSWERS.items()],
            "visible_options": len(_ANSWERS),
        },
    }
    return {
        "guidelines": "There is no right answer: look at both images.",
        "fields": [*([prompt] * question.shows_prompt), *images],
        "questions": [asked],
        "vectors": [],
        "metadata": [],
        "allow_extra_metadata": False,
        "distribution": {"strategy": "overlap", "min_submitted": 1},
    }


def _data_url(image: bytes) -> str:
    return f"data:image/webp;base64,{base64.b64encode(image).decode('ascii')}"


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
