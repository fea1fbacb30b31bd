"""One model or reward, opened as a run opens it and timed on a few batches. Nothing is kept."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from synpic.engine import memory
from synpic.engine.device import free_memory
from synpic.engine.progress import Listener, Meter
from synpic.engine.task import Item, Made, Row, Task
from synpic.errors import Stopped, SynpicError
from synpic.readers.display import count

__all__ = ["Timing", "time_task"]


@dataclass(frozen=True)
class Timing:
    """What calibration measured.

    Args:
        opening: seconds until it was at work: to open it, and what the first batch took longer than
            the others (compiled code, chosen kernels, filled caches).
        batches: images and seconds of each batch that was timed.
        seconds_per_image: of all of them; where encoding is slower than drawing, of encoding.
        batch_size: images at once, as the device had room for them.
        memory: bytes held at most at once; see :func:`synpic.engine.memory.peak`.
        bytes_per_image: of an encoded image, on average; None of a reward.
        failed: images that failed, and the reason of one of them.
        note: what it did to find room, if anything.
    """

    opening: float
    batches: tuple[tuple[int, float], ...]
    seconds_per_image: float
    batch_size: int
    memory: int | None
    bytes_per_image: float | None
    failed: int = 0
    reason: str | None = None
    note: str | None = None

    @property
    def images_per_second(self) -> float:
        """Of one device."""
        return 1 / self.seconds_per_image

    @property
    def fastest(self) -> float:
        """Seconds an image, in the fastest batch."""
        return min(self.seconds_per_image, *(seconds / n for n, seconds in self.batches))

    @property
    def slowest(self) -> float:
        """Seconds an image, in the slowest batch."""
        return max(self.seconds_per_image, *(seconds / n for n, seconds in self.batches))

    @property
    def spread(self) -> float:
        """From the fastest to the slowest, as a share of the mean; 0 of a single batch."""
        return (self.slowest - self.fastest) / self.seconds_per_image


def time_task(
    task: Task,
    batches: Sequence[list[Item]],
    device: str,
    keep: int = 0,
    listener: Listener | None = None,
    stop: threading.Event | None = None,
) -> tuple[Timing, list[Row]]:
    """Open ``task`` and do ``batches``, the first of them to warm up. Nothing is written.

    Args:
        batches: two or more, of the task or made like them; all of their rows are made.
        keep: how many rows to return, at most.
        stop: when set, the current batch is the last.

    Returns:
        The timing, and the first rows that were made.

    Raises:
        SynpicError: it cannot be opened, or it made no image.
        Stopped: ``stop`` was set.
    """
    meter = Meter("plan", task.name, sum(map(len, batches)), listener, device, size=task.size)
    problem: SynpicError | None = None
    try:
        ended = _time(task, batches, device, keep, meter, stop or threading.Event())
    except SynpicError as error:
        # Without its frames, which hold the model: the next one needs the room.
        error.__cause__ = error.__context__ = None
        problem = error.with_traceback(None)
    free_memory()
    meter.end(problem)
    if problem is not None:
        raise problem
    return ended


def _time(
    task: Task,
    batches: Sequence[list[Item]],
    device: str,
    keep: int,
    meter: Meter,
    stop: threading.Event,
) -> tuple[Timing, list[Row]]:
    collected = _Collected(keep)
    left = meter.total
    took: list[tuple[int, float]] = []
    meter.opening()
    began = time.perf_counter()
    with closing(task.opener.open(device, "calibration")) as work:
        opening = time.perf_counter() - began
        # Not told what to expect: the batch that warms up would read the texts of them all.
        meter.begin()
        for batch, following in zip(batches, [*batches[1:], []], strict=True):
            if stop.is_set():
                raise Stopped("plan: stopped", hint="nothing was kept of it")
            began = time.perf_counter()
            made = work.do(batch, batch, following)
            took.append((len(batch), time.perf_counter() - began))
            collected.add(made)
            left -= len(batch)
            meter.add(len(batch), len(made.failed), left)
        began = time.perf_counter()
        collected.add(work.finish())
        drained = time.perf_counter() - began
        note = getattr(work, "note", None)
        held = memory.peak(device)
    if not collected.made:
        raise _nothing_came(task, collected)
    (warm_images, warm_seconds), *timed = took
    per_image = _seconds_per_image(warm_images, timed, drained)
    return Timing(
        opening=opening + max(0.0, warm_seconds - warm_images * per_image),
        batches=tuple(timed),
        seconds_per_image=per_image,
        batch_size=max(collected.sizes[-len(batches[-1]) :], default=len(batches[-1])),
        memory=held,
        bytes_per_image=collected.bytes / collected.made if collected.bytes else None,
        failed=len(collected.failed),
        reason=next(iter(collected.failed.values()), None),
        note=note,
    ), collected.rows


class _Collected:
    """What came of all batches so far."""

    def __init__(self, keep: int) -> None:
        self.keep = keep
        self.rows: list[Row] = []
        self.failed: dict[str, str] = {}
        self.made = self.bytes = 0
        self.sizes: list[int] = []
        self.starved = False

    def add(self, made: Made) -> None:
        self.made += len(made.rows)
        self.bytes += sum(len(row["image"]["bytes"]) for row in made.rows if "image" in row)
        self.sizes += [row["batch_size"] for row in made.rows if row.get("batch_size")]
        self.failed.update(made.failed)
        self.starved |= made.starved
        self.rows += made.rows[: max(0, self.keep - len(self.rows))]


def _seconds_per_image(
    warm_images: int, timed: Sequence[tuple[int, float]], drained: float
) -> float:
    """Of the slower of two that work at once: the device, and the threads that encode.

    The threads begin when the first batch is drawn and end with ``drained``; in that time they
    encode all batches, and the device draws all but the first.
    """
    images, seconds = sum(n for n, _ in timed), sum(s for _, s in timed)
    return max(seconds / images, (seconds + drained) / (images + warm_images))


def _nothing_came(task: Task, collected: _Collected) -> SynpicError:
    reason = next(iter(collected.failed.values()), "it gave nothing")
    hint = "try one image by hand to see why"
    if collected.starved or "out of memory" in reason.lower():
        hint = "this device has no room for one image alone"
    return task.opener.error(
        f"{task.label}: all of {count(len(collected.failed), 'image')} failed: {reason}",
        hint=hint,
    )
