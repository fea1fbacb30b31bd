"""An endpoint that speaks OpenAI's chat completions: vLLM, SGLang, llama.cpp, a provider.

One request asks for the log-probabilities of the likeliest tokens of an answer. What may pass is
asked again; what never passes is an error that names what to do. A key is read from the
environment alone, and is in no message.
"""

from __future__ import annotations

import base64
import os
import random
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any
from urllib.parse import urlsplit

import httpx2

from synpic.errors import RewardError, SynpicError, did_you_mean
from synpic.hub.answers import never_passes, plain, redact, seconds_told, words_of
from synpic.score.vlm.questions import TOP, SentImage, VlmAnswer, VlmQuestion

__all__ = ["Address", "Endpoint", "data_url"]

_FIRST, _LONGEST = 0.5, 60.0
"""Seconds between two tries: at first, and at most where the server does not say how long."""

_IMPOSSIBLE = -1000.0
"""Servers write -9999 for what has no probability."""

_OFTEN_PASSES = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_ABOUT_THE_QUESTION = frozenset({400, 413, 422})
_VARIABLE = re.compile(r"\$[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Address:
    """Where an endpoint is, and how hard it may be worked: nothing here decides an answer.

    Args:
        url: of the interface, such as ``http://localhost:8000/v1``; ``$NAME`` is read from the
            environment.
        key: the environment variable that holds the key, as ``$NAME``. Where it is not set, none
            is sent.
        concurrency: questions that are under way at once, for each worker.
        timeout: seconds that one request may take.
        patience: seconds for which one question is asked again before it is given up.
    """

    url: str = "$OPENAI_BASE_URL"
    key: str = "$OPENAI_API_KEY"
    concurrency: int = 16
    timeout: float = 120.0
    patience: float = 300.0

    @classmethod
    def of(cls, reward: str, option: str | Mapping[str, Any]) -> Address:
        """The option ``endpoint`` of a reward: an address, or a table of these settings.

        Args:
            reward: for messages.

        Raises:
            RewardError: a setting is unknown, of another type or out of its range.
        """
        given = {"url": option} if isinstance(option, str) else dict(option)
        where = f"{reward}: endpoint"
        known = [one.name for one in fields(cls)]
        for key in given:
            if key not in known:
                raise RewardError(
                    f"{where}: unknown key {key!r}.{did_you_mean(key, known)}",
                    hint=f"there are: {', '.join(known)}",
                )
        made = cls(**given)
        if not isinstance(made.url, str) or not isinstance(made.key, str):
            raise RewardError(f"{where}: url and key are texts", hint="see docs/judges.md")
        if not _VARIABLE.fullmatch(made.key):
            raise RewardError(
                f"{where}.key: expected the name of an environment variable, and never a key: a "
                "recipe is published with its dataset",
                hint='key = "$OPENAI_API_KEY"; put the key into that variable',
            )
        limits = {"concurrency": (1, 1024), "timeout": (0.1, 86_400), "patience": (0, 86_400)}
        for name, (least, most) in limits.items():
            value = getattr(made, name)
            kinds = int if name == "concurrency" else int | float
            if (
                not isinstance(value, kinds)
                or isinstance(value, bool)
                or not least <= value <= most
            ):
                raise RewardError(
                    f"{where}.{name} is {value!r}, expected {least} … {most}",
                    hint="leave it out for the default",
                )
        return made

    def resolved(self) -> str:
        """The base URL, without a slash at its end.

        Raises:
            RewardError: it is not set, or is no such address.
        """
        url = self.url
        if _VARIABLE.fullmatch(url):
            url = os.environ.get(url[1:], "").strip()
            if not url:
                raise RewardError(
                    f"the endpoint's address is not set: {self.url} names an environment variable "
                    "that is empty",
                    hint=f"export {self.url[1:]}=http://localhost:8000/v1, or set `endpoint`",
                )
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            raise RewardError(
                f"endpoint {redact(url)!r} is no address of an endpoint",
                hint="it looks like http://localhost:8000/v1; keys belong in the environment",
            )
        return url.rstrip("/").removesuffix("/chat/completions")


@dataclass
class _Pace:
    """When a server wants to be left alone for a while, all threads leave it alone."""

    until: float = 0.0
    stopped: threading.Event = field(default_factory=threading.Event)

    def pause(self, seconds: float) -> None:
        self.until = max(self.until, time.monotonic() + seconds)

    def wait(self) -> None:
        while (left := self.until - time.monotonic()) > 0 and not self.stopped.wait(left):
            pass


class Endpoint:
    """A model at an address. Used by several threads at once.

    Args:
        model: as the server names it.
        request: what is added to the body of every request, or replaces what is there.

    Raises:
        RewardError: the address is none.
    """

    def __init__(self, address: Address, model: str, request: Mapping[str, Any]) -> None:
        self.model, self._patience = model, address.patience
        self._request = dict(request)
        self._where = address.resolved()
        self._variable = address.key[1:]
        self._pace = _Pace()
        self._answered = 0
        """How many questions have been answered."""
        self._client = httpx2.Client(
            timeout=httpx2.Timeout(address.timeout, connect=min(10.0, address.timeout)),
            limits=httpx2.Limits(
                max_connections=address.concurrency, max_keepalive_connections=address.concurrency
            ),
        )

    def body(self, question: VlmQuestion, image: Callable[[SentImage], str]) -> dict[str, Any]:
        """A request.

        Args:
            image: a picture → its URL.
        """
        content = [
            {"type": "text", "text": part}
            if isinstance(part, str)
            else {"type": "image_url", "image_url": {"url": image(part)}}
            for part in question.parts
        ]
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": "user", "content": content}],
            "temperature": 0,
            "max_tokens": question.tokens,
            "logprobs": True,
            "top_logprobs": TOP,
        }
        if "max_completion_tokens" in self._request:  # the newer name; some servers refuse both
            del body["max_tokens"]
        return {**body, **self._request}

    def ask(self, question: VlmQuestion) -> VlmAnswer:
        """The answer to ``question``, asked until there is one or patience ends.

        Raises:
            ValueError: the server refuses this question, or fails at it while it answers others.
            RewardError: it answers none: it is away, refuses the key, has no such model, returns no
                log-probabilities.
        """
        body = self.body(question, data_url)
        began, answered, tries = time.monotonic(), self._answered, 0
        while True:
            self._pace.wait()
            if self._pace.stopped.is_set():
                raise RewardError(f"{self.model} is no longer asked")
            try:
                answer = self._once(body)
            except httpx2.HTTPError as error:
                tries += 1
                wait = self._wait(error, tries)
                if time.monotonic() + wait - began > self._patience:
                    self._give_up(error, tries, others=self._answered > answered)
                    began, answered = time.monotonic(), self._answered
                self._sleep(error, wait)
                continue
            self._answered += 1
            return answer

    def _give_up(self, error: httpx2.HTTPError, tries: int, others: bool) -> None:
        """Raise what it means that patience has ended; return where the server is slow, not away.

        Args:
            others: other questions were answered meanwhile.
        """
        if not others:
            raise RewardError(
                f"the endpoint of {self.model} does not answer: {self._told(error)}",
                hint="answers so far are kept, and the same command goes on from there; "
                "`patience` of the option `endpoint` says for how long a question is repeated",
            ) from None
        if _may_be_its_fault(error):
            raise ValueError(f"asked {tries} times: {self._told(error)}") from None

    def close(self) -> None:
        """Ask nothing again. What is under way is waited for by its own thread."""
        self._pace.stopped.set()

    def _once(self, body: Mapping[str, Any]) -> VlmAnswer:
        """One request.

        Raises:
            httpx2.HTTPError: it may pass.
            ValueError: of this question.
            RewardError: of all.
        """
        try:
            response = self._client.post(
                f"{self._where}/chat/completions", json=body, headers=self._authorization()
            )
        except (httpx2.InvalidURL, UnicodeError) as error:
            raise RewardError(
                f"endpoint {redact(self._where)!r}: {error}", hint="correct the address"
            ) from None
        try:
            response.raise_for_status()
        except httpx2.HTTPStatusError as error:
            if self._passes(error):
                raise
            raise self._refusal(error) from None
        try:
            return _read(response.json())
        except _Unreadable as error:
            raise RewardError(
                f"{self.model}: {error}",
                hint="vLLM and SGLang return them as they are; some servers need a setting, and "
                "some (`transformers serve`) have none: run the reward locally instead",
            ) from None
        except (ValueError, LookupError, TypeError, AttributeError):
            raise RewardError(
                f"what answers at the endpoint of {self.model} does not speak OpenAI's chat "
                f"completions: {plain(redact(response.text[:200], self._key()))!r}",
                hint="the address usually ends in /v1",
            ) from None

    def _authorization(self) -> dict[str, str]:
        key = self._key()
        if not key.isascii() or not key.isprintable() or " " in key:
            raise RewardError(
                f"the environment variable {self._variable} holds no key: a key has letters, "
                "digits and signs of ASCII alone, on one line",
                hint="copy it again",
            )
        return {"Authorization": f"Bearer {key}"} if key else {}

    def _key(self) -> str:
        return os.environ.get(self._variable, "").strip()

    def _passes(self, error: httpx2.HTTPStatusError) -> bool:
        # Of a quota that is used up, the provider says "too many requests", too.
        return error.response.status_code in _OFTEN_PASSES and (
            "insufficient_quota" not in error.response.text
        )

    def _wait(self, error: httpx2.HTTPError, tries: int) -> float:
        """Seconds until the next try: what the server asks for, else twice as long each time."""
        if never_passes(error):
            raise RewardError(f"the endpoint of {self.model}: {self._told(error)}") from None
        # A part of it is chance, so that questions that failed together do not come together.
        spread: float = min(_LONGEST, _FIRST * 2 ** min(tries - 1, 16)) * random.uniform(0.5, 1)
        asked = seconds_told(error)
        return spread if asked is None else asked + 0.1 * spread

    def _sleep(self, error: httpx2.HTTPError, seconds: float) -> None:
        if isinstance(error, httpx2.HTTPStatusError) and error.response.status_code == 429:
            self._pace.pause(seconds)
        else:
            self._pace.stopped.wait(seconds)

    def _told(self, error: httpx2.HTTPError) -> str:
        """What happened, with the server's own words and without a key."""
        key = self._key()
        if isinstance(error, httpx2.HTTPStatusError):
            words = words_of(error, key)
            return f"HTTP {error.response.status_code}" + (f": {words}" if words else "")
        return plain(redact(f"{type(error).__name__}: {error}".removesuffix(": "), key))

    def _refusal(self, error: httpx2.HTTPStatusError) -> Exception:
        told, status = self._told(error), error.response.status_code
        if status in _ABOUT_THE_QUESTION:
            return ValueError(f"the endpoint refuses the question: {told}")
        hints = {
            401: f"put a key that is valid there into the environment variable {self._variable}",
            403: f"the key in the environment variable {self._variable} is not allowed to do this",
            404: "`model` is the name under which the server has it; the address usually ends in "
            "/v1",
            429: "the quota is used up; answers so far are kept, and the same command goes on",
        }
        return RewardError(
            f"the endpoint of {self.model} refuses to answer: {told}",
            hint=hints.get(status, "ask the same with curl to see why"),
        )


def _may_be_its_fault(error: httpx2.HTTPError) -> bool:
    """Whether the question can be why: a server may break at an image, or think too long of it."""
    if isinstance(error, httpx2.HTTPStatusError):
        return error.response.status_code not in (408, 409, 425, 429)
    return not isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout)


class _Unreadable(SynpicError):
    """An answer without what is asked for."""


def data_url(picture: SentImage) -> str:
    """An image as it stands in a request."""
    return f"data:image/png;base64,{base64.b64encode(picture.png).decode()}"


def _read(response: Any) -> VlmAnswer:
    """The likeliest tokens of an answer.

    Raises:
        _Unreadable: it has none.
        ValueError, LookupError, TypeError, AttributeError: it is no answer of this interface.
    """
    choice = response["choices"][0]
    content = (choice.get("logprobs") or {}).get("content")
    if content is None:
        raise _Unreadable("this endpoint returns no log-probabilities")
    places = [
        {
            _text(one): float(one["logprob"])
            for one in reversed(place.get("top_logprobs") or [])
            if float(one["logprob"]) > _IMPOSSIBLE
        }
        for place in content
    ]
    if content and not any(len(place) > 1 for place in places):
        raise _Unreadable(
            "this endpoint returns no log-probabilities of other answers (top_logprobs)"
        )
    return VlmAnswer(places)


def _text(token: Mapping[str, Any]) -> str:
    """A token's text; its bytes say more where both are there."""
    as_bytes = token.get("bytes")
    return bytes(as_bytes).decode(errors="replace") if as_bytes else str(token["token"])
