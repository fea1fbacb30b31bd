"""A server that answers questions over HTTP, and is asked until it does or patience ends.

What may pass is asked again; what never passes is an error that names what to do, with the server's
own words. A key is read from the environment alone, and is in no message.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

import httpx2

from synpic.errors import RewardError
from synpic.hub.answers import never_passes, plain, redact, seconds_told, words_of
from synpic.score.servers.address import Address
from synpic.score.servers.outcomes import Interrupted, NotAsked, Unreadable
from synpic.score.servers.pace import Pace, backoff

__all__ = ["Call", "Server", "ServerWords"]

_LARGEST = 64 << 20
"""Bytes of an answer: 20 tokens at each of 4,096 places have about 10 MB."""

_SHOWN, _SHOWN_FROM = 200, 20_000
"""Characters of an answer that are shown, and those that are searched for keys before."""

_LONG, _SELDOM = 5.0, 60.0
"""Seconds: a wait that is reported, and the least time between two such messages."""

_OFTEN_PASSES = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_ABOUT_THE_QUESTION = frozenset({400, 413, 422})

_LOG = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True)
class Call(Generic[T]):
    """One question.

    Args:
        path: after the address, with a slash at its beginning.
        body: JSON, which is posted; None for a GET.
        read: the text of an answer whose status is a success → what it says. It raises
            Unreadable, Interrupted and NotAsked as they are described there.
    """

    path: str
    body: bytes | None
    read: Callable[[str], T]


@dataclass(frozen=True)
class ServerWords:
    """How messages speak of a server.

    Args:
        name: of what answers there: "owner/model".
        away: what to do if it is away.
        hints: status → what to do after it.
    """

    name: str
    away: str
    hints: Mapping[int, str]


class Server:
    """A server at an address. Used by several threads at once.

    Args:
        failures: how often status 500 is asked again; None: until patience ends, as others.
        proxies: whether those that the environment names are used.

    Raises:
        RewardError: the address is none.
    """

    def __init__(
        self,
        address: Address,
        words: ServerWords,
        failures: int | None = None,
        *,
        proxies: bool = True,
    ) -> None:
        self._words, self._failures = words, failures
        self._patience, self._timeout = address.patience, address.timeout
        self._where = address.resolved()
        self._variable = address.key[1:]
        self._pace = Pace()
        self._warn_of_plain_text()
        self._first: Call[Any] | None = None
        self._answered = 0
        """How many questions have been answered, since this was opened."""
        self._reported = -_SELDOM
        self._checking = threading.Lock()
        self._client = httpx2.Client(
            timeout=httpx2.Timeout(address.timeout, connect=min(10.0, address.timeout)),
            limits=httpx2.Limits(
                max_connections=address.concurrency, max_keepalive_connections=address.concurrency
            ),
            trust_env=proxies,
        )

    def first(self, call: Call[Any]) -> None:
        """Name the question that shows whether the server answers at all; the first one stays."""
        if self._first is None:
            self._first = call

    def ask(self, call: Call[T]) -> T:
        """The answer to ``call``, asked until there is one or patience ends.

        Raises:
            ValueError: the server refuses this question, or fails at it while it answers others.
            RewardError: it answers none: it is away, refuses the key, has no such model, gives
                what cannot be read.
        """
        began, answered, tries = time.monotonic(), self._answered, 0
        while True:
            sent = self._pace.wait()
            if sent is None:
                raise RewardError(f"{self._words.name} is no longer asked")
            try:
                answer = self._once(call)
            except Unreadable as error:
                if self._answers_others(call, 0):
                    raise ValueError(str(error)) from None
                raise RewardError(f"{self._words.name}: {error}", hint=error.hint) from None
            except (httpx2.HTTPError, Interrupted) as error:
                tries += 1
                wait = self._wait(error, sent, tries)
                if _status(error) == 500 and tries == self._failures:
                    raise NotAsked(f"asked {tries} times: {self._told(error)}") from None
                if time.monotonic() + wait - began > self._patience:
                    self._give_up(error, tries, self._answers_others(call, answered))
                    began, answered = time.monotonic(), self._answered
                self._report(error, wait)
                if not _too_many(error):  # for these, everybody waits
                    self._pace.sleep(wait)
                continue
            self._pace.answered()
            self._answered += 1
            return answer

    def rest(self, seconds: float) -> bool:
        """Wait; whether nothing more is asked."""
        return self._pace.sleep(seconds)

    def close(self) -> None:
        """Ask nothing again. What is under way is waited for by its own thread."""
        self._pace.stop()

    def _answers_others(self, call: Call[Any], answered: int) -> bool:
        """Whether the server answers what is not ``call``.

        Answers that were kept by an earlier process say nothing about it now; and where a single
        question is left, there are no others. The first question is then asked once more.

        Args:
            answered: how many were answered before that do not count.
        """
        with self._checking:
            if self._answered > answered:
                return True
            if self._first is None or self._first.body == call.body:
                return False
            try:
                self._once(self._first)
            except (httpx2.HTTPError, Interrupted, Unreadable, ValueError):
                return False
            self._answered += 1
            return True

    def _give_up(self, error: Exception, tries: int, others: bool) -> None:
        """Raise what it means that patience has ended; return where the server is slow, not away.

        Args:
            others: other questions were answered meanwhile.
        """
        if not others:
            raise self._away(error) from None
        if _may_be_its_fault(error):
            raise ValueError(f"asked {tries} times: {self._told(error)}") from None

    def _away(self, error: Exception, more: str = "") -> RewardError:
        return RewardError(
            f"the endpoint of {self._words.name} does not answer: {self._told(error)}{more}",
            hint=self._words.away,
        )

    def _once(self, call: Call[T]) -> T:
        """One request.

        Raises:
            httpx2.HTTPError, Interrupted: it may pass.
            Unreadable: there is no answer in what came.
            ValueError: of this question.
            RewardError: of all.
        """
        response = self._sent(call)
        try:
            response.raise_for_status()
        except httpx2.HTTPStatusError as error:
            if self._passes(error):
                raise
            raise self._refusal(error) from None
        text = response.text
        try:
            return call.read(text)
        except Unreadable as error:
            # Cut after keys are taken out: the beginning of one is no less a secret.
            shown = plain(redact(text[:_SHOWN_FROM], self._key()))[:_SHOWN]
            raise Unreadable(
                f"{plain(redact(str(error), self._key()))}: {shown!r}", error.hint
            ) from None
        except NotAsked as error:
            raise NotAsked(plain(redact(str(error), self._key()))) from None

    def _sent(self, call: Call[Any]) -> httpx2.Response:
        """The response to one request, whole, within the time for it."""
        ends, pieces, size = time.monotonic() + self._timeout, [], 0
        headers = self._authorization()
        if call.body is not None:
            headers["Content-Type"] = "application/json"
        method = "GET" if call.body is None else "POST"
        with self._client.stream(
            method, f"{self._where}{call.path}", content=call.body, headers=headers
        ) as response:
            # The client's own limit is of each piece: a server that sends one now and then would
            # never meet it.
            for piece in response.iter_bytes():
                pieces.append(piece)
                size += len(piece)
                if time.monotonic() > ends:
                    raise httpx2.ReadTimeout(f"no whole answer after {self._timeout:g} s")
                if size > _LARGEST:
                    raise Unreadable("the answer has more than 64 MiB")
        # Unpacked already, within the limit: what is sent packed may be a thousand times as long.
        plain_headers = [
            (name, value)
            for name, value in response.headers.multi_items()
            if name.lower() not in ("content-encoding", "content-length", "transfer-encoding")
        ]
        return httpx2.Response(
            response.status_code,
            headers=plain_headers,
            content=b"".join(pieces),
            request=response.request,
        )

    def _authorization(self) -> dict[str, str]:
        key = self._key()
        if not key.isascii() or not key.isprintable() or " " in key:
            raise RewardError(
                f"the environment variable {self._variable} holds no key: a key has letters, "
                "digits and signs of ASCII alone, on one line",
                hint="copy it again",
            )
        return {"Authorization": f"Bearer {key}"} if key else {}

    def _warn_of_plain_text(self) -> None:
        parts = urlsplit(self._where)
        local = parts.hostname in ("localhost", "::1") or f"{parts.hostname}".startswith("127.")
        if self._key() and parts.scheme == "http" and not local:
            _LOG.warning(
                "the key in %s goes to %s without encryption: anybody on the way can read it",
                self._variable,
                parts.hostname,
            )

    def _key(self) -> str:
        return os.environ.get(self._variable, "").strip()

    def _passes(self, error: httpx2.HTTPStatusError) -> bool:
        # Of a quota that is used up, the provider says "too many requests", too.
        return error.response.status_code in _OFTEN_PASSES and (
            "insufficient_quota" not in error.response.text
        )

    def _wait(self, error: Exception, sent: float, tries: int) -> float:
        """Seconds until the next try: what the server asks for, else twice as long each time.

        Raises:
            RewardError: it never passes, or the server asks for more than there is patience.
        """
        if never_passes(error):
            raise RewardError(f"the endpoint of {self._words.name}: {self._told(error)}") from None
        told = seconds_told(error)
        if told is not None and told > self._patience and _status(error) in (429, 503):
            more = f"; it asks to wait for {told:.0f} s, more than the patience of "
            raise self._away(error, f"{more}{self._patience:g} s") from None
        if _too_many(error):
            return self._pace.refused(sent, told)
        spread = backoff(tries)
        return spread if told is None else told + 0.1 * spread

    def _report(self, error: Exception, wait: float) -> None:
        """Say that there is a long wait, and not for each question."""
        now = time.monotonic()
        if wait >= _LONG and now - self._reported >= _SELDOM:
            self._reported = now
            _LOG.warning(
                "%s is asked again in %.0f s: %s", self._words.name, wait, self._told(error)
            )

    def _told(self, error: Exception) -> str:
        """What happened, with the server's own words and without a key."""
        key = self._key()
        if isinstance(error, httpx2.HTTPStatusError):
            words = words_of(error, key)
            return f"HTTP {error.response.status_code}" + (f": {words}" if words else "")
        name = "" if isinstance(error, Interrupted) else f"{type(error).__name__}: "
        return plain(redact(f"{name}{error}".removesuffix(": "), key))

    def _refusal(self, error: httpx2.HTTPStatusError) -> Exception:
        told, status = self._told(error), error.response.status_code
        if status in _ABOUT_THE_QUESTION:
            return NotAsked(f"the endpoint refuses the question: {told}")
        hints = {
            401: f"put a key that is valid there into the environment variable {self._variable}",
            403: f"the key in the environment variable {self._variable} is not allowed to do this",
            **self._words.hints,
        }
        return RewardError(
            f"the endpoint of {self._words.name} refuses to answer: {told}",
            hint=hints.get(status, "ask the same with curl to see why"),
        )


def _may_be_its_fault(error: Exception) -> bool:
    """Whether the question can be why: a server may break at an image, or think too long of it."""
    if (status := _status(error)) is not None:
        return status not in (408, 409, 425, 429)
    return not isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout)


def _too_many(error: Exception) -> bool:
    return _status(error) == 429


def _status(error: Exception) -> int | None:
    if not isinstance(error, httpx2.HTTPStatusError):
        return None
    return error.response.status_code
