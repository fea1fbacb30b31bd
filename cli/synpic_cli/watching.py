"""Progress of long work: a live bar on a terminal, else a line a minute; or JSON, for machines."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager, contextmanager, redirect_stdout

from rich.cells import cell_len, set_cell_size
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Column

from synpic.engine.progress import Event, Listener
from synpic.engine.stop import stop_on_signals
from synpic.readers.display import duration, size, visible
from synpic_cli.output import errors, print_line, say_aside, shown
from synpic_cli.stopping import Acknowledged

__all__ = ["counted_work", "note", "prints_aside", "watched_work"]

SECONDS_BETWEEN_LINES = 60.0
SECONDS_BETWEEN_OBJECTS = 1.0

_FIRST = {"train": "step"}
"""What is waited for before there is a rate, if it is not a batch."""


@contextmanager
def watched_work(
    *, quiet: bool = False, as_json: bool = False
) -> Iterator[tuple[Listener, threading.Event]]:
    """A listener that shows progress on stderr, and the event that Ctrl-C sets.

    Args:
        quiet: show nothing: another process does.
        as_json: nothing on stderr, but an object a line on stdout, as docs/progress.md has it.
    """
    if quiet:
        with stop_on_signals() as stop:
            yield (lambda event: None), stop
        return
    with _shown(as_json) as listener:
        acknowledged = Acknowledged(listener)
        with stop_on_signals(acknowledged.acknowledge) as stop:
            yield acknowledged, stop


@contextmanager
def _shown(as_json: bool) -> Iterator[Listener]:
    if as_json:
        yield _Objects()
    elif not errors.is_terminal:
        yield _Lines()
    else:
        progress = Progress(
            # The bar has what room is left, which may be none: words and numbers come first.
            TextColumn("{task.fields[stage]}", markup=False, table_column=_whole()),
            TextColumn("{task.description}", "bold", markup=False, table_column=_whole()),
            BarColumn(bar_width=None, table_column=Column(ratio=1)),
            MofNCompleteColumn(table_column=_whole(_NUMBERS)),
            TextColumn("{task.fields[text]}", markup=False, table_column=_whole()),
            console=errors,
            expand=True,
        )
        with progress:
            yield _Bars(progress)


_NUMBERS, _BAR, _LEAST = 11, 8, 12
"""Cells of "done/total", of a bar, and of the shortest text."""


def _whole(width: int | None = None) -> Column:
    return Column(no_wrap=True, min_width=width)


class _Bars:
    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[Hashable, TaskID] = {}

    def __call__(self, event: Event) -> None:
        if event.key not in self._tasks:
            self._tasks[event.key] = self._progress.add_task(
                visible(event.label), stage=event.stage, text="", total=event.total
            )
        self._progress.update(
            self._tasks[event.key],
            completed=event.done,
            total=event.total,
            text=self._fitting(visible(_describe(event))),
        )
        if event.news:
            self._progress.print(shown(_news(event)))

    def _fitting(self, text: str) -> str:
        """``text``, cut where it would leave no room for a name or a bar."""
        taken = max(
            len(task.fields["stage"]) + cell_len(task.description) for task in self._progress.tasks
        )
        room = max(_LEAST, errors.width - taken - _NUMBERS - _BAR - 4)  # spaces between columns
        return text if cell_len(text) <= room else f"{set_cell_size(text, room - 1)}…"


class _Pace:
    """Lets through what enters a state, and of what stays in one an event now and then."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._states: dict[Hashable, tuple[str, float]] = {}

    def admits(self, event: Event) -> str | None:
        """The state before it ("" for the first), if ``event`` is let through."""
        now = time.monotonic()
        state, since = self._states.get(event.key, ("", now))
        if state == event.state and now - since < self._seconds:
            return None
        self._states[event.key] = (event.state, now)
        return state


class _Lines:
    """A line at once, when a model or reward enters a state, and one a minute while it works."""

    def __init__(self) -> None:
        self._pace = _Pace(SECONDS_BETWEEN_LINES)

    def __call__(self, event: Event) -> None:
        if event.news:
            say_aside(_news(event))
            return
        before = self._pace.admits(event)
        if before is None:
            return
        if event.state == "working" and before not in ("", "working"):
            return  # it was told when it was opened
        line = f"{event.stage} {event.label}: {event.done:,}/{event.total:,} {_describe(event)}"
        say_aside(line.rstrip())


class _Objects:
    """An object at once, when a model or reward enters a state, and one a second in it."""

    def __init__(self) -> None:
        self._pace = _Pace(SECONDS_BETWEEN_OBJECTS)
        self._stream = sys.stdout  # as it is before :func:`prints_aside`

    def __call__(self, event: Event) -> None:
        if event.news or self._pace.admits(event) is not None:
            print_line({"time": round(time.time(), 3), **event.as_dict()}, self._stream)


def prints_aside() -> AbstractContextManager[object]:
    """Inside, what the code of models and rewards prints goes to stderr.

    stdout is what the command says, perhaps JSON.
    """
    return redirect_stdout(sys.stderr)


def note(line: str) -> None:
    """A line about how work goes, on stderr."""
    say_aside(line)


def _news(event: Event) -> str:
    return f"{event.stage} {event.label}: {event.news}"


def _describe(event: Event) -> str:
    if event.state == "opening":
        return "opening …"
    if event.state == "waiting":
        return f"waiting: {event.note}"
    if event.state == "broken":
        return f"broken: {event.note}"
    if not event.total:
        return event.note or "nothing to do"
    if event.state == "working" and event.rate is None:
        return f"{event.note} …" if event.note else f"first {_FIRST.get(event.stage, 'batch')} …"
    pieces = []
    if event.rate:
        pieces.append(_rate(event))
    if event.failed:
        pieces.append(f"{event.failed} failed")
    if event.state == "working" and event.seconds_left:
        pieces.append(f"{duration(event.seconds_left)} left")
    if event.memory:
        pieces.append(f"memory {size(event.memory)}")
    if event.note:
        pieces.append(event.note)
    return ", ".join(pieces)


def _rate(event: Event) -> str:
    """How many are done in a second, or how long one takes."""
    assert event.rate is not None
    if event.rate < 0.1:
        one = event.unit.removesuffix("s")
        return f"{duration(1 / event.rate)} {'an' if one == 'image' else 'a'} {one}"
    return f"{event.rate:.1f} {event.unit}/s"


@contextmanager
def counted_work(what: str) -> Iterator[Callable[[int, int], None]]:
    """A callback for work that counts rows, shown as a bar on a terminal and not elsewhere."""
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=errors,
        disable=not errors.is_terminal,
    ) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
