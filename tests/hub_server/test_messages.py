"""Bodies and ranges, apart from any client."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.hub_server.messages import Body, ClientLeft, FileRange, Refusal, Request, content_answer

CONTENT = bytes(range(100))


def asking(span: str | None) -> Request:
    headers = {} if span is None else {"Range": span}
    return Request("hub", "GET", "/x", headers, Body(io.BytesIO(), {}))


@given(st.integers(0, 99), st.integers(0, 150))
def test_a_range_is_a_slice(start: int, last: int) -> None:
    if last < start:
        start, last = last, start
    answer = content_answer(CONTENT, asking(f"bytes={start}-{last}"), {})
    assert (answer.status, answer.body) == (206, CONTENT[start : last + 1])
    assert answer.headers["Content-Range"] == f"bytes {start}-{min(last, 99)}/100"


def test_the_other_kinds_of_range(tmp_path: Path) -> None:
    assert content_answer(CONTENT, asking("bytes=90-"), {}).body == CONTENT[90:]
    assert content_answer(CONTENT, asking("bytes=-5"), {}).body == CONTENT[-5:]
    assert content_answer(CONTENT, asking("bytes=-500"), {}).body == CONTENT
    for whole in (None, "bytes=-", "bytes=0-1,4-5", "lines=1-2"):
        assert content_answer(CONTENT, asking(whole), {}).status == 200
    with pytest.raises(Refusal) as beyond:
        content_answer(CONTENT, asking("bytes=100-"), {})
    assert (beyond.value.status, beyond.value.headers["Content-Range"]) == (416, "bytes */100")
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    part = content_answer(FileRange(path, 0, 100), asking("bytes=7-9"), {})
    assert (part.length, b"".join(part.pieces())) == (3, CONTENT[7:10])


@given(st.lists(st.binary(min_size=1, max_size=50)))
def test_a_body_in_chunks(pieces: list[bytes]) -> None:
    sent = b"".join(f"{len(piece):x};note\r\n".encode() + piece + b"\r\n" for piece in pieces)
    stream = io.BytesIO(sent + b"0\r\nTrailer: 1\r\n\r\nnext")
    body = Body(stream, {"Transfer-Encoding": "chunked"})
    assert body.read() == b"".join(pieces)
    assert body.received == sum(map(len, pieces))
    assert stream.read() == b"next"


def test_a_body_that_breaks_off() -> None:
    with pytest.raises(ClientLeft):
        Body(io.BytesIO(b"123"), {"Content-Length": "4"}).read()
    with pytest.raises(ClientLeft):
        Body(io.BytesIO(b"4\r\n12"), {"Transfer-Encoding": "chunked"}).read()
