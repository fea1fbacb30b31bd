"""What an error of the Hub's client says: status, the server's own words, whether it may pass.

The client's errors are not one family: uploads and transformers wrap them, hf-xet puts a status
into a text, and the classes of its HTTP library change between versions. Everything that looks
inside such an error is here.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from email.utils import parsedate_to_datetime
from itertools import islice
from typing import Any

from synpic.errors import causes
from synpic.readers.display import visible

__all__ = [
    "TRANSIENT",
    "NotTheHub",
    "never_passes",
    "no_answer",
    "plain",
    "redact",
    "seconds_told",
    "status_of",
    "transient",
    "words_of",
    "wrong_size",
]

TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})
"""Statuses after which the same request may succeed later."""

_LENGTH = 2_000
"""Characters of a server's message that are shown."""

_MESSAGES = 20
"""Messages of one body that are looked at."""

_SECRETS = (
    re.compile(r"\bhf_[A-Za-z0-9]{16,}"),
    re.compile(r"(?<=\bBearer )[^\s\"',]+", re.IGNORECASE),
    re.compile(r"(?<=://)[^/\s@\"']+(?=@)"),
    # A signed URL of the storage: it is all that is needed to read the file.
    re.compile(
        r"(?<=[?&])((?:[\w-]*(?:token|signature|credential|secret|policy|key)[\w-]*|sig)=)[^&\s\"']+",
        re.IGNORECASE,
    ),
)


_NEVER_PASS = frozenset({"UnsupportedProtocol", "LocalProtocolError", "TooManyRedirects"})
"""Errors of HTTP libraries that the same request always meets: an endpoint without a scheme, a line
break in a token, a server that redirects in a circle. By name: the library differs by version."""


class NotTheHub(Exception):
    """An answer that the Hub does not give: of a proxy, a login page, a wrong address."""


def status_of(error: BaseException) -> int | None:
    """The HTTP status that ``error`` stands for; None if there was no answer."""
    for one in causes(error):
        status = getattr(getattr(one, "response", None), "status_code", None)
        if isinstance(status, int):
            return status
        status = re.search(r"HTTP status (?:client|server) error \((\d{3})\b", str(one))
        if status:
            return int(status[1])
    return None


def seconds_told(error: BaseException) -> float | None:
    """How long the Hub says to wait: ``Retry-After``, in seconds or as a date, or ``t`` of its
    ``RateLimit`` header.

    The latter comes with every answer; it is a time to wait only where nothing is left (429).
    """
    responses = (getattr(one, "response", None) for one in causes(error))
    headers: Any = next((one.headers for one in responses if one is not None), {})
    after = headers.get("retry-after") or ""
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", after, re.ASCII):
        return float(after)
    with suppress(ValueError, TypeError, OverflowError):
        left = parsedate_to_datetime(after).timestamp() - time.time()
        return left if left > 0 else None  # the clocks differ
    if status_of(error) != 429:
        return None
    window = headers.get("ratelimit") or ""
    found = re.search(r"\bt=(\d{1,9})\b", window, re.ASCII)
    remaining = re.search(r"\br=(\d{1,9})\b", window, re.ASCII)
    return float(found[1]) if found and not (remaining and int(remaining[1])) else None


def transient(error: BaseException) -> bool:
    """Whether the same request may succeed later: no answer, too many requests, a broken server."""
    from huggingface_hub import errors

    if any(isinstance(one, errors.OfflineModeIsEnabled | NotTheHub) for one in causes(error)):
        return False
    status = status_of(error)
    if status is not None:
        return status in TRANSIENT
    if never_passes(error):
        return False
    kinds = no_answer()
    return any(isinstance(one, kinds) for one in causes(error))


def never_passes(error: BaseException) -> bool:
    """Whether there is no answer for a reason that stays: what was asked cannot be sent so."""
    return any(kind.__name__ in _NEVER_PASS for one in causes(error) for kind in type(one).__mro__)


def wrong_size(error: BaseException) -> bool:
    """Whether a file came in another size than the Hub announced: the check of the client."""
    return type(error) is OSError and str(error).startswith("Consistency check failed")


def no_answer() -> tuple[type[Exception], ...]:
    """What the client raises when it has no answer, or not the one that it wants."""
    from huggingface_hub import errors

    # Its name for the errors of its HTTP library, which are no ``OSError``; another one in 0.x.
    broken: type[Exception] = getattr(errors, "HTTPError", ConnectionError)
    return broken, ConnectionError, TimeoutError


def words_of(error: BaseException, *secrets: str | None) -> str | None:
    """The server's own message, whole, on one line; None if there is none.

    The header ``X-Error-Message``; ``error``, ``message`` and ``detail`` of a JSON body; a body of
    plain text.
    Control characters are escaped, tokens are left out, and only what goes beyond 2,000 characters
    is cut.

    Args:
        secrets: tokens in use, beside those that the request carried.
    """
    found: dict[str, str] = {}  # without regard to case and space → as it was said
    for one in causes(error):
        for said in _said(one):
            text = " ".join(said.split())
            if text:
                found.setdefault(text.casefold(), text)
    # A header in ASCII has "?" where the body has a letter; the body's is the whole one.
    kept = [text for text in found.values() if not _has_whole(text, found.values())]
    if not kept:
        return None
    text = redact(" ".join(kept), *secrets, *_tokens_of(error))
    return plain(text)


def plain(text: str) -> str:
    """Untrusted text on one line of a message: control characters escaped, cut at 2,000."""
    line = " ".join(text[: 4 * _LENGTH].split())
    cut = line if len(line) <= _LENGTH else f"{line[: _LENGTH - 1]}…"
    return visible(cut)


def redact(text: str, *secrets: str | None) -> str:
    """``text`` without tokens, passwords in URLs and signatures of URLs.

    Args:
        secrets: taken out wherever they are; short ones (under 6 characters) are no tokens.
    """
    for secret in {*secrets, os.environ.get("HF_TOKEN"), _stored_token()}:
        if secret and len(secret) >= 6:
            text = text.replace(secret, "[token]")
    for pattern in _SECRETS:
        text = pattern.sub(lambda met: f"{met[1] if met.lastindex else ''}[secret]", text)
    return text


def _said(error: BaseException) -> list[str]:
    """Every message of the answer behind ``error``."""
    response: Any = getattr(error, "response", None)
    if response is None:
        return []
    headers = getattr(response, "headers", None) or {}
    found = [str(headers.get("x-error-message") or ""), *islice(_in_body(response), _MESSAGES)]
    # The client has joined the same, of a body that can be read once.
    found = list(filter(None, found)) or [str(getattr(error, "server_message", None) or "")]
    return [text[: 4 * _LENGTH] for text in found]


def _in_body(response: Any) -> Iterator[str]:
    """Every message in the body of an answer."""
    try:
        text = str(response.text)
    except (AttributeError, RuntimeError, UnicodeError):  # a stream that was not read; no body
        return
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        kind = (getattr(response, "headers", None) or {}).get("content-type") or ""
        if not re.match(r"\s*<", text) and "html" not in kind.lower():
            yield text
        return
    if not isinstance(body, dict):
        return
    for key in ("error", "error_description", "message", "errors", "detail"):
        for one in body[key] if isinstance(body.get(key), list) else [body.get(key)]:
            inner = one.get("message", one.get("msg")) if isinstance(one, dict) else one
            if isinstance(inner, str | int | float):
                yield str(inner)


def _has_whole(text: str, others: Iterable[str]) -> bool:
    """Whether one of ``others`` says ``text`` and more, or says it in more letters than ASCII."""
    pattern = re.escape(text.casefold()).replace(re.escape("?"), ".")
    return any(text is not one and re.search(pattern, one.casefold()) for one in others)


def _tokens_of(error: BaseException) -> Iterator[str]:
    """The tokens that the requests behind ``error`` carried."""
    for one in causes(error):
        for holder in (one, getattr(one, "response", None)):
            headers = getattr(getattr(holder, "_request", None), "headers", {})
            yield str(headers.get("authorization") or "").rpartition(" ")[2]


def _stored_token() -> str | None:
    from huggingface_hub import get_token

    return get_token()
