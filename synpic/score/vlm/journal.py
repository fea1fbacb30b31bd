"""Answers on the disk, from the moment they arrive: a killed command asks nothing again.

Each process appends to a file of its own, and reads what others have appended to theirs whenever an
answer is missing. A line is the key of a question and its answer. A process that is killed, and a
disk that is full, leave at most half a line, which counts as no answer.
"""

from __future__ import annotations

import errno
import json
import os
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from synpic.errors import StorageError
from synpic.score.vlm.questions import VlmAnswer

__all__ = ["Journal"]

KEY = 32
"""Hex digits of the key of a question."""

_POLL = 0.05
"""Seconds between two looks at whether another process has its answer."""


class Journal:
    """Answers by the keys of their questions. Used by several threads at once.

    Args:
        folder: of these answers alone; made when the first is kept.

    Raises:
        StorageError: it cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._own: int | None = None
        self._lock = threading.Lock()
        self._reading = threading.Lock()
        self._read: dict[str, int] = {}
        """File → how many of its bytes were read, in whole lines."""
        self._places: dict[bytes, tuple[str, int, int]] = {}
        """Key → file, and where in it the answer begins and ends."""
        self._catch_up()

    def __len__(self) -> int:
        return len(self._places)

    def find(self, key: str) -> VlmAnswer | None:
        """The answer to a question; None where there is none, or it cannot be read."""
        place = self._places.get(key.encode())
        if place is None:
            self._catch_up()
            place = self._places.get(key.encode())
        if place is None:
            return None
        file, begin, end = place
        with _refusing(self._folder / file), (self._folder / file).open("rb") as stream:
            stream.seek(begin)
            return _decoded(stream.read(end - begin))

    def keep(self, key: str, answer: VlmAnswer) -> None:
        """Put an answer on the disk, whole, before it counts.

        Raises:
            StorageError: the disk is full, or refuses.
        """
        written = json.dumps([list(place.items()) for place in answer.places])
        line = f"{key} {written}\n".encode()
        with self._lock, _refusing(self._folder):
            if self._own is None:
                self._folder.mkdir(parents=True, exist_ok=True)
                path = self._folder / f"{uuid.uuid4().hex[:16]}.jsonl"
                self._own = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
            # One call: whole in the system's memory, whatever becomes of this process.
            done = 0
            try:
                done = os.write(self._own, line)
            finally:
                if done != len(line):  # what comes next must not be glued to half a line
                    os.close(self._own)
                    self._own = None
            if done != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    @contextmanager
    def turn(self, key: str, rest: Callable[[float], bool]) -> Iterator[None]:
        """Be the only process that asks a question: others wait for the answer, and find it here.

        The system gives the turn back if this process is killed.

        Args:
            rest: waits for as many seconds; whether to stop waiting.
        """
        turns = self._folder / "turns"
        with _refusing(turns):
            turns.mkdir(parents=True, exist_ok=True)
        # Each thread has a lock of its own; what a killed process leaves is a file, and no lock.
        turn = FileLock(turns / key, thread_local=False)
        while not _taken(turn) and not rest(_POLL):
            pass
        try:
            yield
        finally:
            if turn.is_locked:
                turn.release()
                with suppress(OSError):
                    (turns / key).unlink()

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            if self._own is not None:
                os.fsync(self._own)
                os.close(self._own)
                self._own = None

    def _catch_up(self) -> None:
        """Read what was appended since, by this process and by others."""
        with self._reading, _refusing(self._folder):
            if not self._folder.is_dir():
                return
            with os.scandir(self._folder) as entries:
                sizes = {one.name: one.stat().st_size for one in entries}
            for name in sorted(sizes):
                if name.endswith(".jsonl") and sizes[name] > self._read.get(name, 0):
                    self._scan(name)

    def _scan(self, name: str) -> None:
        begin = self._read.get(name, 0)
        with (self._folder / name).open("rb") as stream:
            stream.seek(begin)
            for line in stream:
                if not line.endswith(b"\n"):  # it is being written, or never will be
                    break
                end = begin + len(line)
                if line[KEY : KEY + 1] == b" ":
                    self._places[line[:KEY]] = name, begin + KEY + 1, end
                begin = end
        self._read[name] = begin


def _taken(turn: FileLock) -> bool:
    """Whether this process has the turn now; also where the file system has no locks."""
    try:
        turn.acquire(blocking=False)
    except Timeout:
        return False
    except (OSError, NotImplementedError):
        return True
    return True


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals into one error that says what to do."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"{path}: {error.strerror or error}",
            hint="answers of endpoints are kept there; free some room, or check who may write "
            "there, and run the same command again: it goes on",
        ) from error


def _decoded(data: bytes) -> VlmAnswer | None:
    try:
        return VlmAnswer(_places(json.loads(data)))
    except (ValueError, TypeError):  # half of it was lost with the machine's power
        return None


def _places(found: Any) -> Sequence[dict[str, float]]:
    return [{str(text): float(value) for text, value in place} for place in found]
