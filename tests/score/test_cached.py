"""What the cache holds, in a cache that the Hub's own client filled from a Hub of our own."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import hf_hub_download

from synpic.score.cached import in_cache, matching, repository_folder
from tests.hub_server import HubServer
from tests.hub_server.fixtures import hub, online

__all__ = ["hub", "online"]

REPO = "maker/judge"
READ = ("config.json", "weights.safetensors", "tokenizer*")
FILES: dict[str, bytes | None] = {
    "config.json": b"{}",
    "weights.safetensors": b"\0" * 1000,
    "weights.pt": b"\0" * 2000,
    "tokenizer.json": b"[]",
    "README.md": b"# Judge\n",
}


@pytest.fixture
def fetch(hub: HubServer, online: Callable[..., Path], tmp_path: Path) -> Callable[..., None]:
    """``fetch(name, …)`` downloads files of the newest commit into an empty cache."""
    online(hub, None, tmp_path / "home")
    hub.create(REPO, kind="model")
    hub.commit(REPO, FILES)

    def fetch(*names: str) -> None:
        for name in names:
            hf_hub_download(REPO, name, revision=hub.repositories[REPO].find().oid)

    return fetch


def test_from_nothing_to_all_that_is_read(fetch: Callable[..., None], hub: HubServer) -> None:
    commit = hub.repositories[REPO].find().oid
    requests = len(hub.requests)
    cached = in_cache(REPO, READ)
    assert (cached.state, cached.commit, cached.bytes) == ("no", None, 0)
    assert cached.missing == READ
    fetch("README.md")
    assert in_cache(REPO, READ).state == "no"
    fetch("config.json", "weights.safetensors")
    cached = in_cache(REPO, READ)
    assert (cached.state, cached.commit) == ("partly", commit)
    assert (cached.bytes, cached.missing) == (1002, ("tokenizer*",))
    fetch("tokenizer.json")
    asked = len(hub.requests)
    cached = in_cache(REPO, READ)
    assert (cached.state, cached.missing) == ("yes", ())
    assert cached.files == {"config.json": 2, "tokenizer.json": 2, "weights.safetensors": 1000}
    assert len(hub.requests) == asked > requests, "the network was asked"


def test_the_snapshot_that_holds_most_is_shown_and_a_commit_if_asked_for(
    fetch: Callable[..., None], hub: HubServer
) -> None:
    old = hub.repositories[REPO].find().oid
    fetch("config.json", "weights.safetensors", "tokenizer.json")
    for number in range(8):  # that of the old one is hardly the first or last of their names
        new = hub.commit(REPO, {"config.json": b"%d" % number}).oid
        fetch("config.json")
    assert (in_cache(REPO, READ).state, in_cache(REPO, READ).commit) == ("yes", old)
    assert in_cache(REPO, READ, new).state == "partly"
    assert in_cache(REPO, READ, "0" * 40).state == "no"


def test_a_link_to_nothing_is_no_file(fetch: Callable[..., None]) -> None:
    fetch("config.json")
    shutil.rmtree(repository_folder(REPO) / "blobs")
    assert in_cache(REPO, READ).state == "no"


def test_what_is_not_declared_is_never_all_there(fetch: Callable[..., None]) -> None:
    fetch(*FILES)
    assert in_cache(REPO, ()).state == "partly"


def test_one_of_two_formats_is_enough(fetch: Callable[..., None]) -> None:
    read = ("weights.safetensors|weights.pt",)
    assert in_cache(REPO, read).missing == read
    fetch("weights.pt")
    cached = in_cache(REPO, read)
    assert (cached.state, cached.files) == ("yes", {"weights.pt": 2000})
    fetch("weights.safetensors")
    assert in_cache(REPO, read).files == {"weights.safetensors": 1000}


def test_what_may_be_absent_is_not_missed(fetch: Callable[..., None]) -> None:
    read = ("config.json", "tokenizer.json|")
    fetch("config.json")
    assert in_cache(REPO, read).state == "yes"
    fetch("tokenizer.json")
    assert in_cache(REPO, read).files == {"config.json": 2, "tokenizer.json": 2}


def test_every_shard_counts(fetch: Callable[..., None], hub: HubServer) -> None:
    names = [f"model-{number:05}-of-00003.safetensors" for number in (1, 2, 3)]
    hub.commit(REPO, dict.fromkeys(names, b"\0" * 10))
    fetch(names[0], names[2])
    cached = in_cache(REPO, ("model*.safetensors",))
    assert (cached.state, cached.bytes, cached.missing) == ("partly", 20, (names[1],))
    fetch(names[1])
    assert in_cache(REPO, ("model*.safetensors",)).state == "yes"


def test_weights_of_a_package_are_there(tmp_path: Path) -> None:
    assert in_cache("package:synpic.shapes/weights/clip", ("config.json",)).state == "yes"


def test_what_is_no_repository_is_not_there(tmp_path: Path) -> None:
    assert in_cache(str(tmp_path), READ).state == "no"
    assert in_cache("../weights", READ).state == "no"


def test_of_alternatives_the_first_that_is_there_is_read() -> None:
    names = ["a/model.safetensors", "a/model.bin", "head.pth", "vocab.txt"]
    either = "a/*.safetensors|a/*.bin"
    assert matching(names, (either, "vocab*")) == [names[0], names[3]]
    assert matching(names[1:], (either, "head.safetensors|head.pth")) == [names[1], names[2]]
    assert matching(names, ("none|nothing",)) == []
    assert matching(names, ()) == names
