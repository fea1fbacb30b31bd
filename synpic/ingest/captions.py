"""What is written about an image: its prompt, the name of its model, and why there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from synpic.errors import IngestError, did_you_mean
from synpic.ingest.listing import shown
from synpic.readers.text import fault_of, is_blank
from synpic.recipe import IngestSettings

__all__ = [
    "PROMPTS",
    "Said",
    "caption_problem",
    "choose_prompt",
    "said",
]

PROMPTS = ("prompt", "caption", "text")
"""What the column of prompts is usually called."""

FOLDER = "folder"
"""A column that every image of a folder has: the folder it lies in, "" for the outermost."""


@dataclass(frozen=True)
class Said:
    """What is known of one image.

    Args:
        file: its path below the folder, with slashes.
        prompt: None where there is none.
        label: its model's name, None where nothing says it.
        problem: why there is no prompt, None if there is one.
        meta: what else is kept, as :func:`synpic.ingest.meta.kept_values` gives it.
        listed: of a list of preferences, the row, and which of its images; None of others.
    """

    file: str
    prompt: str | None
    label: str | None
    problem: str | None = None
    meta: str | None = None
    listed: tuple[int, int] | None = None


def said(
    file: str,
    prompt: Any,
    row: Mapping[str, Any],
    settings: IngestSettings,
    meta: str | None = None,
) -> Said:
    """One image with its ``prompt``, whatever is written there."""
    row = {FOLDER: shown(PurePosixPath(file).parent.as_posix()).removeprefix("."), **row}
    labels = [str(row[name]) for name in settings.model or () if row.get(name) not in (None, "")]
    label = labels[0] if labels else None
    problem = caption_problem(prompt)
    return Said(file, prompt if problem is None else None, label, problem, meta)


def caption_problem(prompt: Any) -> str | None:
    """Why ``prompt`` is not one; None if it is."""
    if prompt is None:
        return "there is no caption"
    if not isinstance(prompt, str):
        return "its caption is not text"
    fault = fault_of(prompt)
    if fault is not None:
        return f"its caption has {fault.what}"
    return "there is no caption" if is_blank(prompt) else None


def choose_prompt(columns: Sequence[str], asked: str | None, where: str) -> str:
    """The column that holds prompts.

    Raises:
        IngestError: there is none.
    """
    if asked is not None:
        return require(asked, columns, where)
    for name in PROMPTS:
        if name in columns:
            return name
    raise IngestError(
        f"{where}: there is no column {', '.join(PROMPTS[:-1])} or {PROMPTS[-1]}",
        hint=f'it has: {", ".join(columns)}; name the prompt\'s: prompt = "…" in [ingest], or '
        "--prompt-column",
    )


def require(name: str, columns: Sequence[str], where: str) -> str:
    """``name``, which is one of ``columns``.

    Raises:
        IngestError: it is not.
    """
    if name not in columns:
        raise IngestError(
            f"{where}: there is no column {name!r}.{did_you_mean(name, columns)}",
            hint=f"it has: {', '.join(columns) or 'none'}",
        )
    return name
