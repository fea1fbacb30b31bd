"""What a reward declares to read is what it reads: opened from a Hub, then without one."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import constants

import synpic
from synpic.registry import REWARDS
from synpic.score.cached import in_cache, matching, repositories
from synpic.score.cyclereward import CycleReward
from synpic.score.hpsv2 import HPSv2
from synpic.score.hpsv3 import Hpsv3
from synpic.score.imagereward import ImageReward
from tests.hub_server import HubServer
from tests.hub_server.fixtures import hub, online
from tests.score import random_rewards
from tests.score.random_rewards import Size, Tower

__all__ = ["hub", "online"]

SMALL = Tower(32, 1, 1)
TINY = Size(
    h_vision=SMALL,
    h_text=SMALL,
    h_joint=64,
    h_patch=112,
    l_vision=SMALL,
    l_text=SMALL,
    l_joint=32,
    blip_vision=SMALL,
    blip_text=SMALL,
    t5=SMALL,
    t5_feed=32,
    vlm=Tower(32, 1, 2),
)
NAMES = [
    name
    for name in REWARDS.names()
    if (checkpoint := REWARDS.load(name).info.checkpoint)
    # What comes with synpic, and what has an address of its own, is in no repository.
    and not checkpoint.startswith(("package:", "https:"))
    # What another environment reads is made from a package index.
    and not getattr(REWARDS.load(name), "apart", False)
]


@pytest.fixture
def published(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], dict[str, str]]:
    """``published(name)`` → "checkpoint" and companions → repositories of random weights."""
    # What a reward's class says of its size is put back afterwards.
    monkeypatch.setattr(HPSv2, "_architecture", HPSv2._architecture)
    monkeypatch.setattr(Hpsv3, "_instruction", Hpsv3._instruction)
    for kind in (ImageReward, CycleReward):
        monkeypatch.setattr(kind, "_vision", kind._vision)
    monkeypatch.setattr(CycleReward, "_text", CycleReward._text)

    def published(name: str) -> dict[str, str]:
        made = random_rewards.make(name, tmp_path, TINY)
        places: dict[str, str] = {}
        for of, folder in {"checkpoint": str(made.checkpoint), **made.options}.items():
            places[of] = repository = f"maker/{of}"
            hub.create(repository, kind="model")
            files = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
            # What a repository holds besides must not be fetched.
            hub.commit(repository, {**files, "README.md": b"# Random\n", "other.bin": b"\0"})
        return places

    return published


@pytest.mark.parametrize("name", NAMES)
def test_what_is_declared_is_read_and_nothing_else(
    name: str,
    published: Callable[[str], dict[str, str]],
    hub: HubServer,
    online: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    places = published(name)
    online(hub, None, tmp_path / "home")
    synpic.reward(name, device="cpu", **places)
    for of, (_, declared) in repositories(REWARDS.load(name).info).items():
        repository = places[of]
        asked = hub.seen("HEAD", f"/{repository}/resolve/")
        read = {re.sub(r"\?.*", "", e.target).rpartition("/")[2] for e in asked if e.status != 404}
        assert read == set(matching(hub.repositories[repository].files(), declared)), of
        assert in_cache(repository, declared).state == "yes", of

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    before = len(hub.requests)
    synpic.reward(name, device="cpu", **places)
    assert len(hub.requests) == before
