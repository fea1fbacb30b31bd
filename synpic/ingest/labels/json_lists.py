"""The labels of files that name images: lists of preferences in JSON (HPDv2, HPDv3), metadata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
import pyarrow as pa

from synpic.ingest.labels.choose import choose_labels, unread_labels
from synpic.ingest.labels.forms import FoundLabels, LabelLayout
from synpic.ingest.labels.locate import found_labels, locate
from synpic.ingest.labels.values import column_of_rows
from synpic.readers.text import At

__all__ = ["ListLabels"]


class ListLabels:
    """Takes rows of lists; then tells which images they label.

    Args:
        wanted: whether labels are read.
    """

    def __init__(self, wanted: bool) -> None:
        self._wanted = wanted
        self._unread: dict[str, None] = {}
        self._read: list[tuple[LabelLayout, pl.DataFrame, int, int, At]] = []
        self._rows = 0

    def layout(
        self, images: Sequence[str], columns: Sequence[str], *, cells: bool
    ) -> LabelLayout | None:
        """The layout of the labels of rows; None where there are none, or none are wanted.

        Args:
            images: keys that name files.
            columns: all keys of the rows.
            cells: whether a row names its images in a list.
        """
        return choose_labels(images, columns, cells=cells) if self._wanted else None

    def note_unread(
        self, layout: LabelLayout | None, columns: Sequence[str], used: Sequence[str]
    ) -> None:
        """Note which ``columns`` may be labels and are not read; those ``used`` are none."""
        if self._wanted:
            self._unread |= dict.fromkeys(unread_labels(layout, columns, used))

    @property
    def notes(self) -> list[str]:
        """Columns that may be labels and are not read; a sentence each."""
        return list(self._unread)

    def read(self, rows: Sequence[Mapping[str, Any]], layout: LabelLayout | None, at: At) -> int:
        """Take further rows, and return the number of the first among all that were taken.

        Args:
            at: the place of a row, for messages.

        Raises:
            IngestError: a row's labels cannot be read.
        """
        first, self._rows = self._rows, self._rows + len(rows)
        if layout is not None:
            table = pa.table({name: column_of_rows(rows, name, at) for name in layout.columns})
            self._read.append((layout, layout.read(table, at), first, self._rows, at))
        return first

    def found(self, images: Sequence[tuple[int, int] | None]) -> FoundLabels | None:
        """The labels of images; None if there are none.

        Args:
            images: of each, in order, the row that names it, counted over all rows that were
                taken, and which of the row's images it is; None of others.
        """
        schema = {"number": pl.Int64, "nth": pl.Int64, "which": pl.Int32}
        named = [(number, *one) for number, one in enumerate(images) if one is not None]
        every = pl.DataFrame(named, schema=schema, orient="row")
        pieces = []
        for layout, read, first, last, at in self._read:
            mine = every.filter(pl.col("nth").is_between(first, last, closed="left"))
            there = mine.with_columns(pl.col("nth") - first)
            pieces.append((layout, locate(read, layout, _whole(there, read), first, at)))
        if not pieces:
            return None
        found = [found_labels(layout, [rows]) for layout, rows in pieces]
        known = [one for one in found if one is not None]
        if not known:
            return None
        names = dict.fromkeys(one.layout for one in known)
        return FoundLabels(", ".join(names), pl.concat([one.rows for one in known]))


def _whole(images: pl.DataFrame, read: pl.DataFrame) -> pl.DataFrame:
    """``images`` of rows that are there in full: a count of images may cut a list in two."""
    if "list" not in read.columns:
        return images
    last = images["nth"].max()
    cut = read.filter(pl.col("nth") == last)
    several = cut["which"].max()
    there = images.filter(pl.col("nth") == last).height
    if isinstance(several, int) and there < several + 1:
        return images.filter(pl.col("nth") != last)
    return images
