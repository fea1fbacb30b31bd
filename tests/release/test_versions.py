from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synpic.errors import HubUnreachable, PublishError, ReleaseError
from synpic.release.compare import Level
from synpic.release.versions import Version, suggest, versions
from synpic.workspace.tables import SCHEMA_VERSION
from tests.hub_server import HubServer
from tests.hub_server.faults import Drop, Fault, Status
from tests.hub_server.fixtures import GoOnline
from tests.hub_server.messages import Answer, Exchange, json_answer
from tests.release.conftest import files_of

NUMBERS = st.integers(0, 999_999_999)


@given(NUMBERS, NUMBERS, NUMBERS)
def test_versions_are_read_as_they_are_written(major: int, minor: int, patch: int) -> None:
    version = Version(major, minor, patch)
    assert Version.parse(str(version)) == version
    assert Version.parse(version.tag) == version == Version.of_tag(version.tag)
    assert version.tag == f"v{major}.{minor}.{patch}"


@given(st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), min_size=2))
def test_they_are_ordered_as_numbers(numbers: list[tuple[int, int, int]]) -> None:
    ordered = sorted(Version(*one) for one in numbers)
    assert [(one.major, one.minor, one.patch) for one in ordered] == sorted(numbers)
    assert Version.parse("1.10.0") > Version.parse("1.9.9")


@pytest.mark.parametrize(
    "text", ["", "v", "1.2", "1.2.3.4", "01.2.3", "1.2.3-rc.1", "vv1.2.3", "1.2.3\n", "１.2.3", "x"]
)
def test_what_is_no_version(text: str) -> None:
    assert Version.of_tag(text) is None
    with pytest.raises(PublishError, match="is no version"):
        Version.parse(text)


def test_a_tag_has_its_v() -> None:
    assert Version.of_tag("1.2.3") is None


def test_what_follows() -> None:
    version = Version(1, 2, 3)
    assert version.after(Level.PATCH) == Version(1, 2, 4)
    assert version.after(Level.MINOR) == Version(1, 3, 0)
    assert version.after(Level.MAJOR) == Version(2, 0, 0)


def test_the_first_and_the_unknown() -> None:
    assert suggest(None, {}, None) == (Version(1, 0, 0), ["First release."])
    found = suggest(None, {}, Version(1, 4, 2))
    assert found is not None
    assert found[0] == Version(2, 0, 0)


def test_a_dataset_lists_its_versions(
    hub: HubServer,
    online: GoOnline,
    out: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hub.create("user/set")
    commits = {}
    for tag, title in (("v1.9.0", "Nine"), ("v1.10.0", "Ten")):
        files = {**files_of(out), "x": tag.encode()}
        commits[tag] = hub.commit("user/set", files, title).oid
    commits["v0.1.0"] = hub.commit("user/set", {"manifest.json": b"{}"}, "Not ours").oid
    hub.repositories["user/set"].tags |= {**commits, "latest": commits["v1.9.0"]}
    # A folder of that name is none of it.
    (tmp_path / "user" / "set").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    home = online(hub, None, tmp_path / "home")
    rows = versions("user/set")
    assert [row.version.tag for row in rows] == ["v1.10.0", "v1.9.0", "v0.1.0"]
    assert [row.commit for row in rows] == [commits[row.version.tag] for row in rows]
    assert [row.message for row in rows] == ["Ten", "Nine", "Not ours"]
    assert (rows[0].prompts, rows[0].images) == (9, 26)
    assert rows[0].rows is not None
    assert rows[0].rows["ranked"] == 9
    assert rows[0].rows["scores"] == 26
    assert rows[0].date is not None
    assert rows[0].date.startswith("20")
    assert (rows[2].prompts, rows[2].rows) == (None, None)
    assert rows[0].as_dict()["version"] == "1.10.0"
    assert not list(home.rglob("*.parquet"))


def test_a_version_on_another_branch(hub: HubServer, online: GoOnline, tmp_path: Path) -> None:
    hub.create("user/set")
    base = hub.commit("user/set", {"a": b"1"}, "Base").oid
    hub.commit("user/set", {"a": b"2"}, "Main goes on")
    repository = hub.repositories["user/set"]
    repository.branches["side"] = base
    side = hub.commit("user/set", {"a": b"3"}, "On the side", branch="side")
    repository.tags["v1.0.0"] = side.oid
    online(hub, None, tmp_path / "home")
    assert [row.message for row in versions("user/set")] == ["On the side"]


@pytest.mark.parametrize(
    "change",
    [
        {"schema_version": SCHEMA_VERSION + 1},
        {"counts": None, "records": {"ranked": None}},
        {"counts": [9], "records": {"ranked": {"train": "9"}}},
        {"counts": {"kept_prompts": "nine"}, "records": {"ranked": [9]}},
        {"counts": {}, "records": []},
        {"files": None},
    ],
)
def test_a_version_that_cannot_be_read(
    hub: HubServer, online: GoOnline, out: Path, tmp_path: Path, change: dict[str, Any]
) -> None:
    """It costs the others nothing, and what is known of it is told."""
    hub.create("user/set")
    files = files_of(out)
    manifest = json.dumps(json.loads(files["manifest.json"]) | change).encode()
    commits = {
        "v1.0.0": hub.commit("user/set", files, "Ours").oid,
        "v1.1.0": hub.commit("user/set", {"manifest.json": manifest}, "Strange").oid,
    }
    hub.repositories["user/set"].tags |= commits
    online(hub, None, tmp_path / "home")
    strange, ours = versions("user/set")
    assert (strange.commit, strange.message) == (commits["v1.1.0"], "Strange")
    assert strange.date is not None
    assert (strange.prompts, strange.images, strange.rows) == (None, None, None)
    assert (ours.prompts, ours.images, ours.rows and ours.rows["ranked"]) == (9, 26, 9)


class Annotated(Fault):
    """A list of tags that names tag objects, and not the commits that they stand for."""

    def after(self, exchange: Exchange, answer: Answer) -> Answer:
        told = json.loads(cast(bytes, answer.body))
        for tag in told["tags"]:
            tag["targetCommit"] = "f" * 40
        return replace(answer, body=json.dumps(told).encode())


def test_a_tag_with_a_message(hub: HubServer, online: GoOnline, out: Path, tmp_path: Path) -> None:
    hub.create("user/set")
    commit = hub.commit("user/set", files_of(out), "Ours").oid
    hub.repositories["user/set"].tags["v1.0.0"] = commit
    online(hub, None, tmp_path / "home")
    planned = hub.faults.plan(Annotated(), path="/refs")
    (row,) = versions("user/set")
    assert planned.struck
    assert (row.commit, row.message, row.prompts) == (commit, "Ours", 9)


@pytest.mark.parametrize("fault", [Drop(), Status(503)], ids=["drop", "503"])
def test_a_fault_at_every_request(
    hub: HubServer,
    online: GoOnline,
    out: Path,
    tmp_path: Path,
    waits: list[float],
    fault: Fault,
) -> None:
    hub.create("user/set")
    hub.repositories["user/set"].tags["v1.0.0"] = hub.commit("user/set", files_of(out)).oid
    online(hub, None, tmp_path / "home")
    expected = versions("user/set")
    for nth in range(len(hub.requests)):
        hub.faults.clear()
        hub.faults.plan(fault, nth)
        assert versions("user/set") == expected
        hub.faults.clear()
        hub.faults.plan(fault, nth, times=10**6)
        with pytest.raises(HubUnreachable, match="user/set: the Hub cannot be reached"):
            versions("user/set")


def test_a_dataset_without_versions(hub: HubServer, online: GoOnline, tmp_path: Path) -> None:
    hub.create("user/set")
    online(hub, None, tmp_path / "home")
    assert versions("user/set") == []


def test_a_dataset_that_is_not_there(
    hub: HubServer, online: GoOnline, tmp_path: Path, waits: list[float]
) -> None:
    online(hub, None, tmp_path / "home")
    with pytest.raises(ReleaseError, match="no dataset 'user/none'"):
        versions("user/none")
    with pytest.raises(ReleaseError, match="is one version"):
        versions("user/set@v1.0.0")


@dataclass(frozen=True)
class Terms(Fault):
    """The files of a gated dataset are refused; its tags and commits are not."""

    def before(self, exchange: Exchange) -> Answer:
        return json_answer(
            {"error": "Access to dataset user/set is restricted"},
            403,
            {"X-Error-Code": "GatedRepo"},
        )


def test_a_gated_dataset_is_said_to_be_gated(
    hub: HubServer, online: GoOnline, out: Path, tmp_path: Path
) -> None:
    hub.create("user/set")
    hub.repositories["user/set"].tags["v1.0.0"] = hub.commit("user/set", files_of(out)).oid
    online(hub, None, tmp_path / "home")
    hub.faults.plan(Terms(), times=99, path="/resolve/")
    with pytest.raises(ReleaseError, match=r"user/set is gated: Access to .* restricted") as caught:
        versions("user/set")
    assert "accept its terms at" in str(caught.value.hint)
