"""stdout and stderr that may be closed, full, gone, or of an encoding without most characters.

What a command says on stdout is its result: where that cannot be written, the command ends. stderr
is for people, who may have left (a terminal that was closed): what cannot be written there is lost,
and no work ends for that.
"""

from __future__ import annotations

import io
import os
import sys
from typing import Any

from synpic.errors import SynpicError

__all__ = ["OutputLost", "ReaderGone", "prepare_streams"]


class OutputLost(SynpicError):
    """stdout cannot be written to."""


class ReaderGone(OutputLost):
    """The reader of stdout has ended, as ``head`` does: further output is not wanted."""

    exit_code = 141  # as a shell has it for a program that SIGPIPE ended


def prepare_streams() -> None:
    """Put streams in the place of ``sys.stdout`` and ``sys.stderr`` that end in no traceback."""
    for number in range(3):
        _require_open(number)
    sys.stdout = _guarded(sys.stdout, 1, _Results)
    sys.stderr = _guarded(sys.stderr, 2, _Asides)


class _Results(io.FileIO):
    lost = False

    def write(self, data: Any) -> int:
        if self.lost:
            return len(data)  # what is still buffered when the interpreter ends
        try:
            return super().write(data) or 0
        except OSError as error:
            self.lost = True
            if isinstance(error, BrokenPipeError):
                raise ReaderGone("stdout: its reader is gone") from error
            raise OutputLost(
                f"stdout cannot be written to: {error.strerror}", hint="send it elsewhere"
            ) from error


class _Asides(io.FileIO):
    def write(self, data: Any) -> int:
        try:
            return super().write(data) or 0
        except OSError:
            return len(data)


def _require_open(number: int) -> None:
    """A descriptor that was closed would be the next file's, which then got what is printed."""
    try:
        os.fstat(number)
    except OSError:
        nowhere = os.open(os.devnull, os.O_RDWR)
        if nowhere != number:
            os.dup2(nowhere, number)
            os.close(nowhere)


def _descriptor(stream: Any) -> int | None:
    try:
        return int(stream.fileno())
    except (AttributeError, OSError, ValueError):  # not a file, or closed
        return None


def _guarded(stream: Any, number: int, kind: type[io.FileIO]) -> Any:
    if stream is not None and _descriptor(stream) != number:
        return stream  # a program that calls the command has put it there
    raw = kind(number, "wb", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=getattr(stream, "encoding", None) or "utf-8",
        # Where an encoding has no such character, an escape is shown.
        errors="backslashreplace",
        line_buffering=number == 2 or raw.isatty(),
    )
