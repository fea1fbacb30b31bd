"""Prompts of several workspaces as one table, or the source that has all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from synpic.ingest import IngestedImages
from synpic.pipeline.merge.source import Clash, Source
from synpic.readers.display import count

__all__ = ["JoinedPrompts", "join_prompts", "some_ids", "widest_index"]

_EXAMPLES = 3
"""How many ids a clash names."""


@dataclass(frozen=True)
class JoinedPrompts:
    """The prompts of all workspaces, each once.

    Args:
        table: the columns of ``prompts.parquet``.
        of: the workspace that has all of them by itself, the first one; None where none has.
    """

    table: pa.Table
    of: Source | None


def join_prompts(sources: Sequence[Source]) -> tuple[JoinedPrompts, list[Clash]]:
    """The union by ``prompt_id``, in the order of the workspaces, and what differs.

    A column that one workspace lacks is filled from those that have it. Where a prompt is from
    (``source``) may differ: the first one stands. The order of workspaces decides the order of
    prompts, and nothing else.
    """
    clashes: list[Clash] = []
    first, *others = sources
    joined = first.inventory.prompts
    fields = {field.name: field for field in first.inventory.prompt_table.table.schema}
    owners = dict.fromkeys(joined.columns, first.name)
    # Of every value, which workspace has it; a null, where none has the column for that prompt.
    said = _said(joined, 0)
    for number, source in enumerate(others, 1):
        rows = source.inventory.prompts
        for field in source.inventory.prompt_table.table.schema:
            known = fields.setdefault(field.name, field)
            owner = owners.setdefault(field.name, source.name)
            # A column without any value fits every type.
            if pa.types.is_null(field.type) and field.name in joined.columns:
                rows = rows.cast({field.name: joined.schema[field.name]})
            elif pa.types.is_null(known.type):
                fields[field.name], owners[field.name] = field, source.name
                if field.name in joined.columns:
                    joined = joined.cast({field.name: rows.schema[field.name]})
            elif joined.schema.get(field.name, rows.schema[field.name]) != rows.schema[field.name]:
                clashes.append(
                    Clash(
                        "prompts",
                        f"column {field.name}: {known.type} in {owner}, {field.type} in "
                        f"{source.name}",
                    )
                )
                rows = rows.drop(field.name)
        clashes += _differences(joined, said, rows, [one.name for one in sources], number)
        joined, said = _union(joined, rows), _union(said, _said(rows, number))
    whole = (
        source
        for source in sources
        if source.inventory.prompts.height == joined.height
        and set(source.inventory.prompts.columns) == set(joined.columns)
    )
    of = next(whole, None)
    if of is not None:
        return JoinedPrompts(of.inventory.prompt_table.table, of), clashes
    schema = pa.schema([fields[name] for name in joined.columns])
    return JoinedPrompts(joined.to_arrow().cast(schema), None), clashes


def widest_index(sources: Sequence[Source]) -> tuple[Source | None, list[Clash]]:
    """Of workspaces of images that exist already, the one whose index has all images of the others.

    None where images are drawn.
    """
    indexes = [
        (source, model.index.rows)
        for source in sources
        for model in source.inventory.models
        if isinstance(model, IngestedImages)
    ]
    if not indexes:
        return None, []
    widest, rows = max(indexes, key=lambda one: one[1].height)
    keys = ["candidate_id", "model", "sample"]
    for source, theirs in indexes:
        missing = theirs.join(rows, on=keys, how="anti")["candidate_id"]
        if len(missing):
            return widest, [
                Clash(
                    "ingest",
                    f"{count(len(missing), 'image')} of {source.name} {_are(len(missing))} not in "
                    f"the index of {widest.name}, or with another model or sample: "
                    f"{some_ids(missing.to_list())}",
                )
            ]
    return widest, []


def _said(rows: pl.DataFrame, number: int) -> pl.DataFrame:
    """``prompt_id``, and the number of a workspace below each column that is compared."""
    named = [pl.lit(number, pl.Int32).alias(n) for n in rows.columns if n not in _FREE]
    return rows.select("prompt_id", *named)


def _differences(
    joined: pl.DataFrame,
    said: pl.DataFrame,
    rows: pl.DataFrame,
    names: Sequence[str],
    number: int,
) -> list[Clash]:
    """What ``rows``, of the workspace ``number``, say otherwise than one before it."""
    found = []
    for column in [n for n in rows.columns if n in joined.columns and n not in _FREE]:
        both = (
            joined.select("prompt_id", before=column)
            .join(said.select("prompt_id", by=column), on="prompt_id", maintain_order="left")
            .join(rows.select("prompt_id", now=column), on="prompt_id", maintain_order="left")
        )
        differ = both.filter(
            pl.col("by").is_not_null() & pl.col("before").ne_missing(pl.col("now"))
        )
        for by in differ["by"].unique(maintain_order=True):
            some = differ.filter(pl.col("by") == by)
            ids = some["prompt_id"].to_list()
            first, second = names[by], names[number]
            before, now = some["before"][0], some["now"][0]
            found.append(
                Clash(
                    "prompts",
                    f"{column} of {count(len(ids), 'prompt')} differs in {first} and {second}: "
                    f"{some_ids(ids)}; of the first, {before!r:.60} in {first}, {now!r:.60} in "
                    f"{second}",
                )
            )
    return found


_FREE = ("prompt_id", "prompt", "source")


def _union(one: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    """All rows of both; a null of ``one`` is filled from the row of ``other``."""
    numbered = {name: str(number) for number, name in enumerate(other.columns)}
    theirs = other.select("prompt_id", *(pl.col(n).alias(at) for n, at in numbered.items()))
    known = one.join(theirs, on="prompt_id", how="left", maintain_order="left")
    values = {
        name: pl.coalesce(name, at) if name in one.columns else pl.col(at)
        for name, at in numbered.items()
    }
    known = known.with_columns(**values).select(*dict.fromkeys([*one.columns, *values]))
    added = other.join(one, on="prompt_id", how="anti", maintain_order="left")
    return pl.concat([known, added], how="diagonal")


def some_ids(ids: Sequence[str]) -> str:
    """The first of ``ids``, as a clash names them."""
    return ", ".join(ids[:_EXAMPLES]) + (", …" if len(ids) > _EXAMPLES else "")


def _are(number: int) -> str:
    return "is" if number == 1 else "are"
