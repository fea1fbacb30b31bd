"""JSON as pydantic models: every mistake is a line of its own, with its file and key.

What somebody else may have written (a manifest, a lock, the state of a training run, the answer of
a server) is validated once, where it enters, and trusted from then on.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from synpic.errors import SynpicError
from synpic.readers.display import count, size

__all__ = [
    "DEPTH",
    "DIGITS",
    "Record",
    "TooDeep",
    "items",
    "parse_json",
    "parse_text",
    "read_json",
    "unusable",
    "validate",
    "walk",
]

DEPTH = 32
"""How deeply objects and lists may be nested: three times what synpic itself writes."""

BYTES = 1 << 28
"""How long a document may be. A manifest of 100,000 files takes a tenth."""

DIGITS = 400
"""How many digits a number may have; Python takes quadratic time for them."""

_HALF = "a text holds half of a character (a lone surrogate)"

_SHOWN = 10
"""How many mistakes a message lists."""


class Record(BaseModel):
    """A JSON object that synpic reads: types are not coerced, instances do not change.

    Unknown keys are kept, since a later version of synpic may have added one; a model that must
    not have any sets ``extra="forbid"``.
    """

    model_config = ConfigDict(extra="allow", strict=True, frozen=True, allow_inf_nan=False)


T = TypeVar("T", bound=BaseModel)


def read_json(
    kind: type[T],
    data: bytes,
    where: str,
    *,
    error: type[SynpicError],
    hint: str,
) -> T:
    """``data`` as a ``kind``.

    Args:
        data: JSON in UTF-8.
        where: the file's name, for messages.
        error: what is raised.
        hint: what to do about a file that is not valid.

    Raises:
        SynpicError: an ``error`` that names ``where`` and each key that is wrong.
    """
    return validate(kind, parse_json(data, where, error=error, hint=hint), where, error, hint)


def parse_json(data: bytes, where: str, *, error: type[SynpicError], hint: str) -> Any:
    """``data`` as JSON-like values: at most ``DEPTH`` deep, numbers finite and of sane length.

    Raises:
        SynpicError: an ``error`` that says what is wrong, and on which line. A key that is twice in
            one object is wrong too.
    """
    if len(data) > BYTES:
        raise error(f"{where}: {size(len(data))}, where at most {size(BYTES)} are read", hint=hint)
    try:
        found = parse_text(data.decode("utf-8-sig"))
    except TooDeep as raised:
        raise error(f"{where}: {raised}", hint=hint) from raised
    except ValueError as raised:  # not UTF-8, not JSON, no number
        raise error(f"{where}: not JSON: {raised}", hint=hint) from raised
    wrong = unusable(found)
    if wrong:
        raise error(f"{where}: {wrong}", hint=hint)
    return found


class TooDeep(ValueError):
    """A value that is nested more than ``DEPTH`` deep.

    Args:
        keys: those that lead to what is too deep; none where they are not known.
    """

    def __init__(self, keys: Sequence[str] = ()) -> None:
        super().__init__(f"nested more than {DEPTH} deep")
        self.keys = keys


def parse_text(text: str) -> Any:
    """JSON as :func:`parse_json` takes it, but for texts that UTF-8 cannot spell.

    Raises:
        TooDeep: it is nested more than ``DEPTH`` deep.
        ValueError: it is not JSON, an object has a key twice, or a number is not finite, beyond 64
            bits or absurdly long.
    """
    try:
        found = _DECODER.decode(text)
    except RecursionError as raised:
        raise TooDeep() from raised
    deque(walk(found), maxlen=0)
    return found


def walk(value: Any) -> Iterator[tuple[tuple[str, ...], dict[Any, Any] | list[Any]]]:
    """Every object and list in a parsed document, with the keys that lead to it; outer ones first.

    Raises:
        TooDeep: after those that are at most ``DEPTH`` deep, if there are others.
    """
    level: list[tuple[tuple[str, ...], Any]] = [((), value)] if _holds(value) else []
    for _ in range(DEPTH):
        yield from level
        level = [
            ((*keys, str(key)), inner)
            for keys, one in level
            for key, inner in items(one)
            if _holds(inner)
        ]
        if not level:
            return
    raise TooDeep(level[0][0])


def items(one: dict[Any, Any] | list[Any]) -> Iterable[tuple[Any, Any]]:
    """The keys or numbers of what an object or list holds, each with its value."""
    return one.items() if isinstance(one, dict) else enumerate(one)


def _holds(value: Any) -> bool:
    return isinstance(value, dict | list)


def validate(kind: type[T], found: Any, where: str, error: type[SynpicError], hint: str) -> T:
    """Values that were read elsewhere (a YAML head, the metadata of a Parquet file) as a ``kind``.

    Raises:
        SynpicError: an ``error`` that names ``where`` and each key that is wrong.
    """
    try:
        return kind.model_validate(found)
    except ValidationError as raised:
        problems = raised.errors(include_url=False)
        lines = [f"{where}: {_explain(dict(problem))}" for problem in problems[:_SHOWN]]
        if len(problems) > _SHOWN:
            lines.append(f"{where}: and {len(problems) - _SHOWN} more")
        raise error("\n".join(lines), hint=hint) from raised


def _explain(problem: Mapping[str, Any]) -> str:
    """One problem as ``key.inner: what is wrong``."""
    key = ".".join(_plain(str(piece)) for piece in problem["loc"] if piece != "[key]")
    fault = problem["type"]
    if fault == "missing":
        what = "is missing"
    elif fault in ("model_type", "dict_type"):
        what = f"expected an object, found {_shown(problem['input'])}"
    elif fault == "too_short":
        noun = "key" if isinstance(problem["input"], dict) else "item"
        context = problem["ctx"]
        what = (
            f"expected at least {count(context['min_length'], noun)}, found "
            f"{context['actual_length']}"
        )
    else:
        what = str(problem["msg"]).removeprefix("Value error, ")
        if fault != "value_error" or not isinstance(problem["input"], dict):
            what += f", found {_shown(problem['input'])}"
    return f"{key}: {what}" if key else what


def _plain(key: str) -> str:
    """A key as it is, if it prints; cut where it is longer than any name of a tensor."""
    written = key if key.isprintable() else ascii(key)
    return written if len(written) <= 200 else f"{written[:197]}..."


def _shown(value: Any) -> str:
    """A value on a line of a message, cut."""
    written = ascii(value) if not isinstance(value, dict | list) else type(value).__name__
    return written if len(written) <= 60 else f"{written[:57]}..."


def _integer(written: str) -> int:
    if len(written) > DIGITS:
        raise ValueError(f"a number of {count(len(written), 'digit')}")
    found = int(written)
    # Beyond this neither Parquet nor polars holds it.
    if not -(2**63) <= found < 2**64:
        raise ValueError(f"{written[:40]} is beyond 64 bits")
    return found


def _float(written: str) -> float:
    if len(written) > DIGITS:
        raise ValueError(f"a number of {count(len(written), 'digit')}")
    found = float(written)
    if found in (float("inf"), float("-inf")):
        raise ValueError(f"{written[:40]} is beyond the range of a number")
    return found


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        key = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"key {ascii(key)[:60]} is there twice in one object")
    return found


def _no_number(written: str) -> float:
    raise ValueError(f"{written} is no JSON number")


def unusable(found: Any) -> str | None:
    """Which text of a parsed document UTF-8 cannot spell; None if it can spell all of them.

    JSON can spell half of a character (``\\ud800``); UTF-8 cannot, and nor can a message.
    """
    if isinstance(found, str) and not _encodable(found):
        return _HALF
    for keys, one in walk(found):
        for key, value in items(one):
            if isinstance(key, str) and not _encodable(key):
                return f"{'.'.join([*keys, ascii(key)])}: {_HALF}"
            if isinstance(value, str) and not _encodable(value):
                return f"{'.'.join([*keys, str(key)])}: {_HALF}"
    return None


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_int=_integer,
    parse_float=_float,
    parse_constant=_no_number,
)
