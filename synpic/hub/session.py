"""The HTTP session of the Hub's client: time limits, and answers that are looked at first.

``huggingface_hub`` shares one session between all its users in a process (transformers, diffusers
and datasets among them), sets no time limit on most requests, and uses what a server puts into
headers and ``sha`` as names of folders. :func:`guard` adds what is missing, once.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from urllib.parse import urlsplit

from synpic.hub.answers import TRANSIENT, NotTheHub
from synpic.hub.names import PUBLIC, endpoint, is_commit

__all__ = ["SECONDS", "deciding_ourselves", "guard", "is_deciding"]

SECONDS = 120.0
"""How long one request may be silent. The Hub itself gives up a commit after 60 s."""

_TRICKLE = 1_000
"""Bytes that :data:`SECONDS` have to bring of an answer; what is slower never ends."""

_ours: ContextVar[bool] = ContextVar("synpic_decides_about_retries", default=False)

_INFO = re.compile(r"/api/(?:models|datasets|spaces)/[^/]+(?:/[^/]+)?(?:/revision/[^/]+)?/?")
_ETAG = re.compile(r"[\w.:+=-]{1,200}", re.ASCII)


def guard() -> None:
    """Give every session of the client time limits, waits and our look at answers.

    It may be called again: only the first call changes anything.
    """
    from huggingface_hub import set_client_factory
    from huggingface_hub.utils import _http

    # Private, and the only way to keep a factory that a program has set (proxies, certificates).
    made: Any = getattr(_http, "_GLOBAL_CLIENT_FACTORY", _http.default_client_factory)
    if getattr(made, "guarded", False):
        return

    def make() -> Any:
        from synpic.hub.libraries import patiently  # which waits by a policy that needs this module

        session = made()
        if all(limit is None for limit in session.timeout.as_dict().values()):
            session.timeout = SECONDS
        hooks = session.event_hooks
        session.event_hooks = {**hooks, "response": [*hooks.get("response", []), _look_at]}
        session.send = patiently(session.send)
        return session

    make.guarded = True  # type: ignore[attr-defined]
    set_client_factory(make)


@contextmanager
def deciding_ourselves() -> Iterator[None]:
    """Inside, an answer of the Hub that may pass (429, 5xx) is raised at once.

    The client would wait and try again by itself, silently and up to five times.
    """
    before = _ours.set(True)
    try:
        yield
    finally:
        _ours.reset(before)


def is_deciding() -> bool:
    """Whether this is inside of :func:`deciding_ourselves`."""
    return _ours.get()


def _look_at(response: Any) -> None:
    """Refuse an answer that the Hub does not give; raise one that may pass, where we decide.

    Raises:
        NotTheHub: as said.
        Exception: the client's own, of the status.
    """
    _limit(response)
    if _place(str(response.request.url)) != _place(endpoint()):
        return
    _check_headers(response.headers)
    following = response.links.get("next", {}).get("url")
    if following is not None:
        _check_host(following, "the next page")
    path = urlsplit(str(response.request.url)).path
    status = response.status_code
    if status == 200 and "/api/" in path:
        kind = str(response.headers.get("content-type") or "")
        if "html" in kind.lower():
            raise NotTheHub(f"{response.request.method} {path} brings a page of HTML")
        if response.request.method == "GET" and _INFO.search(path) and "json" in kind.lower():
            _check_commit(response, path)
    if path.endswith("/info/lfs/objects/batch"):
        _check_reports(response)
    if _ours.get() and status in TRANSIENT:
        from huggingface_hub.utils._http import hf_raise_for_status

        response.read()
        hf_raise_for_status(response)


def _limit(response: Any) -> None:
    """Have the body of an answer end in the library's ``ReadTimeout`` where it only trickles.

    The limit of the session is for each read, and a server that sends a byte a minute meets it.
    """
    library: Any = sys.modules[type(response).__module__.partition(".")[0]]
    whole = response.stream

    class Limited(library.SyncByteStream):  # type: ignore[misc]
        def __iter__(self) -> Iterator[bytes]:
            since, brought = time.monotonic(), 0
            for block in whole:
                yield block
                brought += len(block)
                now = time.monotonic()
                if now - since > SECONDS:
                    if brought < _TRICKLE:
                        raise library.ReadTimeout(
                            f"{brought} bytes in {now - since:.0f} s", request=response.request
                        )
                    since, brought = now, 0

        def close(self) -> None:
            whole.close()

    response.stream = Limited()


def _check_headers(headers: Any) -> None:
    """What the client makes names of folders and files from."""
    commit = headers.get("x-repo-commit")
    if commit is not None and not is_commit(commit):
        raise NotTheHub(f"it names a commit {commit!r}, one is 40 hexadecimal digits")
    if commit is None:
        return
    for name in ("x-linked-etag", "etag"):
        tag = headers.get(name)
        bare = (tag or "").removeprefix("W/").strip('"')
        if tag and (not _ETAG.fullmatch(bare) or set(bare) <= {"."}):
            raise NotTheHub(f"it names a file's content {tag!r}")


def _check_commit(response: Any, path: str) -> None:
    """The ``sha`` of a repository, of which the client makes a folder."""
    response.read()
    try:
        body = json.loads(response.content)
    except (ValueError, RecursionError) as error:
        raise NotTheHub(f"GET {path} brings no JSON that can be read") from error
    if isinstance(body, dict) and body.get("sha") is not None and not is_commit(body["sha"]):
        raise NotTheHub(f"it names a commit {body['sha']!r:.100}, one is 40 hexadecimal digits")


def _check_host(url: str, what: str) -> None:
    """The client sends the token with what it asks next, and does not look where."""
    if _origin(url) not in (_origin(endpoint()), _origin(PUBLIC)):
        raise NotTheHub(f"{what} leads to another host: {url!r:.200}")


def _check_reports(response: Any) -> None:
    """Where the client reports that a large file was sent."""
    response.read()
    try:
        hrefs = [
            one["actions"]["verify"]["href"]
            for one in json.loads(response.content).get("objects", [])
            if "verify" in (one.get("actions") or {})
        ]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return  # the client refuses it
    for href in hrefs:
        _check_host(str(href), "the report of an upload")


def _origin(url: str) -> tuple[str, str, int | None]:
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
        return parts.scheme, parts.hostname or "", port
    except ValueError:
        return "", "", None


def _place(url: str) -> tuple[str, int | None]:
    try:
        parts = urlsplit(url)
        return parts.hostname or "", parts.port
    except ValueError:
        return "", None
