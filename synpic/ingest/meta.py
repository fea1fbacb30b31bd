"""What a source says of a prompt beside its images: kept in ``prompts.parquet`` as ``meta_<name>``.

Only texts, numbers and booleans are kept. Of a prompt that stands in several rows, a value is kept
where all of them say the same: a label of one pair says nothing of the prompt.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from synpic.errors import IngestError
from synpic.readers.text import fault_of

__all__ = ["kept_values", "prompt_columns"]

_META = "meta_"

_MOST = 256
"""Columns: objects whose keys are data would make thousands."""

_INT64 = 1 << 63


def kept_values(
    row: Mapping[str, Any], keep: Sequence[str] | None, used: Iterable[str] = ()
) -> str | None:
    """The values of ``row`` that can be kept, as a JSON object; None where there is none.

    Args:
        row: what the source says of an image.
        keep: the recipe's: these names alone; all of them if None.
        used: names that are something else: the prompt, a model.
    """
    names = keep if keep is not None else [name for name in row if name not in set(used)]
    found = {name: row[name] for name in names if name in row and _is_kept(name, row[name])}
    return json.dumps(found, ensure_ascii=False, sort_keys=True) if found else None


def prompt_columns(rows: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """``meta_<name>`` → ``prompt_id`` and that column, of the prompts that have it.

    Args:
        rows: of an index: ``prompt_id`` and ``meta``, as :func:`kept_values` gives it.

    Raises:
        IngestError: there are too many names.
    """
    told = rows.drop_nulls("meta").unique(["prompt_id", "meta"], maintain_order=True)
    values: dict[str, dict[str, Any]] = {}
    for prompt_id, written in told.select("prompt_id", "meta").iter_rows():
        for name, value in json.loads(written).items():
            there = values.setdefault(name, {})
            same = prompt_id not in there or _same(there[prompt_id], value)
            there[prompt_id] = value if same else None
        if len(values) > _MOST:
            raise IngestError(
                f"the images bring more than {_MOST} names of values, {list(values)[-1]!r:.60} "
                "among them",
                hint='name those to keep beside prompts: keep = ["…"] in [ingest]; [] keeps none',
            )
    columns: dict[str, pl.DataFrame] = {}
    for name in sorted(values):
        column = name if name.startswith(_META) else _META + name
        held = {id_: value for id_, value in values[name].items() if value is not None}
        if held and column not in columns:
            columns[column] = pl.DataFrame(
                {"prompt_id": list(held), column: _series(list(held.values()))}
            )
    return columns


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)


def _is_kept(name: object, value: Any) -> bool:
    if not isinstance(name, str) or not name or fault_of(name) is not None:
        return False
    if isinstance(value, str):
        return fault_of(value) is None
    return isinstance(value, bool | int | float)


def _series(values: list[Any]) -> pl.Series:
    """Values of one type as they are, whole numbers and others as numbers, all else as text."""
    kinds = set(map(type, values))
    if kinds == {bool}:
        return pl.Series(values, dtype=pl.Boolean)
    if kinds == {int} and all(-_INT64 <= one < _INT64 for one in values):
        return pl.Series(values, dtype=pl.Int64)
    if float in kinds and kinds <= {int, float}:
        return pl.Series([float(one) for one in values], dtype=pl.Float64)
    texts = [one if isinstance(one, str) else json.dumps(one) for one in values]
    return pl.Series(texts, dtype=pl.String)
