"""Files of metadata, in the layout of ``imagefolder`` of ``datasets``: a row names an image.

It does so as ``file_name``, relative to the file's own folder. Ranks and ratings of images beside
it are labels.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from synpic.errors import IngestError
from synpic.ingest.captions import FOLDER, Said, choose_prompt, require, said
from synpic.ingest.labels.json_lists import ListLabels
from synpic.ingest.labels.lists import LIST
from synpic.ingest.listing import shown
from synpic.readers.tables import open_table
from synpic.readers.text import fault_of, is_blank
from synpic.recipe import IngestSettings

__all__ = ["METADATA", "parse_metadata"]

METADATA = ("metadata.jsonl", "metadata.csv", "metadata.parquet")


def parse_metadata(
    path: str, data: bytes, settings: IngestSettings, labels: ListLabels
) -> list[Said]:
    """The rows of one file of metadata.

    Args:
        path: of the file, below the folder.
        labels: takes those of each row.

    Raises:
        IngestError: it is no such file, or lacks a column; with the line or row.
    """
    where = shown(path)
    table = open_table(io.BytesIO(data), where, error=IngestError)
    columns = list(table.columns)
    if not columns:
        return []
    prompt = choose_prompt(columns, settings.prompt[0] if settings.prompt else None, where)
    for name in ("file_name", *(settings.model or ())):
        require(name, [*columns, FOLDER], where)
    used = ["file_name", prompt, *(settings.model or ())]
    labelled = labels.layout(["file_name"], columns, cells=False)
    labels.note_unread(labelled, columns, used)
    read = () if labelled is None else labelled.columns
    wanted = [name for name in dict.fromkeys((*used, *read, FOLDER)) if name in table.columns]
    found: list[Said] = []
    for batch in table.batches(wanted):
        rows = batch.rows
        values = _with_numbers(rows, read) if path.endswith(".csv") else rows
        first = labels.read(values, labelled, batch.at)
        for number, row in enumerate(rows):
            file = (PurePosixPath(path).parent / _file_name(row, batch.at(number))).as_posix()
            one = said(file, row.get(prompt), row, settings)
            found.append(replace(one, listed=(first + number, 0)))
    return found


def _with_numbers(
    rows: Sequence[Mapping[str, Any]], labels: Sequence[str]
) -> list[Mapping[str, Any]]:
    """Rows of CSV, whose cells are texts, with numbers in the columns of ``labels``."""
    columns = [name for name in labels if name != LIST]
    return [{**row, **{name: _number(row[name]) for name in columns}} for row in rows]


def _number(text: str) -> float | str | None:
    try:
        return float(text) if text else None
    except ValueError:  # named where labels are read
        return text


def _file_name(row: Mapping[str, Any], place: str) -> str:
    name = row.get("file_name")
    if not isinstance(name, str) or is_blank(name):
        raise IngestError(
            f"{place}: file_name is {name!r:.60}, not the name of a file",
            hint="a row names its image, relative to the folder of the metadata",
        )
    fault = fault_of(name)
    if fault is not None:
        raise IngestError(f"{place}: file_name has {fault.what}", hint=fault.hint)
    return name
