"""Files as the client reads them."""

from __future__ import annotations

from pathlib import Path

import pytest
from huggingface_hub import HfApi, HfFileSystem
from huggingface_hub.errors import RemoteEntryNotFoundError, RevisionNotFoundError

from tests.hub_server import HubServer
from tests.hub_server.conftest import LARGE, REPO


def test_a_download_keeps_the_token_from_the_storage(api: HfApi, hub: HubServer) -> None:
    oid = hub.commit(REPO, {"a/x.parquet": LARGE, "b c.txt": b"text"}).oid
    large = api.hf_hub_download(REPO, "a/x.parquet", repo_type="dataset")
    text = api.hf_hub_download(REPO, "b c.txt", repo_type="dataset", revision=oid)
    assert (Path(large).read_bytes(), Path(text).read_bytes()) == (LARGE, b"text")
    assert hub.seen("GET", host="storage")
    assert all(request.token is None for request in hub.seen(host="storage"))
    assert all(request.token == "hf_write" for request in hub.seen(part="/resolve/"))
    with pytest.raises(RemoteEntryNotFoundError):
        api.hf_hub_download(REPO, "gone.txt", repo_type="dataset")
    with pytest.raises(RevisionNotFoundError):
        api.hf_hub_download(REPO, "b c.txt", repo_type="dataset", revision="v9")


def test_a_snapshot_is_one_commit(api: HfApi, hub: HubServer) -> None:
    oid = hub.commit(REPO, {"a/x.parquet": LARGE, "n.txt": b"1"}).oid
    hub.commit(REPO, {"n.txt": b"2", "a/x.parquet": None})
    folder = Path(api.snapshot_download(REPO, repo_type="dataset", revision=oid))
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert found == {".gitattributes", "a/x.parquet", "n.txt"}
    assert (folder / "n.txt").read_bytes() == b"1"


def test_a_file_is_read_in_ranges(api: HfApi, hub: HubServer) -> None:
    hub.commit(REPO, {"x.parquet": LARGE, "n.txt": b"0123456789"})
    files = HfFileSystem(endpoint=hub.endpoint, token="hf_write")
    with files.open(f"datasets/{REPO}/x.parquet", block_size=1000) as file:
        file.seek(-300, 2)
        assert file.read(100) == LARGE[-300:-200]
    ranged = [request for request in hub.seen("GET", host="storage") if request.status == 206]
    assert ranged
    with files.open(f"datasets/{REPO}/n.txt", block_size=4) as file:
        file.seek(6)
        assert file.read(3) == b"678"
    listed = files.ls(f"datasets/{REPO}", detail=False)
    assert f"datasets/{REPO}/n.txt" in listed
