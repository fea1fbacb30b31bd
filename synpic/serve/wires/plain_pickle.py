"""Pickles that hold plain data: None, booleans, numbers, texts, bytes, lists, tuples and dicts.

A pickle is a program. This one is read before it runs: it is refused where an instruction is not
among those that build plain data, so that none is run that imports, calls or builds an object, and
each length that it names is held to what is there. The Unpickler that runs it then raises on any
class. What it built is walked as a tree: lists within themselves, or doubled at each depth, end it.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from typing import Any, NoReturn

from synpic.readers.display import count
from synpic.serve.asking import Refused

__all__ = ["read_plain"]

MOST_INSTRUCTIONS = 50_000
"""A request of 64 images with what each prompt asks for has some thousand."""

MOST_VALUES = 50_000
DEEPEST = 12

_PLAIN = frozenset(
    [
        "PROTO",
        "FRAME",
        "STOP",
        "MARK",
        "POP",
        "POP_MARK",
        "NONE",
        "NEWTRUE",
        "NEWFALSE",
        "BININT",
        "BININT1",
        "BININT2",
        "LONG1",
        "BINFLOAT",
        "SHORT_BINUNICODE",
        "BINUNICODE",
        "BINUNICODE8",
        "SHORT_BINBYTES",
        "BINBYTES",
        "BINBYTES8",
        "EMPTY_LIST",
        "APPEND",
        "APPENDS",
        "EMPTY_TUPLE",
        "TUPLE",
        "TUPLE1",
        "TUPLE2",
        "TUPLE3",
        "EMPTY_DICT",
        "SETITEM",
        "SETITEMS",
        "BINPUT",
        "LONG_BINPUT",
        "MEMOIZE",
        "BINGET",
        "LONG_BINGET",
    ]
)
"""What protocols 3 and later write for plain data. Protocol 2 writes bytes as a call."""

_HINT = (
    "send None, booleans, numbers, str, bytes, lists, tuples and dicts alone, by protocol 3, 4 or 5"
)


_DAMAGED = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
    pickle.UnpicklingError,
)
"""What the readers raise of a damaged pickle."""


class _NoClass(pickle.Unpickler):
    def find_class(self, module: str, name: str, /) -> NoReturn:
        raise pickle.UnpicklingError(f"it names {module}.{name}")


def read_plain(body: bytes) -> Any:
    """What a pickle holds, if that is plain data.

    Raises:
        Refused: 422; it is no pickle, holds anything else, or more than a request needs.
    """
    try:
        _require_plain(body)
        value = _NoClass(io.BytesIO(body)).load()
    except _DAMAGED as error:
        raise _refused(f"{error}") from error
    _require_small(value)
    return value


def _require_plain(body: bytes) -> None:
    """Read the instructions without running them."""
    texts: list[str] = []
    for number, (code, argument, at) in enumerate(pickletools.genops(body)):
        if code.name not in _PLAIN:
            named = f" of {'.'.join(texts[-2:])}" if code.name == "STACK_GLOBAL" else ""
            raise _refused(f"it has a {code.name}{named} at byte {at}, which is no plain data")
        if code.name == "LONG_BINPUT" and argument is not None and argument > MOST_INSTRUCTIONS:
            raise _refused(f"it remembers a value under number {argument}")
        if number >= MOST_INSTRUCTIONS:
            raise _refused(f"it has more than {count(MOST_INSTRUCTIONS, 'instruction')}")
        if isinstance(argument, str):
            texts = [*texts[-1:], f"{argument:.80}"]


def _require_small(value: Any) -> None:
    """Walk what was built as a tree, however it shares."""
    left, seen = [(value, 0)], 0
    while left:
        one, depth = left.pop()
        seen += 1
        if seen > MOST_VALUES:
            raise _refused(f"it holds more than {count(MOST_VALUES, 'value')}")
        if isinstance(one, dict | list | tuple):
            if depth >= DEEPEST:
                raise _refused(f"it is deeper than {DEEPEST}")
            inner = [*one, *one.values()] if isinstance(one, dict) else one
            if seen + len(left) + len(inner) > MOST_VALUES:
                raise _refused(f"it holds more than {count(MOST_VALUES, 'value')}")
            left += [(each, depth + 1) for each in inner]


def _refused(reason: str) -> Refused:
    return Refused(422, f"this pickle is not read: {reason}", hint=_HINT)
