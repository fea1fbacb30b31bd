"""What long work reports: plain events, for a terminal or any other listener."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from synpic.engine import memory
from synpic.errors import SynpicError

__all__ = ["Event", "Listener", "Meter", "label"]

_UNITS = {"train": "steps", "compare": "pairs"}
"""What is counted in a stage, if it is not images or prompts."""

RECENT_SECONDS = 300.0
RECENT_BATCHES = 8
"""The present rate is that of the last five minutes, and of eight batches at least: over hours a
device slows down, gets company or moves on to longer prompts, and a mean would hide it."""


def label(name: str, size: str | None) -> str:
    """What people call it: "sdxl 1280x768"; each size of a model is work of its own."""
    return name if size is None else f"{name} {size}"


@dataclass(frozen=True)
class Event:
    """How far one model at one size is, or one reward.

    Args:
        stage: "find", "ingest", "generate", "score", "compare"; "plan"; of training, "encode" and
            "train".
        name: the model or reward; what is encoded; the objective.
        state: "opening", "working", "waiting" (for room on the device), "done" or "broken".
        done, total: of this run, in images; of "compare" in pairs of images, of training in steps.
        failed: images that became failure rows in this run.
        rate: images per second. While there is work, of late, and without the first batch, which
            warms up, as soon as there is another; at the end, of all of it. None before the first
            batch.
        note: a sentence, where there is something to say.
        memory: bytes held at most at once since it was opened, of the device it works on: of a GPU
            what this process took, of a CPU the process's resident size. None where unknown.
        size: of the model's images, as "1280x768"; None where the pipeline chooses, and of
            everything else.
        news: what has just happened to one of several workers; reported once.
    """

    stage: str
    name: str
    state: str
    done: int
    total: int
    failed: int = 0
    rate: float | None = None
    note: str | None = None
    memory: int | None = None
    size: str | None = None
    news: str | None = None

    @property
    def key(self) -> tuple[str, str, str | None]:
        """What tells whose event it is."""
        return self.stage, self.name, self.size

    @property
    def label(self) -> str:
        """What people call it."""
        return label(self.name, self.size)

    @property
    def unit(self) -> str:
        """What is counted, in the plural."""
        return _UNITS.get(self.stage) or ("prompts" if self.name == "prompts" else "images")

    @property
    def seconds_left(self) -> float | None:
        """At the present rate; None before there is one."""
        return (self.total - self.done) / self.rate if self.rate else None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "seconds_left": self.seconds_left}


Listener = Callable[[Event], None]


@dataclass
class Meter:
    """Counts what one model or reward does and tells ``listener``.

    Args:
        total: images to do.
        size: of the model's images; see :class:`Event`.
        device: whose memory is reported; none if None.
        clock: seconds, from anywhere, that never go back.
    """

    stage: str
    name: str
    total: int
    listener: Listener | None = None
    device: str | None = None
    clock: Callable[[], float] = time.monotonic
    size: str | None = None
    done: int = 0
    failed: int = 0
    remark: str | None = None
    """The note of events that have none of their own."""
    _marks: deque[tuple[float, int]] = field(default_factory=deque)
    """Times and how many were done: at the beginning of work, then after each recent batch."""
    _began: tuple[float, int] | None = None

    def opening(self) -> None:
        """Say that it is being opened; memory is counted from here."""
        if self.device is not None:
            memory.forget_peak(self.device)
        self._began = None
        self._marks.clear()
        self.tell("opening")

    def begin(self) -> None:
        """Start the clock: after opening, which is not work."""
        self._began = (self.clock(), self.done)
        self._marks.clear()
        self.tell("working")

    def add(self, done: int, failed: int, left: int) -> None:
        """Count images that are finished, those of them that failed, and say what is left.

        What is left may shrink by more than was finished: others work too.
        """
        self.done += done
        self.failed += failed
        self.total = self.done + left
        now = self.clock()
        marks = self._marks
        if len(marks) > 1 and now - marks[-2][0] < 1:
            marks.pop()  # a second apart is near enough, however small the batches are
        marks.append((now, self.done))
        while len(marks) > RECENT_BATCHES + 1 and now - marks[1][0] >= RECENT_SECONDS:
            marks.popleft()
        self.tell("working")

    def end(self, broken: SynpicError | None) -> None:
        """Send the last event."""
        self.tell("broken" if broken else "done", broken.message if broken else None)

    def tell(self, state: str, note: str | None = None) -> None:
        """Send an event."""
        if self.listener is None:
            return
        rate = self._recent_rate() if state == "working" else self._whole_rate()
        held = None if self.device is None else memory.peak(self.device)
        self.listener(
            Event(
                self.stage,
                self.name,
                state,
                self.done,
                self.total,
                self.failed,
                rate,
                note or self.remark,
                held,
                self.size,
            )
        )

    def _recent_rate(self) -> float | None:
        if len(self._marks) < 2:
            return self._whole_rate()
        return _rate(self._marks[0], self._marks[-1])

    def _whole_rate(self) -> float | None:
        # Up to the last batch: what comes after it is writing and letting go.
        if self._began is None or not self._marks:
            return None
        return _rate(self._began, self._marks[-1])


def _rate(since: tuple[float, int], until: tuple[float, int]) -> float | None:
    seconds, done = until[0] - since[0], until[1] - since[1]
    return done / seconds if done and seconds > 0 else None
