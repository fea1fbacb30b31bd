"""The columns of published tables: Arrow types, and what ``datasets`` calls them.

Every shard carries its features in the ``huggingface`` key of its schema, and the card repeats them
in YAML. Lists are spelt ``Sequence`` in both: ``datasets`` 3 knows no ``List``, and ``datasets`` 4
and later read ``Sequence`` of a plain value as the ``List`` they would have written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import polars as pl
import pyarrow as pa

from synpic.workspace.tables import IMAGE

__all__ = ["BINARY", "IMAGE", "arrow_schema", "yaml_features"]

BINARY = pa.binary()
"""An encoded image as bare bytes, as Pick-a-Pic has it."""

_TYPES: dict[Any, pa.DataType] = {
    pl.String(): pa.string(),
    pl.Boolean(): pa.bool_(),
    pl.Int32(): pa.int32(),
    pl.Int64(): pa.int64(),
    pl.Float32(): pa.float32(),
    pl.Float64(): pa.float64(),
    pl.Datetime("ns"): pa.timestamp("ns"),
}


def arrow_schema(
    columns: Mapping[str, pl.DataType], images: Mapping[str, pa.DataType]
) -> pa.Schema:
    """The schema of a published table, with its features in the metadata.

    Args:
        columns: name → type; images have any type here.
        images: the columns that hold pixels → ``IMAGE`` or ``BINARY``.
    """
    fields = [pa.field(name, images.get(name) or _arrow(dtype)) for name, dtype in columns.items()]
    features = {field.name: _feature(field.type) for field in fields}
    note = json.dumps({"info": {"features": features}})
    return pa.schema(fields, metadata={"huggingface": note})


def yaml_features(schema: pa.Schema) -> list[dict[str, Any]]:
    """The features of ``schema`` as ``dataset_info`` in a card has them."""
    return [{"name": field.name, **_yaml(field.type)} for field in schema]


def _arrow(dtype: pl.DataType) -> pa.DataType:
    if isinstance(dtype, pl.List):
        return pa.list_(_TYPES[dtype.inner])
    return _TYPES[dtype]


def _feature(kind: pa.DataType) -> dict[str, Any]:
    if kind == IMAGE:
        return {"_type": "Image"}
    if pa.types.is_list(kind):
        return {"feature": _feature(kind.value_type), "_type": "Sequence"}
    return {"dtype": _name(kind), "_type": "Value"}


def _yaml(kind: pa.DataType) -> dict[str, Any]:
    if kind == IMAGE:
        return {"dtype": "image"}
    if pa.types.is_list(kind):
        return {"sequence": _name(kind.value_type)}
    return {"dtype": _name(kind)}


def _name(kind: pa.DataType) -> str:
    renamed = {pa.float32(): "float32", pa.float64(): "float64"}
    return renamed.get(kind, str(kind))
