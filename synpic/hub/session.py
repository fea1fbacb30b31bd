"""The HTTP session of the Hub's client: time limits, and answers that are looked at first.

``huggingface_hub`` shares one session between all its users in a process (transformers, diffusers
and datasets among them), sets no time limit on most requests, and uses what a server puts into
headers and ``sha`` as names of folders. :func:`synpic.hub.retry.guard` adds what is missing, once.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from synpic.hub.answers import TRANSIENT, NotTheHub
from synpic.hub.names import PUBLIC, endpoint, is_commit

if TYPE_CHECKING:
    from synpic.hub.questions import Question

__all__ = ["SECONDS", "deciding_ourselves", "is_deciding", "look_at"]

SECONDS = 120.0
"""How long one request may be silent. The Hub itself gives up a commit after 60 s."""

_TRICKLE = 1_000
"""Bytes that :data:`SECONDS` have to bring of an answer; what is slower never ends."""

_ours: ContextVar[bool] = ContextVar("synpic_decides_about_retries", default=False)

_RANGE = re.compile(r"bytes=(\d{1,18})-(\d{1,18})?", re.ASCII)
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.ASCII)
_ETAG = re.compile(r"[\w.:+=-]{1,200}", re.ASCII)


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


def look_at(response: Any) -> None:
    """Refuse an answer that the Hub does not give; raise one that may pass, where we decide.

    Raises:
        NotTheHub: the answer has not the form that the Hub gives it.
        Exception: the client's own, of the status.
    """
    from synpic.hub.questions import question  # pydantic's forms, which no `--help` waits for

    _limit(response)
    _check_range(response)
    _check_headers(response.headers)
    url, method = str(response.request.url), response.request.method
    path, status = urlsplit(url).path, response.status_code
    is_ours = _place(url) == _place(endpoint())
    kind = str(response.headers.get("content-type") or "")
    if is_ours and status == 200 and "/api/" in path and "html" in kind.lower():
        raise NotTheHub(f"{method} {path} brings a page of HTML")
    asked = question(method, url)
    if response.has_redirect_location:
        _check_redirect(response, asked)
    if asked is not None and response.is_success:
        response.read()
        asked.check(response.content)
    if not is_ours:
        return
    following = response.links.get("next", {}).get("url")
    if following is not None:
        _check_host(following, "the next page")
    if response.is_success and path.endswith("/info/lfs/objects/batch"):
        _check_uploads(response)
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
        raise NotTheHub(f"it names a commit {commit!r:.200}, one is 40 hexadecimal digits")
    if commit is None:
        return
    for name in ("x-linked-etag", "etag"):
        tag = headers.get(name)
        bare = (tag or "").removeprefix("W/").strip('"')
        if tag and (not _ETAG.fullmatch(bare) or set(bare) <= {"."}):
            raise NotTheHub(f"it names a file's content {tag!r:.200}")
    size = headers.get("x-linked-size")
    if size is not None and not re.fullmatch(r"\d{1,18}", size, re.ASCII):
        raise NotTheHub(f"it names a file's size {size!r:.200}")


def _check_redirect(response: Any, asked: Question | None) -> None:
    """A question that is passed on stays that question, on the Hub: its answer is checked as such.

    A mirror may pass it on to the public Hub, and a repository that was renamed to its new name.
    """
    method, url = response.request.method, str(response.request.url)
    location = response.headers["location"]
    try:
        target = urljoin(url, location)
        _ = urlsplit(target).port
    except ValueError as error:
        raise NotTheHub(f"a redirect leads to {location!r:.200}, which is no URL") from error
    if asked is None:
        return
    _check_host(target, "a redirect")
    if not asked.is_asked(method, target):
        raise NotTheHub(f"{method} {urlsplit(url).path} is redirected to {target!r:.200}")


def _check_range(response: Any) -> None:
    """Part of a file is that part: the client takes whatever comes for the bytes it asked for.

    A whole file in place of its end ("bytes=5-") is an answer that the client understands.
    """
    wanted = _RANGE.fullmatch(response.request.headers.get("range") or "")
    if wanted is None or not response.is_success or (not wanted[2] and response.status_code == 200):
        return
    got = _CONTENT_RANGE.fullmatch(response.headers.get("content-range") or "")
    start, last = int(wanted[1]), int(wanted[2] or 2**63)
    if got is not None and response.status_code == 206:
        last = min(last, int(got[3]) - 1) if got[3] != "*" else min(last, int(got[2]))
        if (int(got[1]), int(got[2])) == (start, last) and _length(response) in (
            None,
            last + 1 - start,
        ):
            return
    raise NotTheHub(
        f"{response.request.headers['range']} of a file were asked for, and it brings "
        f"{response.headers.get('content-range') or 'something else'!r:.100}"
    )


def _length(response: Any) -> int | None:
    text = response.headers.get("content-length") or ""
    return int(text) if re.fullmatch(r"\d{1,18}", text, re.ASCII) else None


def _check_host(url: str, what: str) -> None:
    """The client sends the token with what it asks next, and does not look where."""
    if _origin(url) not in (_origin(endpoint()), _origin(PUBLIC)):
        raise NotTheHub(f"{what} leads to another host: {url!r:.200}")


def _check_uploads(response: Any) -> None:
    """Which files are to be sent, and where the client reports it; the form is checked before."""
    objects = json.loads(response.content)["objects"]
    wanted = {one["oid"] for one in json.loads(response.request.content)["objects"]}
    for one in objects:
        if one["oid"] not in wanted:
            raise NotTheHub(f"it names a file {one['oid']}, which is not to be sent")
        if "verify" in (one.get("actions") or {}):
            _check_host(one["actions"]["verify"]["href"], "the report of an upload")


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
