"""The header of a safetensors file: what is in it, read without any tensor.

A file is eight bytes with the header's length, the header as JSON, and the tensors' bytes. All of
it is checked here, so that a file that is cut, or whose header was damaged, is one error with its
name and the key that is wrong, whatever opens it afterwards.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from synpic.errors import SynpicError
from synpic.readers.display import count
from synpic.readers.json_models import parse_json, validate

__all__ = ["TensorEntry", "read_header"]

BYTES = 100_000_000
"""How long a header may be; the format's own limit."""

_SIZES = {
    **dict.fromkeys(("F64", "I64", "U64", "C64"), 8),
    **dict.fromkeys(("F32", "I32", "U32"), 4),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 2),
    **dict.fromkeys(("I8", "U8", "BOOL", "F8_E4M3", "F8_E5M2"), 1),
}
"""Bytes of an element; of other types the size is not checked."""

Count = Annotated[int, Field(ge=0, lt=1 << 53)]


class TensorEntry(BaseModel):
    """One tensor of a file.

    Args:
        dtype: "F32", "BF16", ….
        shape: of the tensor; none for a scalar.
        data_offsets: where its bytes begin and end, counted from the end of the header.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    dtype: str
    shape: list[Count]
    data_offsets: Annotated[list[Count], Field(min_length=2, max_length=2)]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        begin, end = self.data_offsets
        size = _SIZES.get(self.dtype)
        if end < begin or (size is not None and end - begin != size * math.prod(self.shape)):
            raise ValueError(f"data_offsets {self.data_offsets} do not fit shape {self.shape}")
        return self


class _Header(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)

    metadata: dict[str, str] | None = None
    tensors: dict[str, TensorEntry]


def read_header(path: Path, *, error: type[SynpicError], hint: str) -> dict[str, TensorEntry]:
    """The tensors of the safetensors file ``path``: name → type, shape and place.

    Args:
        error: what is raised.
        hint: what to do about a file that is damaged.

    Raises:
        SynpicError: an ``error`` that names the file and what is wrong in it.
    """
    where = str(path)
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if size < 8 or length > min(BYTES, size - 8):
                raise error(
                    f"{where}: no safetensors file, or cut: its header would have "
                    f"{count(length, 'byte')}, and the file has {size:,}",
                    hint=hint,
                )
            found = parse_json(stream.read(length), where, error=error, hint=hint)
    except OSError as raised:
        raise error(f"{where} cannot be read: {raised.strerror or raised}", hint=hint) from raised
    if not isinstance(found, dict):
        raise error(f"{where}: its header is not an object", hint=hint)
    metadata = found.pop("__metadata__", None)
    header = validate(_Header, {"metadata": metadata, "tensors": found}, where, error, hint)
    place = 0
    for name, entry in sorted(header.tensors.items(), key=lambda item: item[1].data_offsets):
        begin, end = entry.data_offsets
        if begin != place:
            raise error(
                f"{where}: tensors.{name!a}: begins at byte {begin}, where byte {place} is free",
                hint=hint,
            )
        place = end
    if place != size - 8 - length:
        raise error(
            f"{where}: its header describes {count(place, 'byte')} of tensors, and "
            f"{size - 8 - length:,} follow it: the header lacks a tensor, the file is cut, or it "
            "has something behind it",
            hint=hint,
        )
    return header.tensors
