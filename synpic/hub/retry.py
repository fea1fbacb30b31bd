"""What to do when the Hub says "not now": wait as told, try again, and give up in the end.

``create_commit`` and most other calls of huggingface_hub try once. A publisher that ran for hours
should not die of one 503.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from synpic.errors import HubUnreachable, causes

__all__ = ["Patience", "no_answer", "seconds_told", "status_of", "transient"]

T = TypeVar("T")

_TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})

_LONGEST = 300.0
"""Seconds that are waited at most, whatever the Hub says: its windows of rates are as long."""


@dataclass(frozen=True)
class Patience:
    """How often to try, and who hears of it.

    Args:
        tries: at most, for one thing.
        tell: told, in a line, why and how long there is a wait.
        sleep: ``time.sleep``, or what a test puts there.
    """

    tries: int = 8
    tell: Callable[[str], None] = lambda line: None
    sleep: Callable[[float], None] = time.sleep

    def call(self, what: str, act: Callable[[], T]) -> T:
        """``act()``, again for as long as it fails for reasons that pass.

        Args:
            what: is being done, for messages: "sending ranked/train-00000-of-00001.parquet".

        Raises:
            HubUnreachable: it did so ``tries`` times.
            Exception: what else ``act`` raises.
        """
        for attempt in range(1, self.tries + 1):
            try:
                return act()
            except Exception as error:
                # Several libraries' errors, which have no common ancestor.
                if not transient(error):
                    raise
                self.wait(what, error, attempt)
        raise AssertionError("unreachable: the last wait raises")

    def wait(self, what: str, error: Exception, attempt: int) -> None:
        """Sleep after the ``attempt``-th failure.

        Raises:
            HubUnreachable: that was the last.
        """
        status = status_of(error)
        said = f"the Hub says {status}" if status else f"the connection failed ({_kind(error)})"
        if attempt >= self.tries:
            raise HubUnreachable(
                f"{what}: {said}, {attempt} times in a row",
                hint="everything sent so far is kept; run the same command again later",
            ) from error
        told = seconds_told(error)
        seconds = min(_LONGEST, 2.0 ** (attempt - 1) if told is None else told)
        self.tell(f"{what}: {said}; waiting {seconds:.0f} s (try {attempt} of {self.tries})")
        self.sleep(seconds)


def transient(error: Exception) -> bool:
    """Whether the same request may succeed later: no answer, too many requests, a broken server."""
    from huggingface_hub import errors

    if any(isinstance(one, errors.OfflineModeIsEnabled) for one in causes(error)):
        return False
    status = status_of(error)
    if status is not None:
        return status in _TRANSIENT
    kinds = no_answer()
    return any(isinstance(one, kinds) for one in causes(error))


def no_answer() -> tuple[type[Exception], ...]:
    """What the client raises when it has no answer, or not the one that it wants."""
    from huggingface_hub import errors

    # Its name for the errors of its HTTP library, which are no ``OSError``; another one in 0.x.
    broken: type[Exception] = getattr(errors, "HTTPError", ConnectionError)
    return broken, ConnectionError, TimeoutError


def status_of(error: Exception) -> int | None:
    """The HTTP status that ``error`` stands for; None if there was no answer.

    Uploads wrap what went wrong in errors of their own, and hf-xet says it in words only.
    """
    for one in causes(error):
        status = getattr(getattr(one, "response", None), "status_code", None)
        if isinstance(status, int):
            return status
        told = re.search(r"HTTP status (?:client|server) error \((\d{3})\b", str(one))
        if told:
            return int(told[1])
    return None


def seconds_told(error: Exception) -> float | None:
    """How long the Hub says to wait: ``Retry-After``, or ``t`` of its ``RateLimit`` header.

    The latter comes with every answer; it is a time to wait only where nothing is left (429).
    """
    responses = (getattr(one, "response", None) for one in causes(error))
    headers: Any = next((one.headers for one in responses if one is not None), {})
    after = headers.get("retry-after") or ""
    if re.fullmatch(r"\d+(\.\d+)?", after):
        return float(after)
    if status_of(error) != 429:
        return None
    found = re.search(r"\bt=(\d+)", headers.get("ratelimit") or "")
    return float(found[1]) if found else None


def _kind(error: Exception) -> str:
    return type(error).__name__
