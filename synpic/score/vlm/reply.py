"""What a server answers, read: log-probabilities, or what is wrong with it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from synpic.score.servers.outcomes import Interrupted, NotAsked, Unreadable
from synpic.score.vlm.questions import VlmAnswer, place_of

__all__ = ["read_reply"]

_IMPOSSIBLE = -1000.0
"""Servers write -9999 for what has no probability."""

_ROUNDING = 0.01
"""How far above 0 a rounded logarithm may be."""

_PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 524, 529})
_ABOUT_THE_QUESTION = frozenset({400, 413, 422})


def read_reply(text: str) -> VlmAnswer:
    """The likeliest tokens of an answer.

    Args:
        text: of a response whose status is a success.

    Raises:
        Unreadable: it has none.
        Interrupted: it ends early, or says that what stands behind the server failed.
        NotAsked: it says that the question cannot be answered.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError, MemoryError) as error:
        if isinstance(error, ValueError) and text.lstrip()[:1] == "{":
            raise Interrupted("the answer ends in the middle") from None
        raise Unreadable("what answers there does not speak OpenAI's chat completions") from None
    if isinstance(found, Mapping) and found.get("error") and not found.get("choices"):
        raise _of_error(found["error"])
    try:
        return _answer(found["choices"][0])
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError):
        raise Unreadable("what answers there does not speak OpenAI's chat completions") from None


def _of_error(error: Any) -> Exception:
    """What an error means that came with a status of success, as gateways send it."""
    code = error.get("code") if isinstance(error, Mapping) else None
    words = error.get("message") if isinstance(error, Mapping) else error
    if code in _PASSING:
        return Interrupted(f"{code}: {words}")
    if code in _ABOUT_THE_QUESTION:
        return NotAsked(f"the endpoint refuses the question: {code}: {words}")
    return Unreadable(f"the endpoint answers with an error: {words}", "see what it says")


def _answer(choice: Mapping[str, Any]) -> VlmAnswer:
    content = (choice.get("logprobs") or {}).get("content")
    hint = (
        "vLLM and SGLang return them as they are; some servers need a setting, and some "
        "(`transformers serve`) have none: run the reward locally instead"
    )
    if content is None:
        why = choice.get("finish_reason")
        raise Unreadable(
            "this endpoint returns no log-probabilities"
            + (f" (finish_reason: {why})" if isinstance(why, str) and why != "stop" else ""),
            hint,
        )
    places = [_place(place) for place in content]
    if content and not any(len(place) > 1 for place in places):
        raise Unreadable(
            "this endpoint returns no log-probabilities of other answers (top_logprobs)", hint
        )
    return VlmAnswer(places)


def _place(place: Mapping[str, Any]) -> dict[str, float]:
    """The likeliest tokens at one place, that which was generated first."""
    return place_of(list(_likely(place.get("top_logprobs") or [])), _generated(place))


def _likely(alternatives: list[Mapping[str, Any]]) -> Iterator[tuple[str, float]]:
    for one in alternatives:
        value = float(one["logprob"])
        if math.isnan(value) or value > _ROUNDING:
            raise Unreadable(
                f"this endpoint returns numbers that are not log-probabilities: {value:.4g} for "
                f"{_text(one)!r}",
                "a server that returns logits has a setting for it: vLLM's is "
                "`--logprobs-mode raw_logprobs`",
            )
        if value > _IMPOSSIBLE:
            yield _text(one), min(value, 0.0)


def _generated(place: Mapping[str, Any]) -> str | None:
    return _text(place) if isinstance(place.get("token"), str) else None


def _text(token: Mapping[str, Any]) -> str:
    """A token's text; its bytes say more where both are there."""
    as_bytes = token.get("bytes")
    if isinstance(as_bytes, list) and as_bytes:
        return bytes(as_bytes).decode(errors="replace")
    return str(token["token"])
