"""Bodies → messages and images, or what is wrong with them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from synpic.serve.asking import Refused, Unscored

__all__ = ["from_base64", "in_words", "message"]

_Message = TypeVar("_Message", bound=BaseModel)

_SHOWN = 3
"""Mistakes of one body that are named."""


def message(kind: type[_Message], body: bytes) -> _Message:
    """A body of JSON as a message.

    Raises:
        Refused: 422, with the fields that are wrong.
    """
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        named = [
            f"{'.'.join(map(str, fault['loc'])) or 'the body'}: {fault['msg']}"
            for fault in faults[:_SHOWN]
        ]
        more = [f"and {len(faults) - _SHOWN} more"] if len(faults) > _SHOWN else []
        raise Refused(422, "; ".join(named + more)) from error


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


def in_words(error: Refused | Unscored) -> str:
    """A message with its hint, for wires that have room for one text."""
    return error.message + (f" ({error.hint})" if error.hint else "")
