"""The tables of a workspace: their columns, types and version. What a part looks like inside.

A change here is a change of ``SCHEMA_VERSION``; readers refuse a newer one, and version 1, in which
nothing was released.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from synpic.errors import CorruptPart, NewerSchema, OlderSchema, SynpicError
from synpic.readers.json_models import Record, parse_json, validate

__all__ = [
    "CANDIDATES",
    "CANDIDATE_STAGES",
    "COMPARISONS",
    "FAILURES",
    "LABELS",
    "LABEL_KINDS",
    "PROMPTS",
    "SCHEMA_VERSION",
    "SCORES",
    "SUITE",
    "VERDICTS",
    "PartMetadata",
    "decode_metadata",
    "encode_part",
    "leaves",
    "require_version",
    "stages_like",
]

SCHEMA_VERSION = 2

# The storage type of the `Image` feature of `datasets`: publishing copies these bytes as they are.
IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])

PROMPTS = pa.schema(
    [
        ("prompt_id", pa.string()),
        ("prompt", pa.string()),
        ("split", pa.string()),
        ("source", pa.string()),
    ]
)
"""``prompts.parquet``; the source's other columns follow, prefixed ``meta_``."""

CANDIDATES = pa.schema(
    [
        ("candidate_id", pa.string()),
        ("prompt_id", pa.string()),
        ("model", pa.string()),
        ("fingerprint", pa.string()),
        ("sample", pa.int32()),
        ("seed", pa.int64()),
        ("image", IMAGE),
        ("sha256", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("batch_size", pa.int32()),
        ("seconds", pa.float32()),
        ("flagged", pa.bool_()),
        ("environment", pa.string()),
    ]
)
"""One image of one prompt by one model at one seed."""

SCORES = pa.schema(
    [
        ("candidate_id", pa.string()),
        ("sha256", pa.string()),
        ("reward", pa.string()),
        ("fingerprint", pa.string()),
        ("score", pa.float32()),
        ("batch_size", pa.int32()),
    ]
)
"""One reward's value for one candidate; it belongs to those pixels (``sha256``) and no others."""

COMPARISONS = pa.schema(
    [
        ("prompt_id", pa.string()),
        ("left", pa.string()),
        ("right", pa.string()),
        ("sha256_left", pa.string()),
        ("sha256_right", pa.string()),
        ("name", pa.string()),
        ("fingerprint", pa.string()),
        ("p_forward", pa.float32()),
        ("p_backward", pa.float32()),
        ("probability", pa.float32()),
    ]
)
"""What one comparer, ``name``, says of two images of a prompt, ``left`` and ``right`` (candidate
ids, left < right), with those pixels and no others.

``p_forward`` and ``p_backward`` are the probability that the left is better, asked with the left
first and with the right first; ``probability`` is their mean.
"""

VERDICTS = pa.schema(
    [
        ("candidate_id", pa.string()),
        ("sha256", pa.string()),
        ("judge", pa.string()),
        ("fingerprint", pa.string()),
        ("correct", pa.bool_()),
        ("score", pa.float32()),
        (
            "parts",
            pa.list_(
                pa.struct(
                    [
                        ("id", pa.string()),
                        ("question", pa.string()),
                        ("answer", pa.string()),
                        ("probability", pa.float32()),
                        ("correct", pa.bool_()),
                    ]
                )
            ),
        ),
        ("reason", pa.string()),
        ("batch_size", pa.int32()),
    ]
)
"""What one judge says of one candidate with those pixels and no others: all of it right or not
(``correct``, null where the suite has scores alone), how much of it (``score``, 0 … 1, null where
the suite has none), each thing that was asked for (``parts``), and what is wrong (``reason``)."""

SUITE = pa.schema(
    [
        ("prompt_id", pa.string()),
        ("suite", pa.string()),
        ("version", pa.string()),
        ("item", pa.string()),
        ("tag", pa.string()),
        ("spec", pa.string()),
    ]
)
"""``suite.parquet``, where the prompts are a suite: what each item asks of its images. ``item`` is
the suite's own name for it, ``spec`` JSON, which the judge reads."""

FAILURES = pa.schema(
    [
        ("stage", pa.string()),
        ("candidate_id", pa.string()),
        ("name", pa.string()),
        ("fingerprint", pa.string()),
        ("reason", pa.string()),
        ("attempts", pa.int32()),
    ]
)
"""What was tried and did not work; ``name`` is the model's (stages ``generate`` and ``ingest``),
the reward's (``score``), the judge's (``judge``) or the comparer's (``compare``), whose
``candidate_id`` is both ids of a pair: ``<left>+<right>``."""

LABELS = pa.schema(
    [
        ("prompt_id", pa.string()),
        ("left", pa.string()),
        ("right", pa.string()),
        ("question", pa.string()),
        ("share", pa.float32()),
        ("n", pa.int32()),
        ("rater", pa.string()),
        ("kind", pa.string()),
        ("group", pa.string()),
        ("row", pa.int64()),
    ]
)
"""Which of two images of a prompt, ``left`` and ``right`` (candidate ids), is preferred.

``share`` is that of the left, 0 … 1, null where the source leaves the pair unlabelled; ``n`` is how
many votes it is of, null where that is unknown; ``rater`` who gave it, null for several raters;
``group`` names the list that the pair comes from; ``row`` is its number in the source, from 0, and
orders the pairs.
"""

LABEL_KINDS = ("person", "reward", "study")
"""Who gave a label: people, before the dataset came here; others' rewards; a study of ours."""

CANDIDATE_STAGES = ("generate", "ingest")
"""Stages that make candidates. Failures of ingested images were written as ``generate`` at first:
readers take both, and the fingerprint tells a model from ingested images."""


def stages_like(stage: str) -> tuple[str, ...]:
    """Every stage whose failures are of the same kind of thing as those of ``stage``."""
    return CANDIDATE_STAGES if stage in CANDIDATE_STAGES else (stage,)


class PartMetadata(Record):
    """What a part carries beside its rows: at least this; the rest says how they were made.

    Args:
        schema_version: that of the tables when it was written.
        environments: a candidate's ``environment`` → versions of libraries, device, dtype.
        fingerprint_inputs: of a model's or reward's part, what decides its rows.
        written: of labels, which are written whole, how often they had been, this time included.
        left_out: of labels, why comparisons of their source are not among them → how many.
    """

    schema_version: int = Field(ge=1)
    environments: dict[str, dict[str, Any]] = Field(default_factory=dict)
    fingerprint_inputs: dict[str, Any] = Field(default_factory=dict, alias="decides")
    written: int = Field(default=0, ge=0)
    left_out: dict[str, int] = Field(default_factory=dict)


_METADATA_KEY = b"synpic"
_ROW_GROUP_BYTES = 1 << 20


def encode_part(table: pa.Table, metadata: Mapping[str, Any]) -> bytes:
    """``table`` as the bytes of one Parquet file that carries ``metadata`` and the schema version.

    Images are left uncompressed (they are compressed already). Row groups hold about 1 MiB, so that
    publishing, which reads images in the order of prompt ids, reads little more than it needs.
    Every page has a checksum.
    """
    note = {"schema_version": SCHEMA_VERSION, **metadata}
    table = table.replace_schema_metadata({_METADATA_KEY: json.dumps(note, sort_keys=True)})
    compression: Any = dict.fromkeys(leaves(table.schema), "zstd")
    if "image.bytes" in compression:
        compression["image.bytes"] = "none"
    plain = [name for name in compression if name != "image.bytes"]
    buffer = io.BytesIO()
    rows = max(1, table.num_rows)
    group = max(1, min(rows, _ROW_GROUP_BYTES * rows // max(1, table.nbytes)))
    pq.write_table(
        table,
        buffer,
        compression=compression,
        row_group_size=group if "image" in table.column_names else rows,
        # Of pixels, statistics are whole images in the footer, and dictionaries a second copy.
        use_dictionary=plain,
        write_statistics=plain,
        write_page_checksum=True,
    )
    return buffer.getvalue()


def decode_metadata(schema: pa.Schema, where: str, hint: str) -> PartMetadata:
    """What ``encode_part`` was given as metadata.

    Args:
        where: the file's name, for messages.
        hint: what to do about a file that synpic did not write.

    Raises:
        CorruptPart: there is none, or it is not what synpic writes.
        NewerSchema, OlderSchema: another version wrote it.
    """
    raw = (schema.metadata or {}).get(_METADATA_KEY, b"null")
    where = f"{where}: metadata"
    found = parse_json(raw, where, error=CorruptPart, hint=hint)
    if isinstance(found, dict):
        require_version(found, where)
    return validate(PartMetadata, found, where, error=CorruptPart, hint=hint)


def require_version(
    metadata: Mapping[str, Any],
    where: str,
    older: Callable[[str, int], SynpicError] = OlderSchema.of,
) -> None:
    """Refuse what another version wrote; what is no version is left to the file's model.

    Args:
        older: where and version → the error for what an earlier synpic wrote; unless given, that
            for a table or lock of a workspace.

    Raises:
        NewerSchema: naming ``where``.
        SynpicError: what ``older`` gives.
    """
    version = metadata.get("schema_version")
    if type(version) is not int:  # a bool is an int to isinstance
        return
    if version > SCHEMA_VERSION:
        raise NewerSchema(
            f"{where}: schema_version is {version}; this synpic reads up to {SCHEMA_VERSION}",
            hint="pip install --upgrade synpic",
        )
    if 0 < version < SCHEMA_VERSION:
        raise older(where, version)


def leaves(schema: pa.Schema) -> list[str]:
    """Parquet's names of the leaf columns: ``image.bytes`` for a struct's field."""
    return [name for field in schema for name in _leaves_of(field.name, field.type)]


def _leaves_of(name: str, kind: pa.DataType) -> list[str]:
    if pa.types.is_struct(kind):
        return [leaf for inner in kind for leaf in _leaves_of(f"{name}.{inner.name}", inner.type)]
    if pa.types.is_list(kind):
        return _leaves_of(f"{name}.list.element", kind.value_type)
    return [name]
