"""Real SIGKILLs of the command, at moments of a release; run again, it does the rest."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ENVIRONMENT
from tests.hub_server import Call, Drop, HubServer
from tests.hub_server.fixtures import client_environment, hub
from tests.nursery import ForkServer, Started
from tests.publish.fixtures import build

__all__ = ["hub"]


def command(forks: ForkServer, server: HubServer, workspace: Path, home: Path) -> Started:
    environment = {
        **client_environment(server, "hf_write", home),
        "PYTHONPATH": ENVIRONMENT["PYTHONPATH"],
    }
    return forks.start(("-C", workspace, "publish", "user/set"), environment=environment)


@pytest.mark.parametrize(
    ("method", "path", "after_work"),
    [
        ("PUT", "", False),  # while a shard is being sent
        ("POST", "/commit/main", True),  # the commit is there, and no answer came
        pytest.param("POST", "/commit/synpic", True, marks=pytest.mark.slow),  # so of the first one
        pytest.param("POST", "/branch/", True, marks=pytest.mark.slow),
        pytest.param("POST", "/commit/main", False, marks=pytest.mark.slow),  # loaded, no more
        pytest.param("POST", "/tag/", False, marks=pytest.mark.slow),  # all but the tag
    ],
)
def test_killed_and_run_again(
    forks: ForkServer, hub: HubServer, tmp_path: Path, method: str, path: str, after_work: bool
) -> None:
    build(tmp_path / "set")
    killed: list[Started] = []

    def kill(_: Any) -> None:
        killed[0].send_signal(signal.SIGKILL)
        killed[0].wait()

    hub.faults.plan(Call(kill, after_work=after_work), method=method, path=path)
    if not after_work:
        hub.faults.plan(Drop(), method=method, path=path)
    killed.append(command(forks, hub, tmp_path / "set", tmp_path / "home"))
    killed[0].communicate(timeout=120)
    assert killed[0].returncode == -signal.SIGKILL
    assert not hub.repositories["user/set"].tags
    arrived = set(hub.sent)

    again = command(forks, hub, tmp_path / "set", tmp_path / "home")
    output, complaints = again.communicate(timeout=120)
    assert again.returncode == 0, complaints
    assert "v1.0.0" in output
    repository = hub.repositories["user/set"]
    assert [one.title for one in repository.log("main")].count("Release v1.0.0") == 1
    assert repository.tags["v1.0.0"] == repository.log("main")[0].oid
    assert list(repository.branches) == ["main"]
    manifest = json.loads(hub.read("user/set", "manifest.json", "v1.0.0"))
    present = set(repository.files("main")) - {".gitattributes", "manifest.json"}
    assert present == set(manifest["files"])
    if path:  # all had arrived before the kill
        assert set(hub.sent) == arrived
