"""Rows and pixels → Parquet shards: which rows go where, and one shard's bytes.

The plan is made first, from sizes alone, because a shard's name says how many there are. Then each
shard can be packed by itself, with the pixels of one row group in memory. A shard's bytes follow
from its rows: no clock, no order of parts.

Images are left uncompressed and cut into pages by content (``use_content_defined_chunking``), so
that storage which splits files by content sends again only what a new release changed. Row groups
are small because a reader fetches whole ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any, BinaryIO

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from synpic.publish.table.features import IMAGE, arrow_schema
from synpic.publish.table.records import ConfigRows
from synpic.workspace import tables

__all__ = ["Limits", "ShardFile", "count_rows", "plan_shards", "write_shard"]

Read = Callable[[Sequence[tuple[str, str]]], list[bytes]]
"""(candidate_id, sha256) pairs → encoded images, in that order, each known to be the one."""

_ROOM = 0.99
"""Of a row group's limit, what rows may fill; the rest is for page headers and statistics."""


@dataclass(frozen=True)
class Limits:
    """How large things get.

    Args:
        shard_bytes: a shard's target.
        shards: about how many there may be in a release: the target rises to hold to it.
        group_rows, group_bytes: the most that a row group holds; one row may be larger.
    """

    shard_bytes: int = 500_000_000
    shards: int = 80
    group_rows: int = 100
    group_bytes: int = 100_000_000


@dataclass(frozen=True)
class ShardFile:
    """One file to be.

    Args:
        path: ``ranked/train-00000-of-00007.parquet``.
        split: whose rows these are.
        records: its config, with this shard's rows only and without ``split``.
        groups: how many rows each row group takes.
        bytes: about how large it is before compression.
    """

    path: str
    split: str
    records: ConfigRows
    groups: tuple[int, ...]
    bytes: int

    @property
    def schema(self) -> pa.Schema:
        """The schema of the file."""
        return arrow_schema(self.records.rows.schema, self.records.images)


def plan_shards(
    configs: Iterable[ConfigRows], splits: Sequence[str], limits: Limits
) -> list[ShardFile]:
    """Cut every split of every config into shards and row groups, in order, but for empty ones."""
    pieces: list[tuple[ConfigRows, str, pl.Series]] = []
    for records in configs:
        for split in splits:
            rows = records.rows.filter(pl.col("split") == split).drop("split")
            if rows.height:
                piece = ConfigRows(records.config, rows, records.images)
                pieces.append((piece, split, _row_bytes(rows)))
    total = sum(int(sizes.sum()) for _, _, sizes in pieces)
    target = max(limits.shard_bytes, -(-total // limits.shards))
    shards: list[ShardFile] = []
    for records, split, sizes in pieces:
        cuts = _cut(sizes, sizes.len(), target)
        start = 0
        for number, count in enumerate(cuts):
            mine = sizes.slice(start, count)
            shards.append(
                ShardFile(
                    f"{records.config}/{split}-{number:05d}-of-{len(cuts):05d}.parquet",
                    split,
                    ConfigRows(records.config, records.rows.slice(start, count), records.images),
                    tuple(_cut(mine, limits.group_rows, int(limits.group_bytes * _ROOM))),
                    int(mine.sum()),
                )
            )
            start += count
    return shards


def count_rows(
    shards: Sequence[ShardFile], on_progress: Callable[[int, int], None] | None
) -> Callable[[int], None]:
    """What :func:`write_shard` reports for each row group, so that ``on_progress`` gets all.

    Args:
        on_progress: called with rows written and rows in all; None: no calls.
    """
    total = sum(shard.records.rows.height for shard in shards)
    done = 0

    def on_rows(rows: int) -> None:
        nonlocal done
        done += rows
        if on_progress:
            on_progress(done, total)

    return on_rows


def write_shard(
    shard: ShardFile, read: Read, stream: BinaryIO, on_rows: Callable[[int], None] | None = None
) -> None:
    """Pack ``shard`` into ``stream``, a row group at a time.

    Args:
        read: where pixels come from.
        on_rows: called with the number of rows written, after each row group.

    Raises:
        SynpicError: as ``read`` does.
    """
    schema = shard.schema
    leaves = tables.leaves(schema)
    pixels = {
        name if kind != IMAGE else f"{name}.bytes" for name, kind in shard.records.images.items()
    }
    compression: Any = {leaf: "none" if leaf in pixels else "zstd" for leaf in leaves}
    small = [leaf for leaf in leaves if leaf not in pixels]
    with pq.ParquetWriter(
        stream,
        schema,
        compression=compression,
        use_dictionary=small,
        write_statistics=small,
        write_page_index=True,
        use_content_defined_chunking=True,
    ) as writer:
        start = 0
        for count in shard.groups:
            rows = shard.records.rows.slice(start, count)
            writer.write_table(
                _with_pixels(rows, shard.records, schema, read), row_group_size=count
            )
            start += count
            if on_rows:
                on_rows(count)


def _with_pixels(
    rows: pl.DataFrame, records: ConfigRows, schema: pa.Schema, read: Read
) -> pa.Table:
    """``rows`` with images in place of references."""
    references = {name: rows[name].to_list() for name in records.images}
    wanted = sorted(
        {
            (one["candidate_id"], one["sha256"])
            for column in references.values()
            for one in column
            if one is not None
        }
    )
    found = dict(zip(wanted, read(wanted), strict=True)) if wanted else {}
    plain = rows.drop(list(records.images)).to_arrow()
    columns: list[Any] = []
    for field in schema:
        if field.name not in records.images:
            columns.append(plain.column(field.name).cast(field.type))
            continue
        column = rows[field.name]
        pixels = _binaries(
            [one and found[one["candidate_id"], one["sha256"]] for one in references[field.name]]
        )
        if field.type == IMAGE:
            paths = column.struct.field("path").to_arrow().cast(pa.string())
            absent = column.is_null().to_arrow()
            pixels = pa.StructArray.from_arrays([pixels, paths], fields=list(IMAGE), mask=absent)
        columns.append(pixels)
    return pa.Table.from_arrays(columns, schema=schema)


def _binaries(values: Sequence[bytes | None]) -> pa.Array:
    """``values`` as one column, copied once. (``pa.array`` imports pandas, which takes half a
    second.)"""
    offsets = np.zeros(len(values) + 1, np.int32)
    np.cumsum([len(one or b"") for one in values], out=offsets[1:])
    present = pl.Series([one is not None for one in values], dtype=pl.Boolean).to_arrow()
    _, validity = present.buffers()
    data = pa.py_buffer(b"".join(one or b"" for one in values))
    buffers = [validity, pa.py_buffer(offsets), data]
    return pa.Array.from_buffers(pa.binary(), len(values), buffers)


def _cut(sizes: pl.Series, rows: int, most: int) -> list[int]:
    """Cut a run of rows into pieces of at most ``rows`` rows and ``most`` bytes: their lengths.

    A row larger than ``most`` is a piece by itself.
    """
    pieces: list[int] = []
    count = held = 0
    for size in sizes:
        if count and (count == rows or held + size > most):
            pieces.append(count)
            count = held = 0
        count, held = count + 1, held + size
    return [*pieces, count] if count else pieces


def _row_bytes(rows: pl.DataFrame) -> pl.Series:
    """About how many bytes each row takes, uncompressed; pixels are counted exactly."""
    return rows.select(
        reduce(add, [_bytes_of(name, dtype) for name, dtype in rows.schema.items()]).alias("bytes")
    )["bytes"]


def _bytes_of(name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if isinstance(dtype, pl.Struct):
        path = column.struct.field("path").str.len_bytes().cast(pl.Int64)
        return (column.struct.field("size") + path).fill_null(0) + 8
    if isinstance(dtype, pl.List) and dtype.inner == pl.String():
        texts = column.list.eval(pl.element().str.len_bytes().cast(pl.Int64) + 8)
        return texts.list.sum().fill_null(0) + 8
    if isinstance(dtype, pl.List):
        return column.list.len().cast(pl.Int64) * 8 + 8
    if dtype == pl.String():
        return column.str.len_bytes().cast(pl.Int64).fill_null(0) + 8
    return pl.lit(8, pl.Int64)
