"""A crew of threads, for tests: as one of processes, without the seconds that these take to start.

Tasks and messages are pickled as on any way between processes.
"""

from __future__ import annotations

import pickle
import queue
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from synpic.engine.crew import Gone
from synpic.engine.messages import Answer, Go, Message, Stop
from synpic.engine.task import Task
from synpic.engine.worker import work


class Dies(BaseException):
    """Ends a worker on the spot, as a signal would."""


class Link:
    def __init__(self, seat: int, inbox: queue.Queue[Any]) -> None:
        self.stop = threading.Event()
        self.seat, self._inbox = seat, inbox
        self.answers: queue.Queue[Answer] = queue.Queue()

    def send(self, message: Message) -> None:
        self._inbox.put((self.seat, pickle.loads(pickle.dumps(message))))

    def receive(self) -> Answer:
        return self.answers.get()


class Threads:
    """Workers as threads.

    Args:
        started: which seats were taken, in order.
    """

    def __init__(self, tasks: Sequence[Task], seats: int) -> None:
        self.seats = seats
        self.late = 0.0
        self.started: list[int] = []
        self._tasks = pickle.dumps([task.empty() for task in tasks])
        self._inbox: queue.Queue[tuple[int, Message | Gone]] = queue.Queue()
        self._links: dict[int, Link] = {}
        self._threads: list[threading.Thread] = []

    def start(self, seat: int) -> None:
        self.started.append(seat)
        link = self._links[seat] = Link(seat, self._inbox)
        thread = threading.Thread(target=self._run, args=(link,), daemon=True)
        self._threads.append(thread)
        thread.start()

    def send(self, seat: int, answer: Answer) -> None:
        link = self._links[seat]
        if isinstance(answer, Stop):
            link.stop.set()
        else:
            link.answers.put(pickle.loads(pickle.dumps(answer)))

    def receive(self, seconds: float) -> list[tuple[int, Message | Gone]]:
        with suppress(queue.Empty):
            return [self._inbox.get(timeout=seconds)]
        return []

    def stopped(self, seat: int) -> bool:
        return False

    def end(self, seat: int) -> None:
        self._inbox.put((seat, Gone("exit code -9")))

    def close(self) -> None:
        # Threads cannot be killed, but told.
        for link in self._links.values():
            link.stop.set()
            link.answers.put(Go())
        for thread in self._threads:
            thread.join(60)

    def _run(self, link: Link) -> None:
        how = "exit code 0"
        try:
            work(link, pickle.loads(self._tasks), "cpu")
        except Dies:
            how = "exit code -9"
        self._inbox.put((link.seat, Gone(how)))
