"""Faults on demand: at the n-th request that matches, this goes wrong.

A fault acts before the work, after it, or both. Several at one request act in the order they were
planned, and the first that ends it is the last.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from tests.hub_server.messages import Answer, Exchange, Host, json_answer, ratelimit

__all__ = [
    "Call",
    "CutAnswer",
    "Delay",
    "Drop",
    "Dropped",
    "Fault",
    "Faults",
    "LostAnswer",
    "Planned",
    "RateLimited",
    "Status",
]


class Dropped(Exception):
    """End the connection here, without an answer."""


class Fault:
    """What happens to a request; this one is none.

    Either method may raise :class:`Dropped`.
    """

    def before(self, exchange: Exchange) -> Answer | None:
        """Before the work; an answer takes the place of the work."""
        return None

    def after(self, exchange: Exchange, answer: Answer) -> Answer:
        """After the work, or what took its place; the answer that is sent."""
        return answer


@dataclass(frozen=True)
class Status(Fault):
    """An error (500, 503, …) instead of the work."""

    code: int
    message: str = "Internal Error - We're working hard to fix this as soon as possible!"

    def before(self, exchange: Exchange) -> Answer | None:
        return json_answer({"error": self.message}, self.code)


@dataclass(frozen=True)
class RateLimited(Fault):
    """429: nothing is left for ``seconds``; ``retry_after`` says it in the older way too."""

    seconds: int = 0
    retry_after: bool = True

    def before(self, exchange: Exchange) -> Answer | None:
        headers = ratelimit(0, self.seconds)
        if self.retry_after:
            headers["Retry-After"] = str(self.seconds)
        return json_answer({"error": "Too Many Requests"}, 429, headers)


@dataclass(frozen=True)
class Drop(Fault):
    """The connection ends before the work: nothing was done."""

    def before(self, exchange: Exchange) -> Answer | None:
        raise Dropped


@dataclass(frozen=True)
class LostAnswer(Fault):
    """The connection ends after the work: it was done, and the client does not know."""

    def after(self, exchange: Exchange, answer: Answer) -> Answer:
        raise Dropped


@dataclass(frozen=True)
class CutAnswer(Fault):
    """The connection ends after so many bytes of the answer's body."""

    bytes: int

    def after(self, exchange: Exchange, answer: Answer) -> Answer:
        return replace(answer, cut=self.bytes)


@dataclass(frozen=True)
class Delay(Fault):
    """The work begins ``seconds`` later."""

    seconds: float

    def before(self, exchange: Exchange) -> Answer | None:
        time.sleep(self.seconds)
        return None


@dataclass(frozen=True)
class Call(Fault):
    """Something of the test's own happens, while the client waits.

    Args:
        function: called with the exchange; it may use the server, or end a process.
        after_work: call it when the work is done and the answer is not yet sent.
    """

    function: Callable[[Exchange], object]
    after_work: bool = False

    def before(self, exchange: Exchange) -> Answer | None:
        if not self.after_work:
            self.function(exchange)
        return None

    def after(self, exchange: Exchange, answer: Answer) -> Answer:
        if self.after_work:
            self.function(exchange)
        return answer


@dataclass
class Planned:
    """A fault and when it strikes.

    Attributes:
        struck: the requests it struck.
    """

    fault: Fault
    nth: int
    times: int
    method: str | None
    path: re.Pattern[str]
    host: Host | None
    seen: int = 0
    struck: list[Exchange] = field(default_factory=list)

    def matches(self, exchange: Exchange) -> bool:
        return (
            self.method in (None, exchange.method)
            and self.host in (None, exchange.host)
            and self.path.search(exchange.target) is not None
        )


class Faults:
    """The plan of a server."""

    def __init__(self) -> None:
        self._planned: list[Planned] = []
        self._lock = threading.Lock()

    def plan(
        self,
        fault: Fault,
        nth: int = 0,
        *,
        times: int = 1,
        method: str | None = None,
        path: str = "",
        host: Host | None = None,
    ) -> Planned:
        """Let ``fault`` strike ``times`` requests from the ``nth`` on.

        Args:
            nth: counted from 0, from now on, among those that match all of:
            method: GET, HEAD, POST, PUT or DELETE; None for any.
            path: a regular expression, searched in path and query as sent.
            host: "hub" or "storage"; None for both.
        """
        planned = Planned(fault, nth, times, method, re.compile(path), host)
        with self._lock:
            self._planned.append(planned)
        return planned

    def clear(self) -> None:
        """From now on, none."""
        with self._lock:
            self._planned.clear()

    def strike(self, exchange: Exchange) -> list[Fault]:
        """Those whose turn it is."""
        faults = []
        with self._lock:
            for planned in self._planned:
                if not planned.matches(exchange):
                    continue
                if planned.nth <= planned.seen < planned.nth + planned.times:
                    planned.struck.append(exchange)
                    faults.append(planned.fault)
                planned.seen += 1
        return faults
