"""What a server counts, as Prometheus reads it.

Source: the text format of Prometheus, version 0.0.4.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

__all__ = ["TEXT", "ServerMetrics"]

TEXT = "text/plain; version=0.0.4; charset=utf-8"
"""The media type of :meth:`ServerMetrics.text`."""

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)

_Labels = tuple[str, ...]


class ServerMetrics:
    """Counters and histograms of one process. Any thread may count.

    Args:
        depth: how many images are accepted and not answered.
    """

    def __init__(self, depth: Callable[[], int] = lambda: 0) -> None:
        self.depth = depth
        self._lock = threading.Lock()
        self._requests = _Count("requests", "Requests by wire and status.", "wire", "status")
        self._scored = _Count("images_scored", "Scores given, by reward.", "reward")
        self._failed = _Count("images_failed", "Images without a score, by reward.", "reward")
        self._dropped = _Count("requests_dropped", "Requests whose caller hung up.", "wire")
        self._seconds = _Histogram(
            "request_seconds", "Time from a whole body to its answer.", SECONDS, "wire"
        )
        self._sizes = _Histogram("batch_images", "Images in a batch, by reward.", SIZES, "reward")
        self._batch = _Histogram("batch_seconds", "Time of a batch.", SECONDS, "reward")

    def request(self, wire: str, status: int) -> None:
        """Count an answer."""
        with self._lock:
            self._requests.add((wire, str(status)))

    def took(self, wire: str, seconds: float) -> None:
        """Count the time of an answer to a request that was read whole."""
        with self._lock:
            self._seconds.add((wire,), seconds)

    def dropped(self, wire: str) -> None:
        """Count a caller that hung up before its answer."""
        with self._lock:
            self._dropped.add((wire,))

    def batch(self, reward: str, scored: int, failed: int, seconds: float) -> None:
        """Count a batch that went through a reward."""
        with self._lock:
            self._scored.add((reward,), scored)
            self._failed.add((reward,), failed)
            self._sizes.add((reward,), scored + failed)
            self._batch.add((reward,), seconds)

    def text(self) -> str:
        """Everything that was counted."""
        with self._lock:
            lines = [
                *(line for one in self._families() for line in one.lines()),
                "# HELP synpic_queue_images Images that are accepted and not answered.",
                "# TYPE synpic_queue_images gauge",
                f"synpic_queue_images {self.depth()}",
            ]
        return "\n".join(lines) + "\n"

    def _families(self) -> Sequence[_Count | _Histogram]:
        counts = (self._requests, self._scored, self._failed, self._dropped)
        return (*counts, self._seconds, self._sizes, self._batch)


class _Count:
    def __init__(self, name: str, help_text: str, *labels: str) -> None:
        self._name, self._help, self._labels = f"synpic_{name}_total", help_text, labels
        self._values: Counter[_Labels] = Counter()

    def add(self, labels: _Labels, number: int = 1) -> None:
        self._values[labels] += number

    def lines(self) -> Iterator[str]:
        yield f"# HELP {self._name} {self._help}"
        yield f"# TYPE {self._name} counter"
        for labels, value in sorted(self._values.items()):
            yield f"{self._name}{_shown(self._labels, labels)} {value}"


class _Histogram:
    def __init__(self, name: str, help_text: str, bounds: Sequence[float], *labels: str) -> None:
        self._name, self._help, self._labels = f"synpic_{name}", help_text, labels
        self._bounds = bounds
        self._counts: dict[_Labels, list[int]] = {}
        self._sums: Counter[_Labels] = Counter()

    def add(self, labels: _Labels, value: float) -> None:
        counts = self._counts.setdefault(labels, [0] * (len(self._bounds) + 1))
        counts[bisect_left(self._bounds, value)] += 1
        self._sums[labels] += value  # type: ignore[assignment]

    def lines(self) -> Iterator[str]:
        yield f"# HELP {self._name} {self._help}"
        yield f"# TYPE {self._name} histogram"
        names = (*self._labels, "le")
        for labels, counts in sorted(self._counts.items()):
            below = 0
            for bound, count in zip((*self._bounds, "+Inf"), counts, strict=True):
                below += count
                yield f"{self._name}_bucket{_shown(names, (*labels, str(bound)))} {below}"
            shown = _shown(self._labels, labels)
            yield f"{self._name}_sum{shown} {self._sums[labels]}"
            yield f"{self._name}_count{shown} {below}"


def _shown(names: Sequence[str], values: Sequence[str]) -> str:
    pairs = (f'{name}="{_escaped(value)}"' for name, value in zip(names, values, strict=True))
    return "{" + ",".join(pairs) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
