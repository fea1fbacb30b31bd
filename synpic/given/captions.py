"""What is written about the images of a folder: ``metadata.jsonl`` or ``.csv``, or a ``.txt`` each.

The layout of metadata is that of ``imagefolder`` of ``datasets``: a row names a file, relative to
the metadata's own folder, as ``file_name``.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from synpic.errors import GivenError, did_you_mean
from synpic.prompts.text import decode, lines
from synpic.recipe import GivenSettings

__all__ = ["METADATA", "NO_CAPTION", "PROMPTS", "Said", "choose_prompt", "parse_metadata", "said"]

METADATA = ("metadata.jsonl", "metadata.csv")

PROMPTS = ("prompt", "caption", "text")
"""What the column of prompts is usually called."""

NO_CAPTION = "there is no caption"
FOLDER = "folder"
"""A column that every image of a folder has: the folder it lies in, "" for the outermost."""


@dataclass(frozen=True)
class Said:
    """What is known of one image.

    Args:
        file: its path below the folder, with slashes.
        prompt: None where there is none.
        label: its model's name, None where nothing says it.
        problem: why the prompt cannot be had, None if it can.
    """

    file: str
    prompt: str | None
    label: str | None
    problem: str | None = None


def parse_metadata(path: str, data: bytes, settings: GivenSettings) -> list[Said]:
    """The rows of one file of metadata.

    Args:
        path: of the file, below the folder.

    Raises:
        GivenError, PromptError: it is no such file, or lacks a column; with the line.
    """
    read = _csv if path.endswith(".csv") else _jsonl
    rows = read(path, data)
    if not rows:
        return []
    columns = list(dict.fromkeys(name for _, row in rows for name in row))
    prompt = choose_prompt(columns, settings.prompt, path)
    for name in ("file_name", *(settings.model or ())):
        require(name, [*columns, FOLDER], path)
    found: list[Said] = []
    for place, row in rows:
        name = row.get("file_name")
        if not isinstance(name, str) or not name.strip():
            raise GivenError(
                f"{place}: file_name is {name!r:.60}, not the name of a file",
                hint="a row names its image, relative to the folder of the metadata",
            )
        file = (PurePosixPath(path).parent / name).as_posix()
        found.append(said(file, row.get(prompt), row, settings))
    return found


def said(file: str, prompt: Any, row: dict[str, Any], settings: GivenSettings) -> Said:
    """One image with its ``prompt``, whatever is written there."""
    row = {FOLDER: PurePosixPath(file).parent.as_posix().removeprefix("."), **row}
    labels = [str(row[name]) for name in settings.model or () if row.get(name) not in (None, "")]
    label = labels[0] if labels else None
    if prompt is not None and not isinstance(prompt, str):
        return Said(file, None, label, "its caption is not text")
    if prompt is None or not prompt.strip():
        return Said(file, None, label, NO_CAPTION)
    try:
        prompt.encode()
    except UnicodeEncodeError:
        return Said(file, None, label, "its caption has half of a surrogate pair")
    return Said(file, prompt, label)


def choose_prompt(columns: Sequence[str], asked: str | None, where: str) -> str:
    """The column that holds prompts.

    Raises:
        GivenError: there is none.
    """
    if asked is not None:
        return require(asked, columns, where)
    for name in PROMPTS:
        if name in columns:
            return name
    raise GivenError(
        f"{where}: there is no column {', '.join(PROMPTS[:-1])} or {PROMPTS[-1]}",
        hint=f'it has: {", ".join(columns)}; name the prompt\'s: prompt = "…" in [given], or '
        "--prompt-column",
    )


def require(name: str, columns: Sequence[str], where: str) -> str:
    """``name``, which is one of ``columns``.

    Raises:
        GivenError: it is not.
    """
    if name not in columns:
        raise GivenError(
            f"{where}: there is no column {name!r}.{did_you_mean(name, columns)}",
            hint=f"it has: {', '.join(columns) or 'none'}",
        )
    return name


def _jsonl(path: str, data: bytes) -> list[tuple[str, dict[str, Any]]]:
    rows: list[tuple[str, dict[str, Any]]] = []
    for number, line in enumerate(lines(data, path), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise GivenError(f"{path}:{number}: not JSON: {error}", hint=_EXAMPLE) from error
        if not isinstance(row, dict):
            raise GivenError(
                f"{path}:{number}: a JSON {type(row).__name__}, not an object", hint=_EXAMPLE
            )
        rows.append((f"{path}:{number}", row))
    return rows


_EXAMPLE = 'every line is one object: {"file_name": "0001.png", "text": "a red circle"}'


def _csv(path: str, data: bytes) -> list[tuple[str, dict[str, Any]]]:
    reader = csv.DictReader(io.StringIO(decode(data, path), newline=""), strict=True)
    try:
        return [
            (f"{path}:{reader.line_num}", {name: row[name] for name in row if name is not None})
            for row in reader
        ]
    except csv.Error as error:
        raise GivenError(
            f"{path}:{reader.line_num}: not CSV: {error}",
            hint='a cell with a comma, quote or line end is written "…", a quote in it ""',
        ) from error
