"""A crew of processes on this machine: one for each device, or several that share the cores.

They are started as fresh interpreters, so that nothing of this one, a half-imported torch least of
all, is in them; pipes carry pickles. A worker whose foreman is gone finds its pipe closed, and ends
after the batch in hand.
"""

from __future__ import annotations

import json
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import IO, BinaryIO

from synpic.engine.crew import Gone
from synpic.engine.messages import Answer, Go, Message, Stop
from synpic.engine.task import Task
from synpic.engine.worker import work

__all__ = ["Processes", "end_with_grace", "main"]

_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from synpic.engine.local import main; main(sys.argv[2])"
)


class Processes:
    """Workers as processes of this machine.

    Args:
        devices: one for each worker, as torch names them.
        threads: for each worker's mathematics; as the environment has it if None.
    """

    def __init__(
        self, tasks: Sequence[Task], devices: Sequence[str], threads: int | None = None
    ) -> None:
        self._devices = list(devices)
        # Together, so that what tasks share, they share in the worker too.
        self._tasks = pickle.dumps([task.empty() for task in tasks])
        self._environment = dict(os.environ)
        if threads is not None:
            self._environment.setdefault("OMP_NUM_THREADS", str(threads))
        self._inbox: queue.Queue[tuple[int, Message | Gone]] = queue.Queue()
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._writers: dict[int, ThreadPoolExecutor] = {}

    @property
    def seats(self) -> int:
        """See :class:`synpic.engine.crew.Crew`."""
        return len(self._devices)

    @property
    def pids(self) -> dict[int, int]:
        """The process that has each seat, or had it last."""
        return {seat: process.pid for seat, process in self._processes.items()}

    def start(self, seat: int) -> None:
        """See :class:`synpic.engine.crew.Crew`."""
        process = subprocess.Popen(
            [sys.executable, "-c", _BOOT, json.dumps([*map(str, sys.path)]), self._devices[seat]],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=self._environment,
        )
        assert process.stdin is not None
        if seat in self._writers:
            self._writers[seat].shutdown(wait=False)
        self._processes[seat] = process
        # A thread writes: a worker that is slow to read must not keep the others waiting.
        self._writers[seat] = ThreadPoolExecutor(1, f"to worker {seat}")
        self._writers[seat].submit(_write, process.stdin, self._tasks)
        threading.Thread(
            target=self._listen, args=(seat, process), name=f"from worker {seat}", daemon=True
        ).start()

    def send(self, seat: int, answer: Answer) -> None:
        """See :class:`synpic.engine.crew.Crew`."""
        stream = self._processes[seat].stdin
        assert stream is not None
        self._writers[seat].submit(_write, stream, pickle.dumps(answer))

    def receive(self, seconds: float) -> list[tuple[int, Message | Gone]]:
        """See :class:`synpic.engine.crew.Crew`."""
        heard: list[tuple[int, Message | Gone]] = []
        with suppress(queue.Empty):
            heard.append(self._inbox.get(timeout=seconds))
            while True:
                heard.append(self._inbox.get_nowait())
        return heard

    def close(self) -> None:
        """See :class:`synpic.engine.crew.Crew`."""
        for process in self._processes.values():
            process.kill()
        for process in self._processes.values():
            process.wait()
        for writer in self._writers.values():
            writer.shutdown()
        for process in self._processes.values():
            with suppress(OSError):
                assert process.stdin is not None
                process.stdin.close()

    def _listen(self, seat: int, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        with suppress(EOFError, OSError, pickle.UnpicklingError), process.stdout as stream:
            while True:
                self._inbox.put((seat, pickle.load(stream)))
        code = process.wait()
        self._inbox.put((seat, Gone(f"exit code {code}")))


def _write(stream: IO[bytes], data: bytes) -> None:
    # It is gone, or a broken one is being killed; that is heard elsewhere.
    with suppress(OSError, ValueError):
        stream.write(data)
        stream.flush()


# -- in the worker's process ---------------------------------------------------------------------


def main(device: str) -> None:
    """What a worker's process runs."""
    told = os.fdopen(os.dup(0), "rb")
    says = os.fdopen(os.dup(1), "wb")
    # Whoever prints, or reads from a terminal, must not meddle with the pipes.
    os.dup2(2, 1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    link = _Pipes(told, says)
    end_with_grace(link.stop)
    tasks: list[Task] = pickle.load(told)
    link.listen()
    if device.startswith("cuda:"):
        import torch

        # Else a context, and memory, would be taken on the first device too.
        torch.cuda.set_device(device)
    work(link, tasks, device)


def end_with_grace(stop: threading.Event) -> None:
    """Leave Ctrl-C to the foreman, who is told too; SIGTERM sets ``stop``."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: stop.set())


class _Pipes:
    """A :class:`synpic.engine.worker.Link` over two pipes."""

    def __init__(self, told: BinaryIO, says: BinaryIO) -> None:
        self.stop = threading.Event()
        self._told, self._says = told, says
        self._answers: queue.Queue[Answer] = queue.Queue()

    def listen(self) -> None:
        """From now on, hear what the foreman says."""
        threading.Thread(target=self._listen, name="from the foreman", daemon=True).start()

    def send(self, message: Message) -> None:
        try:
            self._says.write(pickle.dumps(message))
            self._says.flush()
        except OSError:
            self.stop.set()

    def receive(self) -> Answer:
        return self._answers.get()

    def _listen(self) -> None:
        try:
            while True:
                answer = pickle.load(self._told)
                if isinstance(answer, Stop):
                    self.stop.set()
                else:
                    self._answers.put(answer)
        except (EOFError, OSError, pickle.UnpicklingError):
            self.stop.set()
            self._answers.put(Go())
