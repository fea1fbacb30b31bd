"""Weights at an address are what their name says, fetched once, and refused otherwise."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from synpic import Workspace
from synpic.errors import CheckpointError, HubUnreachable
from synpic.hub import checkpoints
from synpic.hub.hashed_files import digits_of, fetch_hashed, is_address, kept_file
from synpic.score.cached import in_cache

CONTENT = bytes(range(256)) * 4096
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves :data:`CONTENT` at any path, as it is set to."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.breaks, self.ranges, self.status = CONTENT, 0, True, 200
        self.asked: list[str | None] = []

    def address(self, digits: str = DIGEST[:8]) -> str:
        return f"http://127.0.0.1:{self.server_port}/zoo/net-{digits}.pth"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server, wanted = self.server, self.headers.get("Range")
        server.asked.append(wanted)
        if server.status != 200:
            self.send_error(server.status)
            return
        start = int(wanted[6:-1]) if wanted and server.ranges else 0
        left = server.content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(left)))
        self.end_headers()
        server.breaks -= 1
        self.wfile.write(left[: len(left) // 2] if server.breaks >= 0 else left)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("synpic.hub.hashed_files.WAITS", (0, 0))
    return tmp_path / "cache"


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.01,))
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def test_a_file_is_fetched_once(server: Server) -> None:
    address = server.address()
    assert kept_file(address) is None
    assert in_cache(address, ("net.pth",)).state == "no"
    path = fetch_hashed(address)
    assert path.read_bytes() == CONTENT
    assert [one.name for one in path.parent.iterdir()] == [f"net-{DIGEST[:8]}.pth"]
    assert fetch_hashed(address) == path == kept_file(address)
    assert in_cache(address, ("net.pth",)).bytes == len(CONTENT)
    assert server.asked == [None]


@pytest.mark.parametrize("ranges", [True, False])
def test_a_download_that_breaks_off_goes_on(server: Server, ranges: bool) -> None:
    server.breaks, server.ranges = 2, ranges
    assert fetch_hashed(server.address()).read_bytes() == CONTENT
    half, quarter = len(CONTENT) // 2, len(CONTENT) // 4
    later = [f"bytes={half}-", f"bytes={half + quarter}-"] if ranges else [f"bytes={half}-"] * 2
    assert server.asked == [None, *later]


def test_what_never_comes_whole_is_no_file(server: Server, cache: Path) -> None:
    server.breaks = 9
    with pytest.raises(HubUnreachable, match=r"cannot be downloaded: it broke off after .* of"):
        fetch_hashed(server.address())
    assert not [one for one in cache.rglob("*") if one.is_file()]


@pytest.mark.parametrize(("status", "times"), [(404, 1), (503, 3)])
def test_a_refusal_is_the_server_s_own(server: Server, status: int, times: int) -> None:
    server.status = status
    with pytest.raises(HubUnreachable, match=f"HTTP Error {status}"):
        fetch_hashed(server.address())
    assert len(server.asked) == times


def test_other_bytes_are_refused(server: Server, cache: Path) -> None:
    server.content = CONTENT[:-1] + b"x"
    with pytest.raises(CheckpointError, match=f"expected {DIGEST[:8]}"):
        fetch_hashed(server.address())
    assert not [one for one in cache.rglob("*") if one.is_file()]


def test_a_file_that_was_damaged_since_is_fetched_again(server: Server) -> None:
    path = fetch_hashed(server.address())
    path.write_bytes(CONTENT[:-1])
    assert fetch_hashed(server.address()).read_bytes() == CONTENT
    assert len(server.asked) == 2


def test_a_cache_that_cannot_be_written_is_named(server: Server, cache: Path) -> None:
    cache.write_text("a file in the place of the folder")
    with pytest.raises(CheckpointError, match="cannot be written") as caught:
        fetch_hashed(server.address())
    assert "XDG_CACHE_HOME" in (caught.value.hint or "")


@pytest.mark.parametrize(
    "address",
    [
        "https://zoo.test/net.pth",
        "https://zoo.test/net-743b7d9.pth",
        "https://zoo.test/net-743b7d99.pth/",
        "https://zoo.test/..-743b7d99/x",
        "https://[zoo/net-743b7d99.pth",
        "https://zoo.test/a%2F..%2Fnet/-743b7d99.pth%00",
    ],
)
def test_a_name_without_digits_is_refused(address: str) -> None:
    with pytest.raises(CheckpointError, match="nothing says what the file has to hold"):
        digits_of(address)
    assert is_address(address)


def test_a_name_of_a_recipe_may_be_an_address(server: Server, workspace: Workspace) -> None:
    """Known by the digits, before anything is fetched."""
    address = server.address()
    lock = workspace.snapshot().lock
    entry = checkpoints.resolve(lock, address, None)
    assert checkpoints.resolve(workspace.snapshot().lock, address, None) == entry
    assert checkpoints.locked(workspace.snapshot().lock, address, None) == entry
    assert checkpoints.identity(entry) == {"sha256": DIGEST[:8]}
    assert checkpoints.locate(address, workspace.folder) is None
    assert not server.asked
    folder, commit = checkpoints.load_from(workspace.folder, entry)
    assert (Path(folder) / f"net-{DIGEST[:8]}.pth").read_bytes() == CONTENT
    assert commit is None
    assert checkpoints.load_unlocked(address, None) == (folder, None)
    assert checkpoints.resolve_unlocked(address, None) == ({"sha256": DIGEST[:8]}, folder, None)
    for act in (checkpoints.load_unlocked, lambda *of: checkpoints.resolve(lock, *of)):
        with pytest.raises(CheckpointError, match="has no revision"):
            act(server.address(DIGEST[:9]), "main")
