"""Rows of any source → ``prompts.parquet``: NFC, blank ones out, equal ones folded, ids."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from synpic import ids
from synpic.errors import PromptError
from synpic.prompts.source import PromptSource
from synpic.readers.arrow import integers, texts
from synpic.readers.display import count as count_of
from synpic.readers.text import is_blank
from synpic.workspace import tables

__all__ = ["PromptTable", "fold"]


@dataclass(frozen=True)
class PromptTable:
    """Prompts as they are stored, and how they came to be.

    Args:
        table: the columns of ``tables.PROMPTS``, then ``meta_*``; one row per distinct prompt.
        read: rows that were looked at.
        empty: of these, how many had no prompt, or one without a visible character.
        duplicates: of these, how many had the prompt of an earlier row.
        identity: what decided all of it; ``prompts.parquet`` is read anew when it changes.
    """

    table: pa.Table
    read: int
    empty: int
    duplicates: int
    identity: dict[str, Any]

    @property
    def note(self) -> dict[str, Any]:
        """The metadata of ``prompts.parquet``."""
        return {
            "read": self.read,
            "empty": self.empty,
            "duplicates": self.duplicates,
            "identity": self.identity,
        }


def fold(source: PromptSource, split: str, count: int | None) -> PromptTable:
    """The first ``count`` distinct prompts of ``source``, all of them if None.

    Args:
        split: of rows whose source names none.

    Raises:
        PromptError: no prompt is left, or the source cannot be read.
    """
    seen: set[str] = set()
    pieces: list[pa.Table] = []
    read = empty = duplicates = 0
    for batch in _until(source.batches(), seen, count):
        rows: list[int] = []
        found: list[tuple[str, str]] = []
        for row, value in enumerate(batch.column("prompt").to_pylist()):
            if count is not None and len(seen) == count:
                break
            read += 1
            if value is None or is_blank(value):
                empty += 1
                continue
            text = ids.normalise_prompt(value)
            id_ = ids.prompt_id(text)
            if id_ in seen:
                duplicates += 1
                continue
            seen.add(id_)
            rows.append(row)
            found.append((id_, text))
        pieces.append(_piece(batch.take(integers(rows)), found, split, source.name))
    if not seen:
        raise PromptError(
            f"{source.name}: no prompts ({count_of(read, 'row')}, {empty:,} of them empty)",
            hint="a recipe needs at least one prompt; check the file and its column",
        )
    # Batches of one source may differ where one of them holds nothing but nulls.
    table = pa.concat_tables(pieces, promote_options="permissive").combine_chunks()
    return PromptTable(table, read, empty, duplicates, source.identity)


def _until(batches: Iterator[pa.Table], seen: set[str], count: int | None) -> Iterator[pa.Table]:
    """``batches`` as long as prompts are wanted; the next one is not even asked for."""
    while count is None or len(seen) < count:
        batch = next(batches, None)
        if batch is None:
            return
        yield batch


def _piece(rows: pa.Table, found: list[tuple[str, str]], split: str, source: str) -> pa.Table:
    splits = rows.column("split").to_pylist() if "split" in rows.column_names else []
    sources = rows.column("source").to_pylist() if "source" in rows.column_names else []
    columns = {
        "prompt_id": [id_ for id_, _ in found],
        "prompt": [text for _, text in found],
        "split": [value or split for value in splits] or [split] * len(found),
        "source": sources or [source] * len(found),
    }
    arrays = [texts(columns[name]) for name in tables.PROMPTS.names]
    table = pa.Table.from_arrays(arrays, schema=tables.PROMPTS)
    for name in rows.column_names:
        if name.startswith("meta_"):
            table = table.append_column(name, rows.column(name))
    return table
