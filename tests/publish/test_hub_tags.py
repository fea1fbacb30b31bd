"""Tags that have a message of their own, and branches for releases that are tagged already."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from synpic.errors import PublishError
from synpic.hub.commits.repository import Remote
from synpic.publish import PublishOptions, forecast
from synpic.workspace import Workspace
from tests.hub_server import HubServer
from tests.hub_server.fixtures import hub, online, waits
from tests.publish.fixtures import build
from tests.publish.on_hub import MORE, SET, here, patience, publish, trusting, whole, workspace

__all__ = ["here", "hub", "online", "trusting", "waits", "workspace"]


def give_message(server: HubServer, tag: str) -> str:
    """As ``git tag -a`` would have made ``tag``: the commit that it stands for."""
    repository = server.repositories[SET]
    repository.tag_objects[tag] = "f" * 40
    return repository.tags[tag]


@pytest.fixture
def released(here: HubServer, trusting: None, workspace: Workspace) -> str:
    """The commit of v1.0.0, whose tag has a message."""
    publish(workspace)
    return give_message(here, "v1.0.0")


def test_a_tag_with_a_message_is_known_by_its_commit(
    here: HubServer, released: str, workspace: Workspace, tmp_path: Path
) -> None:
    remote = Remote(SET, patience=patience())
    assert remote.tagged("v1.0.0") == released
    assert remote.tagged("v1.0.1") is None
    remote.tag("v1.0.0", released)  # it is there
    with pytest.raises(PublishError, match="stands for commit"):
        remote.tag("v1.0.0", "0" * 40)
    again = publish(workspace)
    assert (again.commit, again.new) == (released, False)
    grown = publish(build(tmp_path / "grown", MORE))
    assert str(grown.version) == "1.1.0"
    assert any("prompt" in reason for reason in grown.reasons)


def test_a_tag_with_a_message_is_taken_for_another_one_s_work(
    here: HubServer, released: str, workspace: Workspace, tmp_path: Path
) -> None:
    with pytest.raises(PublishError, match=r"v1\.0\.0 is there already"):
        publish(build(tmp_path / "grown", MORE), version="1.0.0")


def test_a_branch_is_made_at_a_release_that_is_tagged(
    here: HubServer, released: str, workspace: Workspace
) -> None:
    repository = here.repositories[SET]
    here.commit(SET, {"notes.txt": b"later"})  # main goes on
    options: dict[str, Any] = {"branch": "stable", "patience": patience()}
    assert forecast(workspace, SET, PublishOptions(**options)).reasons == [
        f"The branch stable is made at v1.0.0, commit {released[:8]}."
    ]
    assert "stable" not in repository.branches
    said: list[str] = []
    made = publish(workspace, branch="stable", patience=patience(said))
    assert (made.commit, made.new) == (released, False)
    assert repository.branches["stable"] == released
    assert f"made the branch stable at it, commit {released[:8]}" in said
    before = dict(repository.branches)
    assert publish(workspace, branch="stable").commit == released
    assert repository.branches == before


def test_a_branch_that_lacks_the_release_is_not_passed_off_as_holding_it(
    here: HubServer, released: str, workspace: Workspace
) -> None:
    repository = here.repositories[SET]
    first = repository.log("main")[-1].oid
    repository.branches["old"] = first
    with pytest.raises(PublishError, match="which is not on the branch old") as caught:
        publish(workspace, branch="old", version="1.0.0")
    assert "leave --version out" in str(caught.value.hint)
    assert repository.branches["old"] == first
    put = publish(workspace, branch="old")
    assert (str(put.version), put.new) == ("1.0.1", True)
    assert whole(here, "old") is not None
