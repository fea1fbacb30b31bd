"""What a source says of each prompt beside its text: the columns ``meta_<name>``."""

from __future__ import annotations

import json

import polars as pl

__all__ = ["in_published_types", "meta_columns", "with_meta", "with_position"]


def with_meta(rows: pl.DataFrame, prompts: pl.DataFrame) -> pl.DataFrame:
    """``rows`` with what the source says of each prompt, as its ``meta_<name>`` columns.

    Texts, numbers and booleans stay what they are; other values are written as JSON.

    Args:
        rows: with a column ``prompt_id``.
        prompts: as ``prompts.parquet`` has them.
    """
    meta = [_publishable(prompts[name]) for name in meta_columns(prompts)]
    if not meta:
        return rows
    columns = prompts.select("prompt_id", *meta)
    return rows.join(columns, on="prompt_id", how="left", maintain_order="left")


def with_position(rows: pl.DataFrame, prompts: pl.DataFrame) -> pl.DataFrame:
    """``rows`` with ``position``: the place of their prompt in the order of drawing, from 0.

    Args:
        rows: with a column ``prompt_id``.
        prompts: as ``prompts.parquet`` has them.
    """
    places = prompts.select("prompt_id", position=pl.int_range(pl.len(), dtype=pl.Int64))
    return rows.join(places, on="prompt_id", how="left", maintain_order="left")


def _publishable(values: pl.Series) -> pl.Series:
    """A column of prompts in a type that readers of every version know."""
    kind = values.dtype
    if kind in (pl.String(), pl.Boolean(), pl.Float32(), pl.Float64()):
        return values
    if kind == pl.Null() or isinstance(kind, pl.Categorical | pl.Enum):
        return values.cast(pl.String)
    if kind.is_integer():
        held = values.cast(pl.Int64, strict=False)
        return held if held.null_count() == values.null_count() else values.cast(pl.String)
    texts = [
        None
        if value is None
        else json.dumps(
            value.to_list() if isinstance(value, pl.Series) else value,
            ensure_ascii=False,
            sort_keys=True,
            default=str,
        )
        for value in values
    ]
    return pl.Series(values.name, texts, dtype=pl.String)


def meta_columns(rows: pl.DataFrame) -> list[str]:
    """The ``meta_<name>`` columns of ``rows``, in order."""
    return [name for name in rows.columns if name.startswith("meta_")]


def in_published_types(prompts: pl.DataFrame) -> pl.DataFrame:
    """``prompts`` with the types of published tables, but for lists and structs, which stay."""
    plain = [name for name in meta_columns(prompts) if not prompts.schema[name].is_nested()]
    return prompts.with_columns(_publishable(prompts[name]) for name in plain)
