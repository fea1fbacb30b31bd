"""Labels in the samples of tars: what the JSON beside two images says of them, in any known layout.

A sample is a row: its images are named as in the tar (``chosen``, ``0``), and keys of its JSON are
its columns. Samples of one tar with images of the same names are read together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
import pyarrow as pa

from synpic.ingest.labels.choose import choose_labels, unread_labels
from synpic.ingest.labels.forms import FoundLabels, LabelLayout
from synpic.ingest.labels.locate import found_labels, locate
from synpic.ingest.labels.values import column_of_rows
from synpic.recipe import IngestSettings

__all__ = ["LabelledSample", "TarLabels"]

_IMAGES = "images"
"""What a sample's images are called as the cells of a list."""


@dataclass(frozen=True)
class LabelledSample:
    """A sample, as far as labels are concerned.

    Args:
        place: the tar and the sample, for messages.
        images: the names of its images, in order.
        values: what its JSON says.
    """

    place: str
    images: Sequence[str]
    values: Mapping[str, Any]


class TarLabels:
    """Takes the samples of one tar after another; then has the labels of all.

    Args:
        settings: the recipe's.
        used: keys of JSON that are no labels, whatever they are called.
    """

    def __init__(self, settings: IngestSettings, used: Sequence[str]) -> None:
        self._settings, self._used = settings, used
        self._images = self._samples = 0
        self._pieces: dict[str, tuple[LabelLayout, list[pl.DataFrame]]] = {}
        self._unread: dict[str, None] = {}

    def add(self, samples: Sequence[LabelledSample]) -> None:
        """Take the samples of one tar, all images of which are found, in this order.

        Raises:
            IngestError: the labels of one cannot be read; with the sample.
        """
        if self._settings.labels:
            groups: dict[tuple[str, ...], list[int]] = {}
            for number, sample in enumerate(samples):
                groups.setdefault(tuple(sample.images), []).append(number)
            first = list(_before(samples, self._images))
            for names, numbers in groups.items():
                self._read([samples[one] for one in numbers], names, numbers, first)
        self._images += sum(len(sample.images) for sample in samples)
        self._samples += len(samples)

    def found(self) -> tuple[FoundLabels | None, list[str]]:
        """All labels, None if there are none; and a sentence on keys that may be labels."""
        known = [found_labels(*one) for one in self._pieces.values()]
        there = [one for one in known if one is not None]
        notes = unread_labels(None, list(self._unread), [])
        if not there:
            return None, notes
        layout = ", ".join(one.layout for one in there)
        rows = pl.concat([one.rows for one in there]).sort("row", maintain_order=True)
        return FoundLabels(layout, rows), notes

    def _read(
        self,
        samples: Sequence[LabelledSample],
        names: Sequence[str],
        numbers: Sequence[int],
        first: Sequence[int],
    ) -> None:
        """The labels of samples whose images have these names.

        Args:
            numbers: of the samples, in their tar.
            first: of each sample of the tar, the number of its first image.
        """
        columns = list(dict.fromkeys(key for sample in samples for key in sample.values))
        layout, cells = self._layout(names, columns, samples)
        self._note(layout, columns)
        if layout is None:
            return

        def at(row: int) -> str:
            return samples[row].place

        rows = [sample.values for sample in samples]
        wanted = {name: column_of_rows(rows, name, at) for name in layout.columns}
        # Where the names of images are the labels, there is no column to count rows by.
        table = pa.table(wanted or {_IMAGES: pa.nulls(len(rows))})
        read = layout.read(table, at)
        number = pl.Series([self._samples + one for one in numbers], dtype=pl.Int64)
        read = read.with_columns(nth=number.gather(read["nth"]))
        images = pl.DataFrame(
            [
                (self._samples + one, which, first[one] + which)
                for one in numbers
                for which in range(len(names))
            ],
            schema={"nth": pl.Int64, "which": pl.Int32, "number": pl.Int64},
            orient="row",
        )
        places = dict(zip(number, samples, strict=True))
        piece = locate(read, layout, images, 0, lambda nth: places[nth].place)
        key = f"{layout.name}{cells}"
        self._pieces.setdefault(key, (layout, []))[1].append(piece)

    def _layout(
        self, names: Sequence[str], columns: Sequence[str], samples: Sequence[LabelledSample]
    ) -> tuple[LabelLayout | None, bool]:
        """The layout of labels, and whether it has something for each image in lists."""
        if len(names) != len(set(names)):
            return None, False
        named = [f"image{name}" if name.isdecimal() else name for name in names]
        of = self._settings.label_0
        of = f"image{of}" if of is not None and of.isdecimal() else of
        of = of if of in named or len(named) == 2 else None
        found = choose_labels(named, columns, label_0=of)
        if found is not None or len(names) < 2:
            return found, False
        lists = [
            name
            for name in columns
            if any(isinstance(sample.values.get(name), list) for sample in samples)
        ]
        return choose_labels([_IMAGES], lists, cells=True), True

    def _note(self, layout: LabelLayout | None, columns: Sequence[str]) -> None:
        read = {*(layout.columns if layout is not None else ()), *self._used}
        self._unread.update(dict.fromkeys(name for name in columns if name not in read))


def _before(samples: Sequence[LabelledSample], start: int) -> Sequence[int]:
    """Of each sample, the number of its first image."""
    found, number = [], start
    for sample in samples:
        found.append(number)
        number += len(sample.images)
    return found
