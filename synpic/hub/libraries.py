"""What libraries ask of the Hub by themselves, waited for as what synpic asks.

``from_pretrained``, ``load_dataset`` and reads of ``hf://`` go through the session of
``huggingface_hub``, which tries some requests once, and others a few times without a word.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import unquote, urlsplit

from synpic.errors import SynpicError
from synpic.hub.answers import TRANSIENT, no_answer, plain, transient
from synpic.hub.errors import Subject
from synpic.hub.retry import patience_of_readers
from synpic.hub.session import is_deciding

__all__ = ["patiently"]

_NAME = re.compile(r"/(?:api/)?(?:(models|datasets|spaces)/)?([^/]+/[^/]+)")


def patiently(send: Callable[..., Any]) -> Callable[..., Any]:
    """``Client.send`` that asks again for what may pass, by the patience of readers.

    Requests with a body are sent once: it may be a stream. So are those that synpic makes itself,
    since it decides on them with more knowledge. In the end the client gets what it got before:
    its own error, after which it looks into its cache.
    """

    @wraps(send)
    def ask(request: Any, **options: Any) -> Any:
        if is_deciding() or request.method not in ("GET", "HEAD"):
            return send(request, **options)
        patience, subject = patience_of_readers(), _subject(str(request.url))
        attempts, asked = patience.begin(subject), f"{request.method} {request.url}"
        while True:
            started = time.monotonic()
            try:
                with patience.breaking_silence(subject):
                    answer = send(request, **options)
                    _raise_if_it_may_pass(answer)
                patience.down, patience.given_up = False, ""
                return answer
            except no_answer() as error:
                # The client asks some things anew by itself: they were waited for already.
                if asked == patience.given_up or not transient(error):
                    raise
                try:
                    attempts.wait(error, spent=time.monotonic() - started)
                except SynpicError:
                    patience.given_up = asked
                    raise error from None

    return ask


def _raise_if_it_may_pass(answer: Any) -> None:
    if answer.status_code in TRANSIENT:
        from huggingface_hub.utils._http import hf_raise_for_status

        answer.read()
        hf_raise_for_status(answer)


def _subject(url: str) -> Subject:
    """The repository that ``url`` is about; elsewhere than on the Hub, the host."""
    parts = urlsplit(url)
    found = _NAME.match(unquote(parts.path))
    name = plain(found[2] if found else parts.hostname or url)
    return Subject(name, kind="dataset" if found and found[1] == "datasets" else "model")
