"""A release to read: in a folder, and on a Hub of the test's own."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import datasets
import pytest

from synpic.publish import publish_to
from synpic.publish.table.shards import Limits
from synpic.workspace import Workspace
from tests.hub_server import HubServer
from tests.hub_server.fixtures import GoOnline, hub, online, waits
from tests.publish.fixtures import build

__all__ = ["hub", "online", "waits"]

PROMPTS = [
    (f"prompt {number}", "validation" if number % 3 == 0 else "train") for number in range(9)
]

SEVERAL = Limits(shard_bytes=9_000, group_rows=2)
"""Several shards a split, and several row groups a shard."""


def ragged(row: dict[str, Any]) -> bool:
    return not (row["prompt"] == "prompt 4" and row["model"] == "beta")


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``set`` and ``out``: what each test gets a copy of."""
    folder = tmp_path_factory.mktemp("made-once")
    workspace = build(folder / "set", PROMPTS, keep=ragged)
    configs = ["ranked", "scores", "pairwise"]
    publish_to(workspace, folder / "out", configs=configs, limits=SEVERAL)
    return folder


@pytest.fixture
def made(made_once: Path, tmp_path: Path) -> Workspace:
    """9 prompts in two splits, three models; one image was not drawn."""
    return Workspace.open(shutil.copytree(made_once / "set", tmp_path / "set"))


@pytest.fixture
def out(made_once: Path, made: Workspace, tmp_path: Path) -> Path:
    """A release of it with three configs."""
    return shutil.copytree(made_once / "out", tmp_path / "out")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of ``datasets`` that is empty."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    return tmp_path / "cache"


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def pushed(hub: HubServer, online: GoOnline, out: Path, tmp_path: Path) -> HubServer:
    """user/set: v1.0.0 is the release of ``out``, and main has moved on from it."""
    hub.create("user/set")
    commit = hub.commit("user/set", files_of(out))
    hub.repositories["user/set"].tags |= {"v1.0.0": commit.oid, "v0.9.0": commit.oid}
    hub.commit("user/set", {"manifest.json": b"{}"})
    online(hub, None, tmp_path / "home")
    return hub
