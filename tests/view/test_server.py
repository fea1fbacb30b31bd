"""Who gets an answer: names, tokens and origins; and what is answered of what is not there."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from benchmarks.browser import serving
from synpic.errors import SynpicError
from synpic.view.frame import Frame, make_frame
from synpic.view.serving import make_server
from synpic.view.source import open_source
from synpic.web.security import POLICY
from synpic.workspace.marks import MARKS, read_marks
from tests.publish import fixtures
from tests.view import making


@pytest.fixture(scope="module")
def address(frame: Frame) -> Iterator[str]:
    with serving(frame) as found:
        yield found


def ask(
    address: str, path: str, method: str = "GET", body: Any = None, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """A request as it is written; ``Host`` too. A path "/x" is the server's, "x" the page's."""
    where = urlsplit(address)
    connection = http.client.HTTPConnection("127.0.0.1", where.port, timeout=20)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(
        method,
        path if path.startswith("/") else where.path + path,
        body if body is None or isinstance(body, bytes) else json.dumps(body),
        {"Host": where.netloc, **sent},
    )
    answer = connection.getresponse()
    found = answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    connection.close()
    return found


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "[evil"])
def test_another_name_gets_nothing(address: str, host: str) -> None:
    status, headers, body = ask(address, "api/rows", Host=host)
    assert status in (400, 421)
    assert b"prompt" not in body
    if status == 421:
        assert headers["content-security-policy"] == POLICY


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:80", "[::1]:9"])
def test_loopback_has_several_names(address: str, host: str) -> None:
    assert ask(address, "api/rows", Host=host)[0] == 200


def test_every_answer_has_the_policy(address: str, frame: Frame) -> None:
    one = frame.shown.candidates["candidate_id"][0]
    for path in ("", "assets/page.js", "api/rows", f"images/{one}", f"thumbnails/320/{one}", "no"):
        headers = ask(address, path)[1]
        assert headers["content-security-policy"] == POLICY
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"


def test_elsewhere_than_on_loopback_a_token_is_asked_for(frame: Frame) -> None:
    with serving(frame, host="0.0.0.0") as address:
        port = urlsplit(address).port
        token = urlsplit(address).path.strip("/")
        assert len(token) >= 24
        here = f"127.0.0.1:{port}"
        assert ask(address, "api/rows", Host=here)[0] == 200
        for path in (
            "/",
            "/api/rows",
            "/assets/page.js",
            f"/{token[:-1]}/",
            f"/{token}x/",
            "/%C3%A9",
        ):
            status, _, body = ask(address, path, Host=here)
            assert status in (400, 403)
            assert token.encode() not in body
        assert ask(address, "api/rows", Host="evil.example")[0] == 421
        status, headers, _ = ask(address, f"/{token}", Host=here)
        assert (status, headers["location"]) == (308, f"/{token}/")


@pytest.mark.parametrize("path", [
    "images/" + "0" * 32, "images/..%2f..%2fetc%2fpasswd", "thumbnails/320/" + "0" * 32,
    "assets/..%2fserver.py", "assets/server.py", f"assets/{'a' * 300}.js", "assets/",
    "api/prompt/none", "no",
])  # fmt: skip
def test_what_is_not_there(address: str, path: str) -> None:
    assert ask(address, path)[0] == 404


def test_images_come_as_they_lie(address: str, frame: Frame, made: Path) -> None:
    one = frame.shown.candidates["candidate_id"][0]
    status, headers, body = ask(address, f"images/{one}")
    assert (status, headers["content-type"]) == (200, "image/png")
    assert body == fixtures.encoded(frame.shown.workspace)[one]  # type: ignore[arg-type]
    _, headers, body = ask(address, f"thumbnails/320/{one}")
    assert headers["content-type"] == "image/webp"
    assert body[8:12] == b"WEBP"
    assert ask(address, f"thumbnails/321/{one}")[0] == 404


def test_only_the_page_itself_marks(tmp_path: Path) -> None:
    workspace = making.build(tmp_path / "set", 2)
    frame = make_frame(open_source(workspace))
    one = frame.prompts["prompt_id"][0]
    mark = {"kind": "prompts", "id": one, "mark": {"drop": True}}
    with serving(frame) as address:
        origin = address.rstrip("/")
        for headers in (
            {},
            {"Origin": origin},
            {"X_Synpic": "1"},
            {"Origin": "http://evil.example", "X_Synpic": "1"},
            {"Origin": "null", "X_Synpic": "1"},
        ):
            assert ask(address, "api/marks", "POST", mark, **headers)[0] == 403
        assert not workspace.store.exists(MARKS)
        ours = {"Origin": origin, "X_Synpic": "1"}
        for wrong in (
            {},
            [],
            {**mark, "kind": "files"},
            {**mark, "id": "../../x"},
            {**mark, "mark": {"drop": True, "keep": True}},
            {**mark, "mark": {"note": "x" * 5000}},
            {**mark, "mark": {"other": 1}},
        ):
            assert ask(address, "api/marks", "POST", wrong, **ours)[0] == 400
        assert ask(address, "api/marks", "POST", b"[" * 99_999, **ours)[0] == 400
        assert ask(address, "api/marks", "POST", b" " * 100_001, **ours)[0] == 413
        assert not workspace.store.exists(MARKS)
        assert ask(address, "api/marks", "POST", mark, **ours)[0] == 200
        assert read_marks(workspace.store).prompts[one].drop
        # What was written by hand meanwhile stays.
        other = frame.prompts["prompt_id"][1]
        text = workspace.store.read(MARKS).decode()
        workspace.store.write(MARKS, f"{text}\n[prompts.{other}]\nstar = true\n".encode())
        cleared = {**mark, "mark": {}}
        assert ask(address, "api/marks", "POST", cleared, **ours)[0] == 200
        assert set(read_marks(workspace.store).prompts) == {other}


def test_a_file_of_marks_that_is_none_is_said_and_rows_are_shown(tmp_path: Path) -> None:
    workspace = making.build(tmp_path / "set", 2)
    frame = make_frame(open_source(workspace))
    mark = {"kind": "prompts", "id": frame.prompts["prompt_id"][0], "mark": {"star": True}}
    workspace.store.write(MARKS, b"[prompts\n")
    with serving(frame) as address:
        assert ask(address, "")[0] == 200
        status, _, body = ask(address, "api/rows")
        assert (status, len(json.loads(body)["rows"])) == (200, 2)
        found = json.loads(ask(address, "api/marks")[2])
        assert "marks.toml" in found["problem"]
        assert "line 1" in found["problem"]
        assert found["prompts"] == {}
        for answer in (
            ask(address, "api/rows?marked=drop"),
            ask(address, "api/marks", "POST", mark, Origin=address.rstrip("/"), X_Synpic="1"),
        ):
            assert answer[0] == 409
            assert "marks.toml" in json.loads(answer[2])["error"]
        assert workspace.store.read(MARKS) == b"[prompts\n"
        workspace.store.write(MARKS, b"")
        assert json.loads(ask(address, "api/marks")[2])["problem"] is None
        assert ask(address, "api/rows?marked=drop")[0] == 200


def test_small_answers_are_sent_at_once(frame: Frame) -> None:
    """asyncio turns Nagle's algorithm off for sockets that say that they are TCP, and no others."""
    with make_server(frame).socket as listener:
        assert listener.proto == socket.IPPROTO_TCP


def test_a_port_that_is_taken_is_named(frame: Frame) -> None:
    with serving(frame) as address:
        port = urlsplit(address).port
        with pytest.raises(SynpicError) as caught:
            make_server(frame, port=port or 0)
    assert f"--port {port}" in caught.value.message


def test_a_page_after_the_last_is_the_last(address: str, frame: Frame) -> None:
    found = json.loads(ask(address, "api/rows?page=9999&size=5")[2])
    last = json.loads(ask(address, f"api/rows?page={found['pages']}&size=5")[2])
    assert found == last
    assert found["page"] == found["pages"] == -(-frame.prompts.height // 5)
    nothing = json.loads(ask(address, "api/rows?page=9999&q=no%20such")[2])
    assert (nothing["page"], nothing["pages"], nothing["rows"]) == (1, 1, [])
