"""A crew of processes on this machine: one for each device, or several that share the cores.

They are started as fresh interpreters, so that nothing of this one, a half-imported torch least of
all, is in them. Two pipes of their own carry pickles, and what anybody prints goes elsewhere. A
worker whose foreman is gone finds its pipe closed, and ends after the batch in hand.
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
import traceback
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO, BinaryIO, NoReturn

from synpic.engine.crew import Gone
from synpic.engine.mailbox import Mailbox
from synpic.engine.messages import Answer, Message
from synpic.engine.task import Task
from synpic.engine.threads import share
from synpic.engine.watch import shortest_deadline
from synpic.engine.worker import baggage, work_with
from synpic.errors import DeviceLost

__all__ = ["Processes", "end_with_grace", "main"]

_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from synpic.engine.local import main; main(sys.argv[2], *map(int, sys.argv[3:]))"
)

LINGERING = 5.0
"""Seconds for a process to end once it has said its last; then it is ended."""


class Processes:
    """Workers as processes of this machine.

    Args:
        devices: one for each worker, as torch names them.
    """

    def __init__(self, tasks: Sequence[Task], devices: Sequence[str]) -> None:
        self._devices = list(devices)
        self._baggage = baggage(tasks)
        self._environment = os.environ | share(len(devices))
        self._inbox: queue.Queue[tuple[int, Message | Gone]] = queue.Queue()
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._ways: dict[int, BinaryIO] = {}
        self._writers: dict[int, ThreadPoolExecutor] = {}

    late = 0.0
    """They see what this process sees."""

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
        hears, tell = os.pipe()
        listen, says = os.pipe()
        paths = json.dumps([*map(str, sys.path)])
        try:
            process = subprocess.Popen(
                [sys.executable, "-c", _BOOT, paths, self._devices[seat], str(hears), str(says)],
                stdin=subprocess.DEVNULL,
                stdout=2,  # ours is for what the command says
                env=self._environment,
                pass_fds=(hears, says),
            )
        finally:
            os.close(hears)
            os.close(says)
        if seat in self._writers:
            self._writers[seat].shutdown(wait=False)
        self._processes[seat] = process
        # A thread writes: a worker that is slow to read must not keep the others waiting.
        writer = self._writers[seat] = ThreadPoolExecutor(1, f"to worker {seat}")
        if seat in self._ways:
            writer.submit(_close, self._ways[seat])
        way = self._ways[seat] = os.fdopen(tell, "wb")
        writer.submit(_write, way, self._baggage)
        threading.Thread(
            target=self._listen,
            args=(seat, process, os.fdopen(listen, "rb")),
            name=f"from worker {seat}",
            daemon=True,
        ).start()

    def send(self, seat: int, answer: Answer) -> None:
        """See :class:`synpic.engine.crew.Crew`."""
        self._writers[seat].submit(_write, self._ways[seat], pickle.dumps(answer))

    def receive(self, seconds: float) -> list[tuple[int, Message | Gone]]:
        """See :class:`synpic.engine.crew.Crew`."""
        heard: list[tuple[int, Message | Gone]] = []
        with suppress(queue.Empty):
            heard.append(self._inbox.get(timeout=seconds))
            while True:
                heard.append(self._inbox.get_nowait())
        return heard

    def stopped(self, seat: int) -> bool:
        """See :class:`synpic.engine.crew.Crew`."""
        try:
            text = Path(f"/proc/{self._processes[seat].pid}/stat").read_text("ascii", "replace")
        except OSError:  # it has ended; or the system has no such file
            return False
        return text.rpartition(")")[2].split()[0] in ("T", "t")

    def end(self, seat: int) -> None:
        """See :class:`synpic.engine.crew.Crew`."""
        self._processes[seat].kill()

    def close(self) -> None:
        """See :class:`synpic.engine.crew.Crew`."""
        for process in self._processes.values():
            process.kill()
        for process in self._processes.values():
            process.wait()
        for writer in self._writers.values():
            writer.shutdown()
        for way in self._ways.values():
            _close(way)

    def _listen(self, seat: int, process: subprocess.Popen[bytes], stream: BinaryIO) -> None:
        how: str | None = None
        unread: Exception | None = None
        try:
            with stream:
                while how is None:
                    said = pickle.load(stream)
                    if isinstance(said, Gone):
                        how = said.how
                    else:
                        self._inbox.put((seat, said))
        except EOFError:
            pass
        except Exception as error:  # anything may be raised where something foreign is unpickled
            unread = error
        finally:
            code = _end(process)
            if unread is not None and code is None:
                how = f"it said what cannot be read: {type(unread).__name__}: {unread}"[:300]
            self._inbox.put((seat, Gone(how or f"exit code {process.returncode}")))


def _end(process: subprocess.Popen[bytes]) -> int | None:
    """Its exit code, or None: it had to be ended."""
    try:
        return process.wait(LINGERING)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return None


def _close(stream: IO[bytes]) -> None:
    with suppress(OSError):
        stream.close()


def _write(stream: IO[bytes], data: bytes) -> None:
    # It is gone, or a broken one is being killed; that is heard elsewhere.
    with suppress(OSError, ValueError):
        stream.write(data)
        stream.flush()


# -- in the worker's process ---------------------------------------------------------------------


def main(device: str, hears: int, talks: int) -> None:
    """What a worker's process runs.

    Args:
        device: as torch names it.
        hears, talks: descriptors of its pipes, from and to the foreman.
    """
    told, says = os.fdopen(hears, "rb"), os.fdopen(talks, "wb")
    # They are this process's, and none's that it starts.
    for descriptor in (hears, talks):
        os.set_inheritable(descriptor, False)
    os.register_at_fork(after_in_child=partial(_without, hears, talks))
    link = Mailbox(
        partial(_say, says),
        partial(_hear, told),
        gone=(EOFError, OSError, pickle.UnpicklingError),
    )
    end_with_grace(link.stop)
    code = 1
    try:
        tasks, patience = pickle.load(told)
        link.listen()
        if device.startswith("cuda:"):
            import torch

            # Else a context, and memory, would be taken on the first device too.
            torch.cuda.set_device(device)
        work_with(link, tasks, patience, device)
        code = 0
    except DeviceLost as error:
        with suppress(OSError):
            _say(says, Gone(error.message))
    except BaseException:
        # The process ends with its own words, which the command shows; nothing is left to raise to.
        traceback.print_exc()
    finally:
        _leave(says, code)


def _leave(says: BinaryIO, code: int) -> NoReturn:
    # At once: libraries leave threads behind that may never end, and all that counts is written.
    _close(says)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def end_with_grace(stop: threading.Event) -> None:
    """Leave Ctrl-C, and a terminal that is closed, to the command; SIGTERM sets ``stop``."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: stop.set())


def _hear(stream: BinaryIO) -> Answer:
    try:
        answer: Answer = pickle.load(stream)
    except (EOFError, OSError):
        # The command is gone. A batch that hangs must not keep this process for ever.
        timer = threading.Timer(shortest_deadline(), os._exit, (1,))
        timer.daemon = True
        timer.start()
        raise
    return answer


def _without(*descriptors: int) -> None:
    # A child that outlives this process would keep the pipe open, and nothing would tell that this
    # process has ended.
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in descriptors:
        os.dup2(nothing, descriptor, inheritable=False)
    os.close(nothing)


def _say(stream: BinaryIO, message: Message | Gone) -> None:
    stream.write(pickle.dumps(message))
    stream.flush()
