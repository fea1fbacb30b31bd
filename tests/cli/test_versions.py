from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from synpic.errors import ReleaseError
from synpic.publish import publish_to
from synpic_cli.versions import versions
from tests.hub_server import HubServer
from tests.hub_server.fixtures import GoOnline, hub, online, waits
from tests.publish.fixtures import build
from tests.release.conftest import files_of

__all__ = ["hub", "online", "waits"]

app = typer.Typer()
app.command()(versions)


@pytest.fixture
def tagged(hub: HubServer, online: GoOnline, tmp_path: Path) -> HubServer:
    """user/set with v1.0.0 and v1.1.0."""
    out = publish_to(build(tmp_path / "set"), tmp_path / "out").directory
    hub.create("user/set")
    for tag in ("v1.0.0", "v1.1.0"):
        files = {**files_of(out), "note": tag.encode()}
        hub.repositories["user/set"].tags[tag] = hub.commit("user/set", files, f"Made {tag}").oid
    online(hub, None, tmp_path / "home")
    return hub


def test_it_lists_what_there_is(tagged: HubServer) -> None:
    shown = CliRunner().invoke(app, ["user/set"])
    assert shown.exit_code == 0
    _, newest, oldest = shown.output.splitlines()
    for line, tag in ((newest, "v1.1.0"), (oldest, "v1.0.0")):
        commit = tagged.repositories["user/set"].tags[tag]
        assert line.split()[:2] == [tag, commit[:8]]
        assert "ranked 5, scores 15" in line
        assert f"Made {tag}" in line


def test_json(tagged: HubServer) -> None:
    rows = json.loads(CliRunner().invoke(app, ["user/set", "--json"]).stdout)
    assert [row["tag"] for row in rows] == ["v1.1.0", "v1.0.0"]
    assert rows[0]["rows"] == {"ranked": 5, "scores": 15}
    assert rows[0]["commit"] == tagged.repositories["user/set"].tags["v1.1.0"]


def test_none_and_no_dataset(hub: HubServer, online: GoOnline, tmp_path: Path) -> None:
    hub.create("user/bare")
    online(hub, None, tmp_path / "home")
    assert "no tag that is a version" in CliRunner().invoke(app, ["user/bare"]).output
    missing = CliRunner().invoke(app, ["user/none"])
    assert isinstance(missing.exception, ReleaseError)
