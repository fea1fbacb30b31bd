"""Progress bars for Python code: in a notebook as widgets, elsewhere as text on stderr."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tqdm.auto import tqdm

from synpic.engine.progress import Event, Listener
from synpic.readers.display import size, visible

__all__ = ["progress_bars"]


@contextmanager
def progress_bars(progress: bool, listener: Listener | None = None) -> Iterator[Listener | None]:
    """A listener that draws a bar for each model or reward, if ``progress``; else ``listener``.

    Args:
        listener: receives every event too.
    """
    if not progress:
        yield listener
        return
    bars = _Bars(listener)
    try:
        yield bars
    finally:
        bars.close()


class _Bars:
    """Draws a bar of tqdm's for each key of events, and passes the events on."""

    def __init__(self, listener: Listener | None) -> None:
        self._listener = listener
        self._bars: dict[Any, Any] = {}
        self._one_at_a_time = threading.Lock()

    def __call__(self, event: Event) -> None:
        with self._one_at_a_time:
            self._show(event)
        if self._listener is not None:
            self._listener(event)

    def _show(self, event: Event) -> None:
        bar = self._bars.get(event.key)
        if bar is None:
            bar = self._bars[event.key] = tqdm(
                total=event.total,
                desc=f"{event.stage} {visible(event.label)}",
                unit=f" {event.unit}",
                dynamic_ncols=True,
            )
        bar.total = event.total
        bar.update(event.done - bar.n)
        bar.set_postfix_str(_words(event), refresh=False)
        bar.refresh()
        if event.news:
            news = f"{event.stage} {visible(event.label)}: {visible(event.news)}"
            bar.write(news, file=sys.stderr)

    def close(self) -> None:
        for bar in self._bars.values():
            bar.close()


def _words(event: Event) -> str:
    """What the bar does not show: the state, failures, memory and a note."""
    words = [] if event.state in ("working", "done") else [event.state]
    if event.failed:
        words.append(f"{event.failed} failed")
    if event.memory:
        words.append(size(event.memory))
    if event.note:
        words.append(visible(event.note))
    return ", ".join(words)
