"""What long work tells whoever watches: plain events, no terminal in sight."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from synpic.errors import SynpicError

__all__ = ["Event", "Listener", "Meter"]


@dataclass(frozen=True)
class Event:
    """How far one model or reward is.

    Args:
        stage: "generate", "score"; of training, "encode" and "train".
        name: the model or reward; what is encoded; the objective.
        state: "opening", "working", "waiting" (for room on the device), "done" or "broken".
        done, total: of this run, in images; of training in steps.
        failed: images that became failure rows in this run.
        rate: of them per second since the first batch; None before it.
        note: a sentence, where there is something to say.
    """

    stage: str
    name: str
    state: str
    done: int
    total: int
    failed: int = 0
    rate: float | None = None
    note: str | None = None

    @property
    def seconds_left(self) -> float | None:
        """At the present rate; None before there is one."""
        return (self.total - self.done) / self.rate if self.rate else None


Listener = Callable[[Event], None]


@dataclass
class Meter:
    """Counts what one model or reward does and tells ``listener``."""

    stage: str
    name: str
    total: int
    listener: Listener | None = None
    done: int = 0
    failed: int = 0
    _began: float = field(default_factory=time.monotonic)
    _done_before: int = 0

    def begin(self) -> None:
        """Start the clock: after opening, which is not work."""
        self._began, self._done_before = time.monotonic(), self.done
        self.tell("working")

    def add(self, done: int, failed: int, left: int) -> None:
        """Count images that are finished, those of them that failed, and say what is left.

        What is left may shrink by more than was finished: others work too.
        """
        self.done += done
        self.failed += failed
        self.total = self.done + left
        self.tell("working")

    def end(self, broken: SynpicError | None) -> None:
        """Send the last event."""
        self.tell("broken" if broken else "done", broken.message if broken else None)

    def tell(self, state: str, note: str | None = None) -> None:
        """Send an event."""
        if self.listener is not None:
            seconds = time.monotonic() - self._began
            done = self.done - self._done_before
            rate = done / seconds if done and seconds > 0 else None
            self.listener(
                Event(self.stage, self.name, state, self.done, self.total, self.failed, rate, note)
            )
