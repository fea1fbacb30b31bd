"""Errors of code that may be anyone's: one message with what was raised, and where."""

from __future__ import annotations

import os
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from synpic.errors import SynpicError

__all__ = ["naming_own_errors"]

_PATHS = sysconfig.get_paths()
_LIBRARIES = tuple(
    os.path.realpath(place) + os.sep
    for place in (str(Path(__file__).parents[1]), _PATHS["stdlib"], _PATHS["purelib"])
)


@contextmanager
def naming_own_errors(
    what: str, error: type[SynpicError], hint: str, *, passed_on: type[Exception] | None = None
) -> Iterator[None]:
    """Raise whatever the block raises as an ``error``, "WHAT: ValueError: no blue (mine.py:12)".

    Args:
        what: begins the message: which code it is.
        hint: what to do.
        passed_on: raised as it is, and so is a SynpicError.
    """
    try:
        yield
    except SynpicError:
        raise
    except (Exception, SystemExit) as raised:
        # Whatever it is, it is about that code.
        if passed_on is not None and isinstance(raised, passed_on):
            raise
        message = f"{what}: {type(raised).__name__}: {raised}{_place(raised)}"
        raise error(message, hint=hint) from raised


def _place(raised: BaseException) -> str:
    """The last line of the user's code that the error has passed; "" where it passed none."""
    for frame in reversed(traceback.extract_tb(raised.__traceback__)):
        if not os.path.realpath(frame.filename).startswith(_LIBRARIES):
            return f" ({frame.filename}:{frame.lineno})"
    return ""
