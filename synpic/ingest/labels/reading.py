"""The labels of a dataset, collected file by file."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from synpic.errors import IngestError
from synpic.ingest.columns import ImageColumns
from synpic.ingest.labels.choose import choose_labels, unread_labels
from synpic.ingest.labels.forms import FoundLabels, LabelLayout
from synpic.ingest.labels.locate import found_labels, locate
from synpic.readers.tables import rows_from
from synpic.recipe import IngestSettings

__all__ = ["ReadLabels"]


class ReadLabels:
    """What has been read of a dataset's labels.

    Args:
        layout: of them; None where there are none, or none are wanted.
        notes: columns that may be labels and are not read; a sentence each.
    """

    def __init__(self, layout: LabelLayout | None, notes: Sequence[str] = ()) -> None:
        self.layout, self.notes = layout, notes
        self._pieces: list[pl.DataFrame] = []
        self._images = 0

    @classmethod
    def of(
        cls, columns: ImageColumns, names: Sequence[str], settings: IngestSettings
    ) -> ReadLabels:
        """What to read of a dataset.

        Args:
            columns: of its images.
            names: all of its columns.
            settings: the recipe's: whether labels are wanted, and of which image ``label_0`` is.

        Raises:
            IngestError: the recipe says of which image ``label_0`` is, and there is none.
        """
        if not settings.labels:
            return cls(None)
        images = list(columns.images)
        layout = choose_labels(images, names, bool(columns.lists), settings.label_0)
        if settings.label_0 is not None and not (layout and "label_0" in layout.columns):
            raise IngestError(
                f"label_0 = {settings.label_0!r} in [ingest]: there is no column label_0 beside "
                f"two of images ({', '.join(images)})",
                hint="leave it out; it says which image label_0 is of",
            )
        used = [*images, *columns.small, *columns.keep]
        return cls(layout, unread_labels(layout, names, used))

    def add(
        self, labels: pl.DataFrame | None, images: pl.DataFrame, first: int, where: str
    ) -> None:
        """Take the labels of one file.

        Args:
            labels: as the layout reads them; None where there is none.
            images: of the file, as ``unfold`` gives them, as far as they are taken.
            first: the number of its first row in the dataset.
            where: the file, for messages.

        Raises:
            IngestError: a list has more or fewer values than images.
        """
        if labels is not None and self.layout is not None:
            numbered = images.select(
                "nth",
                pl.coalesce("element", "side").cast(pl.Int32).alias("which"),
                pl.int_range(self._images, self._images + images.height).alias("number"),
            ).cast({"nth": pl.Int64})
            at = rows_from(where, 0)
            self._pieces.append(locate(labels, self.layout, numbered, first, at))
        self._images += images.height

    def found(self) -> FoundLabels | None:
        """All labels; None if there are none."""
        if self.layout is None:
            return None
        return found_labels(self.layout, self._pieces)
