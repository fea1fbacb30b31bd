"""What the client sends, how often, and where it ends up."""

from __future__ import annotations

import hashlib
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import httpx2
from huggingface_hub import CommitOperationAdd, HfApi

from tests.hub_server import HubServer
from tests.hub_server.conftest import CARD, LARGE, REPO, adding, commit


def test_a_commit_of_both_kinds_of_file(api: HfApi, hub: HubServer) -> None:
    parent = hub.repositories[REPO].find().oid
    operations = adding(README_md=CARD, a__x_parquet=LARGE, a__same_parquet=LARGE)
    api.preupload_lfs_files(REPO, operations, repo_type="dataset")
    oid = commit(api, operations, parent_commit=parent, commit_description="why")
    sha256 = hashlib.sha256(LARGE).hexdigest()
    made = hub.repositories[REPO].find("main")
    assert (made.oid, made.parent, made.message, made.author) == (oid, parent, "why", "user")
    assert set(made.files) == {".gitattributes", "README.md", "a/x.parquet", "a/same.parquet"}
    assert made.files["a/x.parquet"].lfs == made.files["a/same.parquet"].lfs == sha256
    assert hub.sent[sha256] % len(LARGE) == 0
    assert [hub.read(REPO, path) for path in ("README.md", "a/x.parquet")] == [CARD, LARGE]
    assert all(request.token is None for request in hub.seen("PUT", host="storage"))


def test_what_is_there_is_not_sent_again(api: HfApi, hub: HubServer) -> None:
    first = commit(api, adding(README_md=CARD, x_parquet=LARGE))
    sent, commits = hub.sent, len(hub.repositories[REPO].commits)
    assert commit(api, adding(README_md=CARD, x_parquet=LARGE)) == first
    assert len(hub.seen(part="/commit/")) == 1
    assert hub.commit(REPO, {"README.md": CARD}).oid == first
    commit(api, adding(y_parquet=LARGE))
    assert hub.sent == sent
    assert len(hub.repositories[REPO].commits) == commits + 1


def test_a_large_file_in_parts(online: Callable[..., Path], tmp_path: Path) -> None:
    with HubServer(multipart=100_000) as server:
        online(server, "hf_write", tmp_path)
        server.create(REPO)
        commit(HfApi(), adding(x_parquet=LARGE, y_parquet=b"PAR1 small"))
        assert server.read(REPO, "x.parquet") == LARGE
        assert len(server.seen("PUT")) == 3 + 1
        assert server.sent[hashlib.sha256(LARGE).hexdigest()] == len(LARGE)


def test_a_file_on_disk_goes_out_and_stays_on_disk(
    api: HfApi, hub: HubServer, tmp_path: Path
) -> None:
    path = tmp_path / "x.parquet"
    path.write_bytes(LARGE)
    commit(api, [CommitOperationAdd("x.parquet", path)])
    stored = list((tmp_path / "hub").rglob(hashlib.sha256(LARGE).hexdigest()))
    assert [file.read_bytes() for file in stored] == [LARGE]


def test_many_files_at_once(api: HfApi, hub: HubServer) -> None:
    contents = {f"f{n}_parquet": LARGE + b"%d" % n for n in range(20)}
    commit(api, adding(**contents), num_threads=8)
    for name, content in contents.items():
        assert hub.read(REPO, name.replace("_", ".")) == content
        assert hub.sent[hashlib.sha256(content).hexdigest()] == len(content)


def test_the_storage_takes_what_was_announced_from_who_was_asked(
    api: HfApi, hub: HubServer
) -> None:
    uid = hub.repositories[REPO].uid
    oid = hashlib.sha256(LARGE).hexdigest()
    place = f"{hub.storage_endpoint}/{uid}/{oid}"
    asked = {"operation": "upload", "hash_algo": "sha256", "objects": [{"oid": oid, "size": 9}]}
    headers = {"Authorization": "Bearer hf_write"}
    with httpx2.Client() as client:
        assert client.put(place, content=LARGE).status_code == 403
        assert client.get(place).status_code == 403
        batch = f"{hub.endpoint}/datasets/{REPO}.git/info/lfs/objects/batch"
        instructions = client.post(batch, json=asked, headers=headers).json()["objects"][0]
        actions = instructions["actions"]
        href = actions["upload"]["href"]
        assert client.put(href, content=LARGE, headers=headers).status_code == 400
        assert client.put(href, content=b"other").status_code == 400
        verify, told = actions["verify"]["href"], {"oid": oid, "size": 9}
        assert client.post(verify, json=told, headers=headers).status_code == 404
        assert client.put(href, content=iter([LARGE[:1000], LARGE[1000:]])).status_code == 200
        assert client.post(verify, json=told, headers=headers).status_code == 400
        told["size"] = len(LARGE)
        assert client.post(verify, json=told, headers=headers).status_code == 200


def test_an_upload_does_not_fill_memory(api: HfApi, hub: HubServer, tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    with path.open("wb") as file:
        file.truncate(64 * 2**20)
    commit(api, adding(n_txt=b"1"))  # what is made once, is made
    tracemalloc.start()
    try:
        commit(api, [CommitOperationAdd("x.parquet", path)])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sum(hub.sent.values()) == 64 * 2**20
    assert peak < 16 * 2**20


def test_a_gitignore_leaves_files_out(api: HfApi, hub: HubServer) -> None:
    rules = b"*.tmp\n/kept/\n!a.tmp\n# x.txt\n"
    commit(api, [*adding(x_txt=b"1"), CommitOperationAdd(".gitignore", rules)])
    files = {"a.tmp": b"1", "b.tmp": b"1", "kept/c.txt": b"1", "y.txt": b"1"}
    commit(api, [CommitOperationAdd(path, content) for path, content in files.items()])
    there = set(hub.repositories[REPO].files()) - {".gitattributes", ".gitignore"}
    assert there == {"x.txt", "a.tmp", "y.txt"}
