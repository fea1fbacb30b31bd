"""One case: a damaged file, a command, and whether what came of it is right."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

__all__ = ["FAULTS", "Outcome", "call", "files_of", "judge", "limited"]

FAULTS = ("traceback", "silent", "unnamed", "unplaced", "wordless", "hang", "lost", "exit code")
"""What can be wrong with an outcome; README.md says what each means."""

SECONDS = 20
"""Of the processor; of the clock six times as many, since the machine may be busy."""

_PYTHON = re.compile(
    r"Traceback|\b(Key|Type|Attribute|Index|Recursion|Assertion|Unicode(De|En)code|Overflow)Error\b"
    r"|has no attribute|NoneType|object is not|unhashable type|must be str, not|not subscriptable"
    r"|indices must be|PanicException|panicked|takes \d+ positional|^'[^']*'$"
)
_PLACE = re.compile(
    r":\d+\b|\bline \d+|\brow \d+|\bcolumn\b|\bnested\b|\bkey\b|not JSON|not UTF-8|header"
)


_SIZES = re.compile(r'"bytes": \d+')
"""Of files: a part that is longer than it was may still hold what it held."""


class Hang(BaseException):
    """The time is over. No ``except Exception`` shall catch it."""


@dataclass(frozen=True)
class Outcome:
    """What came of a command.

    Args:
        code: its exit code; None where it ended in a traceback.
        text: what it printed.
        result: what it found, to be compared: its output and the hashes of files it wrote.
        trace: of an error that is no SynpicError.
    """

    code: int | None
    text: str
    result: str = ""
    trace: str | None = None


@contextlib.contextmanager
def limited(seconds: float) -> Iterator[None]:
    """End the block with :class:`Hang` after ``seconds`` of work, or six times as many."""

    def ring(*_: Any) -> None:
        raise Hang(f"no end after {seconds} s")

    # pytest-timeout has SIGALRM with ITIMER_REAL for itself, and gets it back.
    before = {one: signal.signal(one, ring) for one in (signal.SIGPROF, signal.SIGALRM)}
    left, _ = signal.setitimer(signal.ITIMER_REAL, 6 * seconds)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, left)
        for one, handler in before.items():
            signal.signal(one, handler)


def call(words: Sequence[str], functions: Mapping[str, Callable[[], Any]]) -> Outcome:
    """``synpic …`` through its own entry point, in this process and folder.

    ``@name`` calls one of ``functions`` instead, as a program that imports synpic would.
    """
    from synpic_cli.main import run

    # Standard output is strict, as a terminal's is: what cannot be encoded must not reach it.
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="backslashreplace")
    code: int | None = 0
    trace = None
    path, argv = list(sys.path), sys.argv
    sys.argv = ["synpic", *words]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                with limited(SECONDS):
                    if words[0].startswith("@"):
                        code = _function(functions[words[0]])
                    else:
                        run()
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                # Panics of Rust libraries are no Exception.
                code, trace = None, "".join(traceback.format_exception(error)[-12:])
    finally:
        sys.argv, sys.path[:] = argv, path
    for stream in (out, err):
        with contextlib.suppress(ValueError, UnicodeError):
            stream.flush()
    shown, said = (s.buffer.getvalue().decode("utf-8", "replace") for s in (out, err))  # type: ignore[attr-defined]
    if code == 0 and "--json" in words:
        trace = _not_json(shown, lines=words[0] in ("generate", "score"))
    return Outcome(code, shown + said, shown, trace)


def _function(function: Callable[[], Any]) -> int:
    from synpic.errors import SynpicError
    from synpic_cli.output import show_error

    try:
        print(function())
    except SynpicError as error:
        show_error(error)
        return error.exit_code
    return 0


def _not_json(text: str, lines: bool) -> str | None:
    def refuse(number: str) -> float:
        raise ValueError(f"--json printed {number}, which is no JSON")

    try:
        for one in text.splitlines() if lines else [text]:
            json.loads(one, parse_constant=refuse)
    except ValueError as error:
        return f"ValueError: --json printed no JSON: {error}"
    return None


def files_of(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Files below ``folder`` → what changes when they do."""
    found = {}
    for base, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(base, name)
            status = os.lstat(path)
            found[os.path.relpath(path, folder)] = (
                status.st_size, status.st_mtime_ns, status.st_ino
            )  # fmt: skip
    return found


def hashes_of(folder: Path, pattern: str) -> str:
    """The hashes of the files that match, as one text."""
    rows = [
        f"{path.relative_to(folder)} {hashlib.sha256(path.read_bytes()).hexdigest()}"
        for path in sorted(folder.glob(pattern))
    ]
    return "\n".join(rows)


def judge(
    outcome: Outcome,
    *,
    expected: str | None,
    names: Sequence[str],
    key: str | None,
    changed: Sequence[str],
    allowed: Sequence[str],
) -> tuple[str, str] | None:
    """What is wrong with ``outcome`` (one of FAULTS, and words); None if it is right.

    Args:
        expected: the result that alone is right where the command succeeds; None for any.
        names: of which a message has to contain one.
        key: which a message should contain, unless it names a place in another way; ``a|b`` for
            either.
        changed: files that are other than before, or new, or gone.
        allowed: patterns of those that may be.
    """
    if outcome.trace is not None:
        kind = "hang" if "Hang" in outcome.trace.splitlines()[-1] else "traceback"
        return kind, outcome.trace
    strayed = [name for name in changed if not any(fnmatch(name, p) for p in allowed)]
    if strayed:
        return "lost", f"{', '.join(strayed[:5])}\n{outcome.text}"
    if outcome.code == 0:
        if expected is not None and _SIZES.sub("", outcome.result) != _SIZES.sub("", expected):
            return "silent", f"expected: {expected[:1500]}\nfound: {outcome.result[:1500]}"
        return None
    if outcome.code not in (1, 2, 3, 4, 5):
        return "exit code", f"{outcome.code}: {outcome.text}"
    if "cannot be imported" not in outcome.text and _PYTHON.search(outcome.text):
        return "wordless", outcome.text
    if not any(name in outcome.text for name in names):
        return "unnamed", outcome.text
    keys = key.split("|") if key else [""]
    if not any(one in outcome.text for one in keys) and not _PLACE.search(outcome.text):
        return "unplaced", outcome.text
    return None
