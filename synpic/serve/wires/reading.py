"""Bodies → messages and images, or what is wrong with them."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from synpic.readers.display import count
from synpic.serve.asking import Refused, Unscored

__all__ = ["from_base64", "in_words", "message", "mistakes_of"]

_Message = TypeVar("_Message", bound=BaseModel)

_SHOWN = 3
"""Mistakes of one body that are named."""

MOST_VALUES = 100_000
"""Values of one body. A request of 512 images with what each prompt asks for has some ten thousand.
Each takes memory many times its bytes, and a mistake in each a thousand times."""

_TEXT = re.compile(rb'"(?:[^"\\]++|\\.?)*+(?:"|\Z)', re.DOTALL)
"""A text of JSON, or its beginning up to the end of the body."""


def message(kind: type[_Message], body: bytes) -> _Message:
    """A body of JSON as a message.

    Raises:
        Refused: 422, with the fields that are wrong.
    """
    _require_few(body)
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        raise Refused(422, mistakes_of(error, "the body")) from error


def mistakes_of(error: ValidationError, whole: str) -> str:
    """What is wrong in a message, field by field: the first few, and how many more.

    Args:
        whole: what the message is called where it is wrong as a whole.
    """
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    named = [f"{_field_of(fault['loc']) or whole}: {fault['msg']}" for fault in faults[:_SHOWN]]
    more = [f"and {len(faults) - _SHOWN} more"] if len(faults) > _SHOWN else []
    return "; ".join(named + more)


def _field_of(location: Sequence[object]) -> str:
    """The place of a mistake, which may hold keys of the caller's own: cut where they are long."""
    name = ".".join(map(str, location))
    return name if len(name) <= 200 else f"{name[:199]}…"


def from_base64(texts: Sequence[str], field: str) -> list[bytes]:
    """Images that a message holds as text.

    Raises:
        Refused: 422, with the number of the first that is none.
    """
    images = []
    for number, text in enumerate(texts):
        try:
            images.append(base64.b64decode(text, validate=True))
        except (binascii.Error, ValueError) as error:
            raise Refused(
                422,
                f"{field}.{number}: not base64: {error}",
                hint="send the bytes of an image file, PNG for exact pixels, in base64",
            ) from error
    return images


def _require_few(body: bytes) -> None:
    """Refuse more values than a request needs before objects are made of them."""
    if _marks(body) > MOST_VALUES and _marks(_TEXT.sub(b"", body)) > MOST_VALUES:
        raise Refused(
            422,
            f"the body has more than {count(MOST_VALUES, 'value')}",
            hint="send fewer images at a time",
        )


def _marks(body: bytes) -> int:
    return sum(map(body.count, (b",", b"[", b"{")))


def in_words(error: Refused | Unscored) -> str:
    """A message with its hint, for wires that have room for one text."""
    return error.message + (f" ({error.hint})" if error.hint else "")
