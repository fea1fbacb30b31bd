"""Prompts in a column of a file: CSV, TSV, JSON and Parquet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import BinaryIO

import pyarrow as pa

from synpic.errors import PromptError
from synpic.prompts.columns import arrange, choose, table_of
from synpic.readers.tables import open_table

__all__ = ["read_table"]


def read_table(
    stream: BinaryIO, where: str, column: str | None, keep: Sequence[str] | None
) -> Iterator[pa.Table]:
    """Tables of a file; of Parquet, columns that are not kept are not read.

    Args:
        stream: stays open meanwhile.
        where: the file's name, which says what kind of table it is.
        column, keep: of the recipe.

    Raises:
        PromptError: it is no such file, lacks a column, or has one that cannot be kept; with the
            line or row.
    """
    table = open_table(stream, where, error=PromptError)
    if not table.columns:
        return
    columns = choose(table.columns, column, keep, where)
    for batch in table.batches(columns.names):
        if isinstance(batch.values, pa.Table):
            yield arrange(batch.values, columns, where, batch.at)
        else:
            yield table_of(batch.values, columns, where, batch.at)
