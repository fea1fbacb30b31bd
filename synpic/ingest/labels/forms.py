"""What a layout of labels is, and the tables between a source's columns and ``tables.LABELS``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl
import pyarrow as pa

from synpic.readers.text import At

__all__ = [
    "COMPARED",
    "LOCATED",
    "PERSON",
    "RATED",
    "REWARD",
    "FoundLabels",
    "LabelLayout",
    "Read",
]

PERSON, REWARD = "person", "reward"

_GIVEN: Mapping[str, Any] = {
    "question": pl.String,
    "n": pl.Int32,
    "rater": pl.String,
    "kind": pl.String,
    "group": pl.String,
}

COMPARED: Mapping[str, Any] = {
    "nth": pl.Int64,
    "left": pl.Int32,
    "right": pl.Int32,
    "share": pl.Float64,
    **_GIVEN,
}
"""Two images of a row, compared:

- ``nth``: the row in its file, from 0
- ``left``, ``right``: which of the row's images, by the order of columns or of a list, from 0
- ``share``, ``question``, ``n``, ``rater``, ``kind``, ``group``: as in ``tables.LABELS``
"""

RATED: Mapping[str, Any] = {
    "nth": pl.Int64,
    "which": pl.Int32,
    "list": pl.String,
    "column": pl.String,
    "value": pl.Float64,
    **_GIVEN,
}
"""One image of a row with its value in a list, whose pairs are labels:

- ``which``: of the row's images
- ``list``: what the images of a list have in common; null where the list is the row
- ``column``: where its value stands, for messages
- ``value``: the higher, the better; null: not rated
"""

LOCATED: Mapping[str, Any] = {
    "left": pl.Int64,
    "right": pl.Int64,
    "row": pl.Int64,
    "share": pl.Float64,
    **_GIVEN,
}
"""Two images of a source, by their numbers in what was found, compared in a ``row`` of it."""

Read = Callable[[pa.Table, At], pl.DataFrame]
"""Columns of a file, and the place of a row for messages → rows of ``COMPARED`` or ``RATED``.

Raises ``KeyError`` where a column is not there, ``IngestError`` where one holds no labels."""


@dataclass(frozen=True)
class LabelLayout:
    """How a dataset has labels.

    Args:
        name: what it is called.
        columns: those that are read.
        read: them → ``COMPARED``; where ``rated``, ``RATED``.
    """

    name: str
    columns: Sequence[str]
    read: Read = field(repr=False)
    rated: bool = False


@dataclass(frozen=True)
class FoundLabels:
    """The labels of a source.

    Args:
        layout: the name of their layout.
        rows: columns of ``LOCATED``, in the order of the source.
    """

    layout: str
    rows: pl.DataFrame
