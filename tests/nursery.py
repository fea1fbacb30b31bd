"""Commands in processes of their own, that need not import everything first.

A process that has imported what ``synpic generate`` imports, and done nothing else, forks for each
command. The child is an ordinary process that runs the command's own entry point, leads a process
group, and can be killed like any other.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any


def main() -> None:
    """Answer requests until there are no more: a line with a pid, then one with how it ended."""
    import diffusers
    import polars  # noqa: F401
    import pyarrow.parquet  # noqa: F401
    import torch  # noqa: F401
    import transformers

    from synpic.pipeline import steps  # noqa: F401
    from synpic_cli import generate, main  # noqa: F401

    # Their classes are imported when they are first asked for.
    for name in ("StableDiffusionPipeline", "StableDiffusion3Pipeline", "PixArtSigmaPipeline"):
        getattr(diffusers, name)
    for name in ("CLIPTextModel", "CLIPTokenizer", "T5EncoderModel"):
        getattr(transformers, name)
    print("ready", flush=True)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _be(json.loads(line))
        print(pid, flush=True)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _be(request: Mapping[str, Any]) -> None:
    os.setsid()
    # Tests that run in the background, or under nohup, hand down signals that are ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDONLY)
    log = os.open(request["log"], os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    for number, file in enumerate((nothing, log, log)):
        os.dup2(file, number)
    os.environ.update(request["environment"])
    sys.argv = ["synpic", *request["words"]]
    from synpic_cli.main import run

    code: Any = 1
    try:
        run()
        code = 0
    except SystemExit as end:
        code = end.code
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else int(code is not None))


class Child:
    """A command that runs. Its output goes to ``log``."""

    def __init__(self, nursery: subprocess.Popen[str], pid: int, log: Path) -> None:
        self._nursery, self.pid, self.log = nursery, pid, log
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """How it ended, if it has; a signal is negative."""
        assert self._nursery.stdout is not None
        if self.returncode is None and select.select([self._nursery.stdout], [], [], 0)[0]:
            self.wait()
        return self.returncode

    def wait(self) -> int:
        """How it ended, once it has."""
        assert self._nursery.stdout is not None
        if self.returncode is None:
            self.returncode = int(self._nursery.stdout.readline())
        return self.returncode

    def kill(self) -> int:
        """SIGKILL to it and all of its group; how it ended."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        return self.wait()


class Nursery:
    """Starts commands, one at a time."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self._process, self._log = process, log

    def start(self, *words: str | Path, **environment: str) -> Child:
        """``synpic …`` with ``environment`` added to the test's own."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = {
            "words": [str(word) for word in words],
            "log": str(self._log),
            "environment": environment,
        }
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return Child(self._process, int(self._process.stdout.readline()), self._log)

    def run(self, *words: str | Path, **environment: str) -> int:
        """As :meth:`start`, to its end."""
        return self.start(*words, **environment).wait()


@contextmanager
def nursery(log: Path, environment: Mapping[str, str]) -> Iterator[Nursery]:
    """Args: ``log`` is what the commands print; ``environment`` is theirs."""
    # Not -m: a process that a command spawns would import this once more.
    process = subprocess.Popen(
        [sys.executable, "-c", "from tests.nursery import main; main()"],
        env=dict(environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline().strip() == "ready"
        yield Nursery(process, log)
    finally:
        process.stdin.close()
        process.wait(60)
        process.stdout.close()
