"""A worker's way to its foreman, over whatever carries words there and back."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from synpic.engine.messages import Answer, Go, Message, Stop

__all__ = ["Mailbox"]


class Mailbox:
    """A :class:`synpic.engine.worker.Link`.

    Args:
        write: takes a message to the foreman.
        read: waits for the foreman's next word.
        gone: what either raises when there is no foreman any more.
    """

    def __init__(
        self,
        write: Callable[[Message], None],
        read: Callable[[], Answer],
        gone: tuple[type[Exception], ...],
    ) -> None:
        self.stop = threading.Event()
        self._write, self._read, self._gone = write, read, gone
        self._answers: queue.Queue[Answer] = queue.Queue()

    def listen(self) -> None:
        """From now on, hear what the foreman says, and a :class:`Stop` while a batch is in hand."""
        threading.Thread(target=self._listen, name="from the foreman", daemon=True).start()

    def send(self, message: Message) -> None:
        """See :class:`synpic.engine.worker.Link`."""
        try:
            self._write(message)
        except self._gone:
            self.stop.set()

    def receive(self) -> Answer:
        """See :class:`synpic.engine.worker.Link`."""
        return self._answers.get()

    def _listen(self) -> None:
        try:
            while True:
                answer = self._read()
                if isinstance(answer, Stop):
                    self.stop.set()
                else:
                    self._answers.put(answer)
        except self._gone:
            self.stop.set()
            self._answers.put(Go())
