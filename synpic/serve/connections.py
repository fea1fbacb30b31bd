"""Connections on which no request comes are closed, so that they keep no others out.

They are accepted before any token is read: without a limit, some hundred that stay silent would
take all files that a process may open.
"""

from __future__ import annotations

import asyncio
import time
from typing import cast

from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["BACKLOG", "HEAD_SECONDS", "TimedConnection", "most_connections"]

HEAD_SECONDS = 30.0
"""Within which the head of a request has to arrive, from the connection on or its first byte."""

BACKLOG = 64
"""Connections that are accepted at a time; three times as many before the first of them is heard
of."""

_OTHERS = 64
"""Files that a server has open besides connections."""


def most_connections() -> int:
    """As many as this process may have files open, less those that it needs itself."""
    try:
        import resource
    except ImportError:  # Windows, which has no such limit
        return 1 << 16
    return max(16, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - _OTHERS - 3 * BACKLOG)


class TimedConnection(H11Protocol):
    """One connection. Beyond :func:`most_connections`, the one that is silent for longest ends."""

    _timer: asyncio.TimerHandle | None = None
    since: float = 0.0
    """When it was last heard of."""

    @property
    def asked(self) -> bool:
        """Whether a request is being read or answered."""
        return self.cycle is not None and not self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self.since = time.monotonic()
        self._watch()
        others = cast(set[TimedConnection], self.connections)
        if len(others) > most_connections():
            silent = (one for one in others if not one.asked and one is not self)
            min(silent, key=lambda one: one.since, default=self).end()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._rest()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Some of a request."""
        self.since = time.monotonic()
        super().data_received(data)
        if self.asked:
            self._rest()
        elif self._timer is None:
            self._watch()

    def end(self) -> None:
        """Close it."""
        # Not counted from here on: the transport closes once the loop comes to it.
        self.connections.discard(self)
        self.transport.close()

    def _watch(self) -> None:
        self._timer = self.loop.call_later(HEAD_SECONDS, self._late)

    def _rest(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        self._timer = None
        if not self.asked:
            self.end()
