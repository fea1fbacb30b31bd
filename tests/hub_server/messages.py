"""What goes over the wire: a request whose body is a stream, an answer, and a refusal."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, Literal
from urllib.parse import parse_qs, urlsplit

__all__ = [
    "Answer",
    "Body",
    "ClientLeft",
    "Exchange",
    "FileRange",
    "Host",
    "Refusal",
    "Request",
    "content_answer",
    "json_answer",
    "ratelimit",
]

PIECE = 1 << 20

Host = Literal["hub", "storage"]


class ClientLeft(Exception):
    """The client closed the connection before its request was whole."""


class Refusal(Exception):
    """The Hub says no.

    Args:
        status: of the answer.
        message: goes into the body as ``error`` and into ``X-Error-Message``.
        code: ``X-Error-Code``, by which the client picks the exception it raises.
        more: other fields of the body.
        headers: other headers.
    """

    def __init__(
        self,
        status: int,
        message: str,
        code: str | None = None,
        *,
        more: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {code or ''} {message}")
        self.status = status
        self.message = message
        self.code = code
        self.more = dict(more or {})
        self.headers = dict(headers or {})

    def answer(self) -> Answer:
        headers = {"X-Error-Message": self.message.encode("ascii", "replace").decode()}
        if self.code:
            headers["X-Error-Code"] = self.code
        return json_answer(
            {"error": self.message, **self.more}, self.status, {**headers, **self.headers}
        )


class Body:
    """The bytes of a request, read from the socket once and never held together unless asked for.

    Attributes:
        received: bytes read so far.
    """

    def __init__(self, stream: BinaryIO, headers: Mapping[str, str]) -> None:
        self.received = 0
        self._stream = stream
        chunked = "chunked" in (headers.get("Transfer-Encoding") or "").lower()
        length = int(headers.get("Content-Length") or 0)
        self._pieces = self._chunks() if chunked else self._fixed(length)

    def __iter__(self) -> Iterator[bytes]:
        """The rest, in pieces of at most 1 MiB.

        Raises:
            ClientLeft: the connection ended before the body did.
        """
        for piece in self._pieces:
            self.received += len(piece)
            yield piece

    def read(self) -> bytes:
        return b"".join(self)

    def drain(self) -> None:
        for _ in self:
            pass

    def _fixed(self, length: int) -> Iterator[bytes]:
        while length:
            piece = self._some(min(length, PIECE))
            length -= len(piece)
            yield piece

    def _chunks(self) -> Iterator[bytes]:
        while length := int(self._line().split(b";")[0], 16):
            yield from self._fixed(length)
            self._line()
        while self._line().strip():
            pass  # trailers

    def _some(self, most: int) -> bytes:
        piece = self._stream.read(most)
        if not piece:
            raise ClientLeft
        return piece

    def _line(self) -> bytes:
        line = self._stream.readline(1 << 16)
        if not line:
            raise ClientLeft
        return line


@dataclass(frozen=True)
class Request:
    """A request as it came.

    Attributes:
        host: which of the two hosts it came to.
        target: path and query, quoted as sent.
    """

    host: Host
    method: str
    target: str
    headers: Mapping[str, str]
    body: Body

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @cached_property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.target).query, keep_blank_values=True)

    def argument(self, name: str) -> str | None:
        return self.query.get(name, [None])[0]

    def flag(self, name: str) -> bool:
        return (self.argument(name) or "").lower() in {"1", "true"}

    @cached_property
    def content(self) -> bytes:
        return self.body.read()

    def json(self) -> dict[str, Any]:
        try:
            value = json.loads(self.content or b"{}")
        except ValueError as error:
            raise Refusal(400, f"Invalid JSON: {error}") from error
        if not isinstance(value, dict):
            raise Refusal(400, "Invalid JSON: expected an object")
        return value

    def form(self) -> dict[str, list[str]]:
        return parse_qs(self.content.decode(), keep_blank_values=True)


@dataclass
class Exchange:
    """A request and what became of it.

    Attributes:
        number: from 0, in the order of arrival.
        target: path and query, as sent.
        token: what its Authorization header held, None without one.
        received: bytes of its body.
        status: of the answer; None while there is none, and for ever if the connection ended.
        response: body of the answer; empty for the content of files.
    """

    number: int
    host: Host
    method: str
    target: str
    token: str | None
    received: int = 0
    status: int | None = None
    response: bytes = b""

    def __str__(self) -> str:
        return f"{self.number} {self.method} {self.target} → {self.status}"


@dataclass(frozen=True)
class FileRange:
    """``length`` bytes of the file ``path`` from ``start`` on."""

    path: Path
    start: int
    length: int

    def __iter__(self) -> Iterator[bytes]:
        left = self.length
        with self.path.open("rb") as file:
            file.seek(self.start)
            while left and (piece := file.read(min(left, PIECE))):
                left -= len(piece)
                yield piece


@dataclass(frozen=True)
class Answer:
    """Status, headers and body; ``cut`` ends the connection after so many bytes of the body."""

    status: int = 200
    body: bytes | FileRange = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None

    @property
    def length(self) -> int:
        return len(self.body) if isinstance(self.body, bytes) else self.body.length

    def pieces(self) -> Iterator[bytes]:
        return iter([self.body] if isinstance(self.body, bytes) else self.body)


def json_answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(
        status,
        json.dumps(value, ensure_ascii=False).encode(),
        {"Content-Type": "application/json; charset=utf-8", **(headers or {})},
    )


def ratelimit(remaining: int, seconds: int) -> dict[str, str]:
    """The headers every answer of the API has: requests left, and seconds until there are more."""
    return {
        "RateLimit": f'"api";r={remaining};t={seconds}',
        "RateLimit-Policy": '"fixed window";"api";q=1000;w=300',
    }


def content_answer(
    content: bytes | FileRange, request: Request, headers: Mapping[str, str]
) -> Answer:
    """A file, or the one range of it that the request names.

    Raises:
        Refusal: 416, the range begins after the end.
    """
    size = len(content) if isinstance(content, bytes) else content.length
    shared = {"Accept-Ranges": "bytes", **headers}
    asked = re.fullmatch(r"bytes=(\d*)-(\d*)", request.headers.get("Range") or "")
    if asked is None or asked[0] == "bytes=-":
        return Answer(200, content, shared)
    if asked[1]:
        start, last = int(asked[1]), min(int(asked[2] or size), size - 1)
    else:
        start, last = max(size - int(asked[2]), 0), size - 1
    if start >= size or last < start:
        raise Refusal(
            416, "Requested range not satisfiable", headers={"Content-Range": f"bytes */{size}"}
        )
    if isinstance(content, bytes):
        part: bytes | FileRange = content[start : last + 1]
    else:
        part = FileRange(content.path, content.start + start, last + 1 - start)
    return Answer(206, part, {**shared, "Content-Range": f"bytes {start}-{last}/{size}"})
