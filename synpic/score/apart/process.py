"""A process in another environment that scores, asked over a Unix socket; it ends with this one."""

from __future__ import annotations

import base64
import http.client
import json
import shutil
import socket
import subprocess
import tempfile
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from PIL.Image import Image
from pydantic import ValidationError

from synpic.errors import RewardError
from synpic.readers.images import as_png
from synpic.score.wires.synpic import ScoreAnswer, ScoreRequest

__all__ = ["OtherProcess"]

_SERVER = Path(__file__).parent / "inside" / "server.py"
_DEATHS = 3
"""Deaths in a row, without a score between them, after which it is not started again."""
_ENDING = 5.0
"""Seconds for a process that ends."""
_LONGEST = 100
"""Bytes of a socket's path: Linux takes 107, macOS 103."""


class OtherProcess:
    """A reward's code in an interpreter of another environment.

    Args:
        name: of the reward, for messages.
        python: the interpreter.
        code: ``package.module:callable``, or the path of a file and ``:callable``.
        beside: a folder in which modules are looked for too.
        options: keywords of the code; what JSON can hold.

    Raises:
        RewardError: it cannot be started; the message has the end of what it wrote.
    """

    def __init__(
        self,
        name: str,
        python: Path,
        code: str,
        beside: Path | None,
        options: Mapping[str, Any],
    ) -> None:
        self._name, self._python = name, python
        self._told: dict[str, Any] = {
            "code": code,
            "beside": str(beside) if beside else None,
            "options": dict(options),
        }
        self._deaths = 0
        self._lock = threading.Lock()
        self._start()

    def score(self, prompts: Sequence[str], images: Sequence[Image]) -> list[float]:
        """Scores of n prompts and n RGB images.

        Raises:
            ValueError: the code raised an error, or its process died, at these images.
            RewardError: it died several times without a score between.
        """
        request = ScoreRequest(
            prompts=list(prompts), images=[_encoded(one) for one in images], rewards=["reward"]
        )
        with self._lock:
            if self._process.poll() is not None:
                shutil.rmtree(self._folder, ignore_errors=True)
                self._start()
            try:
                text = self._posted(request.model_dump_json(exclude_none=True).encode())
            except (OSError, http.client.HTTPException):
                self._died()
        answer = _answer(text)
        if answer.errors:
            raise ValueError(answer.errors[0].message)
        self._deaths = 0
        return [float("nan") if one is None else one for one in answer.scores["reward"]]

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(_ENDING)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self) -> None:
        folder = tempfile.mkdtemp(prefix="synpic-")
        if len(folder) > _LONGEST - len("/socket"):
            Path(folder).rmdir()
            folder = tempfile.mkdtemp(prefix="synpic-", dir="/tmp")
        self._folder = folder
        self._tail: deque[str] = deque(maxlen=20)
        self._process = subprocess.Popen(
            # Isolated: no variable of this environment leads it to packages of this one.
            [self._python, "-I", _SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        process = self._process
        # It holds nothing of this object: a reward that is let go ends its process.
        reading = (process.stderr, self._tail)
        self._reader = threading.Thread(target=_read, args=reading, daemon=True)
        self._reader.start()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps({**self._told, "folder": folder}) + "\n")
            process.stdin.flush()
            ready = process.stdout.readline()
        except OSError:
            ready = ""
        if not ready:
            process.kill()
            status = process.wait()
            self._reader.join(5)
            shutil.rmtree(folder, ignore_errors=True)
            raise RewardError(
                f"reward {self._name!r} cannot be opened in its environment: {self._end(status)}",
                hint=f"run {self._python} yourself to see what it lacks",
            )

    def _posted(self, body: bytes) -> str:
        connection = _UnixConnection(str(Path(self._folder) / "socket"))
        try:
            connection.request("POST", "/v1/score", body, {"Content-Type": "application/json"})
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    def _died(self) -> NoReturn:
        """Raise what it means that there is no answer."""
        try:
            status = self._process.wait(_ENDING)
        except subprocess.TimeoutExpired:  # it lives, and does not answer
            self._process.kill()
            status = self._process.wait()
        self._reader.join(5)
        shutil.rmtree(self._folder, ignore_errors=True)
        self._deaths += 1
        message = f"its process ended: {self._end(status)}"
        if self._deaths >= _DEATHS:
            raise RewardError(
                f"reward {self._name!r}: {message}",
                hint=f"that was {self._deaths} times in a row; scores so far are kept",
            )
        raise ValueError(message)

    def _end(self, status: int) -> str:
        how = f"signal {-status}" if status < 0 else f"exit status {status}"
        return "\n".join([how, *self._tail])


def _read(stream: Any, tail: deque[str]) -> None:
    for line in stream:
        tail.append(line.rstrip())


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a socket that is a file."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        """Open the socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)


def _answer(text: str) -> ScoreAnswer:
    try:
        return ScoreAnswer.model_validate_json(text)
    except ValidationError as error:
        raise ValueError(f"its process gave no scores: {error.errors()[0]['msg']}") from None


def _encoded(image: Image) -> str:
    return base64.b64encode(as_png(image)).decode()
