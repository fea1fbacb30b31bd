"""The value of each image in an evaluation: ``eval.parquet`` beside ``eval.json``.

What two evaluations of the same prompts need to be compared prompt by prompt.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import polars as pl
import pyarrow as pa

from synpic.errors import SynpicError
from synpic.workspace import tables
from synpic.workspace.evaluations import (
    EVALUATION,
    REPORT,
    RecordedEvaluation,
    evaluation_file,
)
from synpic.workspace.parts import frame, open_bytes
from synpic.workspace.storage import Store

__all__ = ["VALUES", "VALUES_BESIDE", "encode_values", "read_values", "values_beside"]

VALUES = pa.schema(
    [
        ("metric", pa.string()),
        ("model", pa.string()),
        ("prompt_id", pa.string()),
        ("nth", pa.int32()),
        ("unit", pa.string()),
        ("tag", pa.string()),
        ("value", pa.float64()),
    ]
)
"""A row for each image that was to be compared: by which metric, of which model, the nth of its
prompt; what is independent of others (its prompt, or a combination of things); the tag that it
counts in; and its value, null where it has none."""


def values_beside(name: str) -> str:
    """The file of values beside one of an evaluation: ``eval.parquet`` of ``eval.json``."""
    return name.removesuffix(".json") + ".parquet"


VALUES_BESIDE = (values_beside(EVALUATION), values_beside(REPORT))
"""Of a workspace, and of a report."""


def encode_values(table: pa.Table) -> tuple[bytes, str]:
    """``table`` as a file, and the SHA-256 by which the evaluation knows it."""
    data = tables.encode_part(table.cast(VALUES), {"holds": "values of an evaluation"})
    return data, hashlib.sha256(data).hexdigest()


def read_values(place: Path, found: RecordedEvaluation) -> tuple[pl.DataFrame | None, str]:
    """The values of an evaluation.

    Args:
        place: what it was read from: the file, or the folder that holds it.
        found: what was read.

    Returns:
        Its rows; or None, and why there are none.

    Raises:
        EvaluationError: ``place`` is a folder without an evaluation.
    """
    if found.values is None:
        return None, f"{place}: it was written without values of single prompts"
    file = evaluation_file(place)
    beside = file.with_name(values_beside(file.name))
    try:
        data = beside.read_bytes()
    except FileNotFoundError:
        return None, f"{beside}: there is no such file, which has values of single prompts"
    except OSError as error:
        return None, f"{beside}: it cannot be read: {error.strerror or error}"
    if hashlib.sha256(data).hexdigest() != found.values:
        return None, f"{beside}: it is not what was written with the evaluation"
    try:
        with open_bytes(Store(str(beside.parent)), beside.name, data) as part:
            rows = frame(part.read().cast(VALUES))
    except (SynpicError, pa.ArrowException, ValueError) as error:
        return None, f"{beside}: it cannot be read: {error}"
    if rows.group_by("metric", "unit").agg(pl.col("tag").n_unique())["tag"].max() != 1:
        return None, f"{beside}: it has no values, or a prompt has two tags"
    return rows, ""
