"""Pixels of candidates, by candidate id, straight from the parts they lie in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from synpic import ids
from synpic.errors import WorkspaceError
from synpic.workspace.image_places import ImagePlaces
from synpic.workspace.naming import damaged
from synpic.workspace.parts import Part, frame, open_part
from synpic.workspace.storage import Store

__all__ = ["ImageReader"]


class ImageReader:
    """Encoded images by candidate id, read in the order asked for and never all at once.

    The index holds one row per candidate; opened files are kept while they are asked for.
    """

    _OPEN_FILES = 16
    """Each holds the row group that was read last, a megabyte; to open one again takes two
    milliseconds."""

    def __init__(self, store: Store, parts: Sequence[str]) -> None:
        self._store = store
        self._parts = list(parts)
        self._open: dict[int, Part] = {}
        self._where = ImagePlaces(self._rows_of(number) for number in range(len(self._parts)))

    def __getstate__(self) -> dict[str, Any]:
        # Other processes get the index, and open the files themselves.
        return {**vars(self), "_open": {}}

    def read(self, wanted: Sequence[tuple[str, str]]) -> list[bytes]:
        """Images for (candidate_id, sha256) pairs, in that order, as encoded bytes.

        Raises:
            WorkspaceError: naming a candidate whose pixels are not there.
            CorruptPart: naming a part whose pixels are no longer what was written.
        """
        found: list[bytes] = self._gather(wanted, lambda column: column)
        for key, data in zip(wanted, found, strict=True):
            if ids.sha256(data) != key[1]:
                place = self._where.find(*key)
                assert place is not None  # its bytes were read there
                raise damaged(self._store, self._parts[place.part], f"image of {key[0]}")
        return found

    def in_order(self, wanted: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        """``wanted`` in the order in which they lie; those that are gone come last."""
        last = (len(self._parts), 0, 0)
        return sorted(wanted, key=lambda key: self._where.find(*key) or last)

    def sizes(self, wanted: Sequence[tuple[str, str]]) -> list[int]:
        """Sizes in bytes of what :meth:`read` would give, with one row group in memory at a time.

        Raises:
            WorkspaceError: naming a candidate whose pixels are not there.
        """
        return self._gather(wanted, pc.binary_length)

    def paths(self, wanted: Sequence[tuple[str, str]]) -> list[str]:
        """Names of the files that :meth:`read` would give: ``<candidate_id>.png``.

        Raises:
            WorkspaceError: naming a candidate whose pixels are not there.
        """
        return self._gather(wanted, lambda column: column, "path")

    def _gather(
        self,
        wanted: Sequence[tuple[str, str]],
        of: Callable[[pa.Array], pa.Array],
        field: str = "bytes",
    ) -> list[Any]:
        groups: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for position, key in enumerate(wanted):
            place = self._where.find(*key)
            if place is None:
                raise WorkspaceError(
                    f"candidate {key[0]}: its image is gone",
                    hint="run `synpic generate` again: it makes what is missing",
                )
            groups.setdefault(place[:2], []).append((position, place.row))
        found: dict[int, Any] = {}
        for (part, group), rows in sorted(groups.items()):
            column = of(self._group(part, group, field))
            for position, row in rows:
                found[position] = column[row].as_py()
        return [found[position] for position in range(len(wanted))]

    def _rows_of(self, number: int) -> pl.DataFrame:
        part = self._file(number)
        part.check_folder()
        rows = part.read_columns(["candidate_id", "sha256"])
        sizes = part.rows_of_groups
        return frame(rows).with_columns(
            group=pl.Series([g for g, n in enumerate(sizes) for _ in range(n)], dtype=pl.Int64),
            row=pl.Series([r for n in sizes for r in range(n)], dtype=pl.Int64),
        )

    def _group(self, part: int, group: int, field: str) -> pa.ChunkedArray:
        table = self._file(part).read_group(group, [f"image.{field}"])
        return table.column("image").combine_chunks().field(field)

    def _file(self, number: int) -> Part:
        if number not in self._open:
            if len(self._open) >= self._OPEN_FILES:
                self._open.pop(next(iter(self._open))).close()
            self._open[number] = open_part(self._store, self._parts[number])
        return self._open[number]
