"""Lists that are fetched: held to a hash, kept, fetched again, and the errors of a network."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NoReturn

import pytest

from synpic.errors import EvaluationError, HubUnreachable, PromptsGone
from synpic.hub import published_files
from synpic.hub.published_files import PublishedFile
from synpic.prompts import current_prompts, ensure_prompts
from synpic.prompts.suites import Suite, fetching, find_suite
from synpic.workspace import Workspace
from tests.hub_server import HubServer
from tests.hub_server.fixtures import GoOnline, hub, online
from tests.prompts.suites.conftest import MakeSuite
from tests.prompts.suites.test_published_lists import GENEVAL, HEADER, row

__all__ = ["hub", "online"]

LINES = "".join(json.dumps(one) + "\n" for one in GENEVAL).encode()
DPG_CSV = (HEADER + row("a", 1) + row("a", 2, "1")).encode()


class Files:
    """A server of files, and how it fails.

    Args:
        url: where it is.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.files: dict[str, bytes] = {}
        self.failures: list[int | str] = []
        self.asked: list[tuple[str, str | None]] = []

    def put(self, name: str, data: bytes) -> str:
        self.files[f"/{name}"] = data
        return f"{self.url}/{name}"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Files]:
    """Answers on the loopback; a failure of its list is used up by one request."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(published_files, "WAITS", (0.0, 0.0))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            files.asked.append((self.path, asked))
            failure = files.failures.pop(0) if files.failures else None
            data = files.files.get(self.path)
            if data is None or isinstance(failure, int):
                self.send_response(failure if isinstance(failure, int) else 404)
                self.end_headers()
                return
            start = 0
            if asked and failure != "whole":
                start = int(asked.removeprefix("bytes=").removesuffix("-"))
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(data) - start))
            self.end_headers()
            self.wfile.write(data[start : len(data) // 2] if failure == "breaks" else data[start:])

        def log_message(self, *words: object) -> None:
            pass

    serving = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    files = Files(f"http://127.0.0.1:{serving.server_port}")
    thread = threading.Thread(target=serving.serve_forever)
    thread.start()
    yield files
    serving.shutdown()
    thread.join()
    serving.server_close()


@pytest.fixture
def lists(monkeypatch: pytest.MonkeyPatch) -> dict[str, Suite]:
    """Suites of this name are found in this dictionary first."""
    made: dict[str, Suite] = {}

    def find(name: str, beside: Path | None = None) -> Suite:
        return made.get(name) or find_suite(name, beside)

    monkeypatch.setattr("synpic.prompts.suites.opening.find_suite", find)
    return made


@pytest.fixture
def geneval(server: Files, lists: dict[str, Suite]) -> Suite:
    url = server.put("list.jsonl", LINES)
    place = PublishedFile(url, hashlib.sha256(LINES).hexdigest())
    lists["geneval"] = replace(find_suite("geneval"), places={"evaluation_metadata.jsonl": place})
    return lists["geneval"]


def nothing(*asked: object, **more: object) -> NoReturn:
    raise AssertionError(f"asked for {asked}")


@pytest.mark.usefixtures("geneval")
def test_a_list_is_fetched_once(
    suite: MakeSuite, server: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = suite('name = "geneval"')
    first = ensure_prompts(workspace.snapshot())
    assert first.table.column("meta_tag").to_pylist() == ["two", "position"]
    assert server.asked == [("/list.jsonl", None)]
    assert not (tmp_path / "recipe.lock").exists()  # the code says what it is
    # In the workspace it is up to date, and in another one it comes from the cache.
    ensure_prompts(workspace.snapshot())
    (tmp_path / "suite.parquet").unlink()
    ensure_prompts(workspace.snapshot())
    assert len(server.asked) == 1
    # What is up to date needs neither cache nor network.
    monkeypatch.setattr(fetching, "fetch_published", nothing)
    assert ensure_prompts(workspace.snapshot()).table.equals(first.table)


@pytest.mark.parametrize(
    ("failures", "ranges"),
    [
        ([503], [None, None]),
        ([429, 502], [None, None, None]),
        (["breaks"], [None, f"bytes={len(LINES) // 2}-"]),
        # A server that knows no ranges begins anew.
        (["breaks", "whole"], [None, f"bytes={len(LINES) // 2}-"]),
    ],
)
@pytest.mark.usefixtures("geneval")
def test_a_download_that_fails_is_tried_again_and_goes_on(
    suite: MakeSuite, server: Files, failures: list[int | str], ranges: list[str | None]
) -> None:
    server.failures[:] = failures
    assert ensure_prompts(suite('name = "geneval"').snapshot()).table.num_rows == 2
    assert [asked for _, asked in server.asked] == ranges


@pytest.mark.parametrize(
    ("failures", "message"),
    [
        ([503] * 3, "list.jsonl cannot be downloaded: Service Unavailable"),
        ([404], "list.jsonl cannot be downloaded: Not Found"),
        (["breaks"] * 3, "broke off after"),
    ],
)
@pytest.mark.usefixtures("geneval")
def test_a_download_that_fails_for_good_is_named(
    suite: MakeSuite, server: Files, failures: list[int | str], message: str
) -> None:
    server.failures[:] = failures
    with pytest.raises(PromptsGone, match=message) as raised:
        ensure_prompts(suite('name = "geneval"').snapshot())
    assert "does not come with synpic; connect" in (raised.value.hint or "")
    assert len(server.asked) == len(failures)


def test_without_a_network_one_clear_error_and_what_was_read_stays(
    suite: MakeSuite, geneval: Suite, lists: dict[str, Suite], server: Files, tmp_path: Path
) -> None:
    workspace = suite('name = "geneval"')
    first = ensure_prompts(workspace.snapshot())
    place = PublishedFile("http://127.0.0.1:1/list.jsonl", "0" * 64)
    lists["geneval"] = replace(geneval, places={"evaluation_metadata.jsonl": place})
    with pytest.raises(PromptsGone, match=r"list\.jsonl cannot be downloaded: .*refused"):
        ensure_prompts(workspace.snapshot())
    prompts, problem = current_prompts(workspace.snapshot())
    assert prompts.table.equals(first.table)
    assert isinstance(problem, PromptsGone)


def test_another_content_is_refused(suite: MakeSuite, geneval: Suite, server: Files) -> None:
    server.put("list.jsonl", LINES.replace(b"dog", b"cat"))
    with pytest.raises(PromptsGone, match="is not the list of the suite geneval that synpic knows"):
        ensure_prompts(suite('name = "geneval"').snapshot())


def blob(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def test_a_list_known_by_its_name_in_git_gets_its_hash_into_the_lock(
    suite: MakeSuite, lists: dict[str, Suite], server: Files, tmp_path: Path
) -> None:
    place = PublishedFile(server.put("dpg.csv", DPG_CSV), git_blob=blob(DPG_CSV))
    lists["dpg"] = replace(find_suite("dpg"), places={"dpg_bench.csv": place})
    assert ensure_prompts(suite('name = "dpg"').snapshot()).table.num_rows == 1
    (entry,) = json.loads((tmp_path / "recipe.lock").read_text())["resolved"]
    assert (entry["kind"], entry["source"]) == ("url", place.url)
    assert entry["identity"] == hashlib.sha256(DPG_CSV).hexdigest()
    server.put("dpg.csv", DPG_CSV + b"\n")
    (tmp_path / "cache").rename(tmp_path / "gone")
    (tmp_path / "prompts.parquet").unlink()
    (tmp_path / "suite.parquet").unlink()
    with pytest.raises(PromptsGone, match="is not the list of the suite dpg"):
        ensure_prompts(suite('name = "dpg"').snapshot())


def test_git_names_a_file_as_git_does() -> None:
    # `git hash-object` of these bytes.
    assert PublishedFile("x", git_blob="ce013625030ba8dba906f756967f9e9ca394464a").is_content(
        b"hello\n"
    )
    assert not PublishedFile("x", git_blob="ce013625030ba8dba906f756967f9e9ca394464a").is_content(
        b"hello"
    )


def test_the_first_fetch_from_the_hub_writes_commit_and_hash(
    suite: MakeSuite, hub: HubServer, online: GoOnline, tmp_path: Path
) -> None:
    styles: dict[str, Any] = {
        f"benchmark/{name}.json": json.dumps([f"{name} {n}" for n in range(3)]).encode()
        for name in ("anime", "concept-art", "paintings", "photo")
    }
    online(hub, None, tmp_path / "home")
    hub.create("ymhao/HPDv2")
    commit = hub.commit("ymhao/HPDv2", styles).oid
    workspace = suite('name = "hpdv2"\nlimit = 8')
    first = ensure_prompts(workspace.snapshot())
    assert first.table.column("prompt").to_pylist()[:2] == ["anime 0", "concept-art 0"]
    rows = json.loads((tmp_path / "recipe.lock").read_text())["resolved"]
    assert (rows[0]["kind"], rows[0]["identity"]) == ("dataset", commit)
    assert {one["source"]: one["identity"] for one in rows[1:]} == {
        f"hf://datasets/ymhao/HPDv2@{commit}/{path}": hashlib.sha256(data).hexdigest()
        for path, data in styles.items()
    }
    # The list may move on: the lock says which commit is meant.
    hub.commit("ymhao/HPDv2", dict.fromkeys(styles, b'["other"]'))
    assert ensure_prompts(workspace.snapshot()).table.equals(first.table)
    # And its bytes are held to what was written, whatever the Hub says.
    text = (tmp_path / "recipe.lock").read_text()
    found = json.loads(text)
    for one in found["resolved"]:
        del one["sha256"]
        if one["source"].endswith("photo.json"):
            one["identity"] = "0" * 64
    (tmp_path / "recipe.lock").write_text(json.dumps(found))
    (tmp_path / "suite.parquet").unlink()
    with pytest.raises(EvaluationError, match=r"photo\.json has changed since recipe\.lock"):
        ensure_prompts(workspace.snapshot())


def test_a_dataset_that_has_no_such_file_is_named(
    suite: MakeSuite, hub: HubServer, online: GoOnline, tmp_path: Path
) -> None:
    online(hub, None, tmp_path / "home")
    hub.create("ymhao/HPDv2")
    hub.commit("ymhao/HPDv2", {"README.md": b"moved"})
    with pytest.raises(EvaluationError, match=r"ymhao/HPDv2 has no file benchmark/anime\.json"):
        ensure_prompts(suite('name = "hpdv2"').snapshot())


def test_pickapics_captions_come_from_a_column(
    suite: MakeSuite, monkeypatch: pytest.MonkeyPatch, hub: HubServer, online: GoOnline,
    tmp_path: Path,
) -> None:  # fmt: skip
    import io

    import pyarrow as pa
    import pyarrow.parquet as pq

    online(hub, None, tmp_path / "home")
    hub.create("yuvalkirstain/pickapic_v2_no_images")
    table = pa.table({"caption": ["a dog", "a cat", "a dog"], "best": [1, 2, 3]})
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    name = "data/validation_unique-00000-of-00001.parquet"
    commit = hub.commit("yuvalkirstain/pickapic_v2_no_images", {name: buffer.getvalue()}).oid
    found = ensure_prompts(suite('name = "pickapic"').snapshot())
    assert found.table.column("prompt").to_pylist() == ["a dog", "a cat"]
    (entry,) = json.loads((tmp_path / "recipe.lock").read_text())["resolved"]
    assert (entry["kind"], entry["identity"]) == ("dataset", commit)


def test_the_hub_out_of_reach_is_one_error(suite: MakeSuite) -> None:
    with pytest.raises(HubUnreachable, match="ymhao/HPDv2"):
        ensure_prompts(suite('name = "hpdv2"').snapshot())


def test_a_suite_in_a_folder_beside_the_recipe(suite: MakeSuite, tmp_path: Path) -> None:
    folder = tmp_path / "ymhao" / "HPDv2" / "benchmark"
    folder.mkdir(parents=True)
    for name in ("anime", "concept-art", "paintings", "photo"):
        (folder / f"{name}.json").write_text(json.dumps([f"{name} 0"]))
    workspace: Workspace = suite('name = "hpdv2"')
    assert ensure_prompts(workspace.snapshot()).table.num_rows == 4
    (folder / "photo.json").unlink()
    (tmp_path / "recipe.lock").unlink()
    with pytest.raises(EvaluationError, match=r"has no file benchmark/photo\.json"):
        ensure_prompts(workspace.snapshot())
