"""Prompts of several workspaces as one table, or the source that has all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from synpic.ingest import IngestedImages
from synpic.pipeline.merge.source import Clash, Source
from synpic.readers.display import count

__all__ = ["EXAMPLES", "JoinedPrompts", "join_prompts", "widest_index"]

EXAMPLES = 3
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
    (``source``) may differ: the first one stands.
    """
    clashes: list[Clash] = []
    first, *others = sources
    joined = first.inventory.prompts
    fields = {field.name: field for field in first.inventory.prompt_table.table.schema}
    owners = dict.fromkeys(joined.columns, first.name)
    for source in others:
        rows = source.inventory.prompts
        for field in source.inventory.prompt_table.table.schema:
            known = fields.setdefault(field.name, field)
            owner = owners.setdefault(field.name, source.name)
            # A column without any value fits every type.
            if pa.types.is_null(field.type) and field.name in joined.columns:
                rows = rows.cast({field.name: joined.schema[field.name]})
            elif pa.types.is_null(known.type):
                fields[field.name] = field
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
        clashes += _differences(joined, rows, first.name, source.name)
        joined = _union(joined, rows)
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
                    f"{_some(missing.to_list())}",
                )
            ]
    return widest, []


def _differences(one: pl.DataFrame, other: pl.DataFrame, first: str, second: str) -> list[Clash]:
    columns = [n for n in other.columns if n in one.columns and n not in _FREE]
    both = one.select("prompt_id", *columns).join(
        other.select("prompt_id", *columns), on="prompt_id", suffix="_other"
    )
    found = []
    for name in columns:
        differ = both.filter(pl.col(name).ne_missing(pl.col(f"{name}_other")))
        if differ.height:
            ids = differ["prompt_id"].to_list()
            before, now = differ[name][0], differ[f"{name}_other"][0]
            found.append(
                Clash(
                    "prompts",
                    f"{name} of {count(len(ids), 'prompt')} differs in {first} and {second}: "
                    f"{_some(ids)}; of the first, {before!r:.60} in {first}, {now!r:.60} in "
                    f"{second}",
                )
            )
    return found


_FREE = ("prompt_id", "prompt", "source")


def _union(one: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    new = [name for name in other.columns if name not in one.columns]
    known = one.join(
        other.select("prompt_id", *new), on="prompt_id", how="left", maintain_order="left"
    )
    added = other.join(one, on="prompt_id", how="anti", maintain_order="left")
    return pl.concat([known, added], how="diagonal")


def _some(ids: Sequence[str]) -> str:
    return ", ".join(ids[:EXAMPLES]) + (", …" if len(ids) > EXAMPLES else "")


def _are(number: int) -> str:
    return "is" if number == 1 else "are"
