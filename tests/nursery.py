"""Commands in processes of their own, that need not import everything first.

A process that has imported what ``synpic`` imports, and done nothing else, forks for each command.
The child is an ordinary process with the environment, folder and streams of its own; it runs the
command's own entry point, ends as Python does, leads a process group, and can be killed like any
other. What a fresh interpreter would read when it starts (the hash seed, encodings) it has from
the process that forked it: tests of those start an interpreter.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import select
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

COMMAND = "from synpic_cli.main import run; run()"

Work = Callable[[], None]


def main() -> None:
    """Fork for each request of the socket whose number is the first argument, until it closes."""
    _import_all()
    gc.freeze()
    control = socket.socket(fileno=int(sys.argv[1]))
    control.send(b"ready")
    if (work := _serve(control)) is not None:
        work()
    os._exit(0)


def _import_all() -> None:
    import functools
    import importlib
    import pkgutil

    import datasets  # noqa: F401
    import diffusers
    import polars  # noqa: F401
    import pyarrow.parquet  # noqa: F401
    import torch  # noqa: F401
    import transformers
    import typer.main

    import synpic
    import synpic_cli

    for name in synpic.__all__:
        getattr(synpic, name)
    for module in pkgutil.iter_modules(synpic_cli.__path__, "synpic_cli."):
        importlib.import_module(module.name)
    # The tree of commands is made when a command begins.
    typer.main.get_command = functools.cache(typer.main.get_command)
    typer.main.get_command(synpic_cli.main.app)
    # Their classes are imported when they are first asked for.
    for name in ("StableDiffusionPipeline", "StableDiffusion3Pipeline", "PixArtSigmaPipeline"):
        getattr(diffusers, name)
    for name in ("CLIPTextModel", "CLIPTokenizer", "T5EncoderModel"):
        getattr(transformers, name)


def _serve(control: socket.socket) -> Work | None:
    """What to do: in a child its command, in this process nothing, once the socket is closed."""
    ended, note = os.pipe()
    for end in (ended, note):
        os.set_blocking(end, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(note)
    children: dict[int, socket.socket] = {}
    with selectors.DefaultSelector() as selector:
        selector.register(control, selectors.EVENT_READ)
        selector.register(ended, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is control:
                    request, *streams = _receive(control)
                    if request is None:
                        return None
                    pid = os.fork()
                    if pid == 0:
                        signal.set_wakeup_fd(-1)
                        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                        selector.close()
                        for one in (control, *children.values()):
                            one.close()
                        for one in (ended, note, streams.pop()):
                            os.close(one)
                        return lambda: _be(request, streams)
                    for one in streams[:3]:
                        os.close(one)
                    children[pid] = socket.socket(fileno=streams[3])
                    _tell(children[pid], pid)
                else:
                    with suppress(BlockingIOError):
                        os.read(ended, 4096)
            while children:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    break
                _tell(children[pid], os.waitstatus_to_exitcode(status))
                children.pop(pid).close()


def _tell(whom: socket.socket, number: int) -> None:
    with suppress(OSError):  # who asked may be gone
        whom.sendall(b"%d\n" % number)


def _receive(control: socket.socket) -> tuple[Any, ...]:
    """A request and its file descriptors: stdin, stdout, stderr and where to tell how it ended."""
    size, streams, _, _ = socket.recv_fds(control, 8, 4)
    if not size:
        return (None,)
    data = b""
    while len(data) < int(size, 16):
        data += control.recv(int(size, 16) - len(data))
    return json.loads(data), *streams


def _be(request: Mapping[str, Any], streams: Sequence[int]) -> None:
    os.setsid()
    # Tests that run in the background, or under nohup, hand down signals that are ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(request["environment"])
    time.tzset()
    tempfile.tempdir = None
    os.chdir(request["cwd"])
    if "HF_ENDPOINT" in os.environ:
        from tests.hub_server.fixtures import read_at_import

        for place, name, value in read_at_import(os.environ):
            setattr(place, name, value)
    sys.argv = ["synpic", *request["words"]]
    code: Any = None
    try:
        exec(request["code"], vars(sys.modules["__main__"]))
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
        code = 1
    # As Python ends, but for taking every object of every library to pieces.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(ValueError, OSError):
            stream.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


class Started:
    """A command that runs: what tests use of ``subprocess.Popen``."""

    def __init__(self, told: socket.socket, streams: Sequence[IO[str] | None]) -> None:
        self._told = told.makefile("r")
        self.pid = int(self._told.readline())
        self.stdout, self.stderr = streams
        self.returncode: int | None = None
        self._reading = threading.Lock()

    def poll(self) -> int | None:
        """How it ended, if it has; a signal is negative."""
        if self.returncode is None and select.select([self._told], [], [], 0)[0]:
            self.wait()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """How it ended, once it has."""
        until = None if timeout is None else time.monotonic() + timeout
        while self.returncode is None:
            left = None if until is None else max(0, until - time.monotonic())
            if not select.select([self._told], [], [], left)[0]:
                raise subprocess.TimeoutExpired(COMMAND, timeout or 0)
            with self._reading:  # others may wait for it, too
                if self.returncode is None:
                    self.returncode = int(self._told.readline())
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """What it wrote to stdout and to stderr, as far as they are pipes, once it has ended."""
        with ThreadPoolExecutor(2) as readers:
            read = [readers.submit(_rest, stream) for stream in (self.stdout, self.stderr)]
            try:
                self.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill_group()  # which ends the reading, too
                raise
        output, errors = (one.result() for one in read)
        return output, errors

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def kill_group(self) -> int:
        """SIGKILL to it and to all that it has started; how it ended."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        return self.wait()


def _rest(stream: IO[str] | None) -> str:
    if stream is None or stream.closed:
        return ""
    with stream:
        return stream.read()


class ForkServer:
    """The process that forks, begun when it is first needed."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)
        self._control: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def start(
        self,
        words: Sequence[str | Path],
        *,
        code: str = COMMAND,
        cwd: str | Path | None = None,
        environment: Mapping[str, str] | None = None,
        log: Path | None = None,
    ) -> Started:
        """``synpic`` with these words, or other ``code``.

        Args:
            words: ``sys.argv`` after the program.
            cwd: where it runs, if not in the test's own folder.
            environment: all of it, if not the server's.
            log: the file that stdout and stderr are added to. Without, they are pipes.
        """
        control = self._control or self._begin()
        here, there = socket.socketpair()
        request = {
            "words": [str(word) for word in words],
            "code": code,
            "cwd": str(cwd or Path.cwd()),
            "environment": dict(self._environment if environment is None else environment),
        }
        data = json.dumps(request).encode()
        with here, there, open(os.devnull) as nothing:
            if log is None:
                pipes = [os.pipe(), os.pipe()]
                streams = [os.fdopen(read, "r", encoding="utf-8") for read, _ in pipes]
                ends = [write for _, write in pipes]
            else:
                streams = [None, None]
                ends = [os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND)]
            given = [nothing.fileno(), ends[0], ends[-1], there.fileno()]
            socket.send_fds(control, [b"%08x" % len(data)], given)
            control.sendall(data)
            for end in ends:
                os.close(end)
            there.close()
            return Started(here, streams)

    def _begin(self) -> socket.socket:
        self._control, there = socket.socketpair()
        with there:
            # Not -m: a process that a command spawns would import this once more.
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    "from tests.nursery import main; main()",
                    str(there.fileno()),
                ],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                pass_fds=[there.fileno()],
            )
        assert self._control.recv(5) == b"ready"
        return self._control

    def close(self) -> None:
        if self._control is not None and self._process is not None:
            self._control.close()
            self._process.wait(60)


class Child:
    """A command whose output goes to ``log``, to be killed with all that it has started."""

    def __init__(self, started: Started, log: Path) -> None:
        self._started, self.pid, self.log = started, started.pid, log

    def poll(self) -> int | None:
        """How it ended, if it has; a signal is negative."""
        return self._started.poll()

    def wait(self) -> int:
        """How it ended, once it has."""
        return self._started.wait()

    def kill(self) -> int:
        """SIGKILL to it and all of its group; how it ended."""
        return self._started.kill_group()


class Nursery:
    """Starts commands that share a log."""

    def __init__(self, server: ForkServer, environment: Mapping[str, str], log: Path) -> None:
        self._server, self._environment, self._log = server, environment, log

    def start(self, *words: str | Path, **environment: str) -> Child:
        """``synpic …`` with ``environment`` added to the test's own."""
        around = {**self._environment, **environment}
        return Child(self._server.start(words, environment=around, log=self._log), self._log)

    def run(self, *words: str | Path, **environment: str) -> int:
        """As :meth:`start`, to its end."""
        return self.start(*words, **environment).wait()


@contextmanager
def nursery(log: Path, environment: Mapping[str, str]) -> Iterator[Nursery]:
    """Args: ``log`` is what the commands print; ``environment`` is theirs."""
    server = ForkServer(environment)
    try:
        yield Nursery(server, environment, log)
    finally:
        server.close()
