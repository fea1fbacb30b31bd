from __future__ import annotations

import json
import re
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from synpic.errors import HubUnreachable, PublishError
from synpic_cli.main import app
from tests.hub_server import HubServer, RateLimited, Status
from tests.hub_server.fixtures import hub, online, waits
from tests.publish.fixtures import TWO_SPLITS, build

__all__ = ["hub", "online", "waits"]


@pytest.fixture
def here(
    hub: HubServer,
    online: Any,
    waits: list[float],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> HubServer:
    """A workspace to stand in, and a Hub; nothing loads what was published."""
    online(hub, "hf_write", tmp_path / "home")
    build(tmp_path / "set")
    monkeypatch.chdir(tmp_path / "set")
    monkeypatch.setattr("synpic.publish.hub.release.check_loads", lambda *_: None)
    # Of this module alone: other threads that sleep are not to spin.
    clock = SimpleNamespace(**{**vars(time), "sleep": lambda _: None})
    monkeypatch.setattr("synpic.hub.retry.time", clock)
    return hub


def synpic(*words: str) -> Any:
    return CliRunner().invoke(app, ["publish", *words])


def test_a_release_says_where_it_is_and_how_to_load_it(here: HubServer) -> None:
    shown = synpic("user/set")
    assert shown.exit_code == 0
    assert "First release." in shown.output
    assert "Released v1.0.0" in shown.output
    assert shown.output.splitlines()[-1] == "Look at it:  synpic view user/set@v1.0.0"
    assert f"{here.endpoint}/datasets/user/set/tree/v1.0.0" in shown.output
    assert "datasets.load_dataset('user/set', 'ranked', split='train', revision='v1.0.0')" in (
        shown.output
    )
    assert "hf_write" not in shown.output
    again = synpic("user/set")
    assert "nothing has changed since" in again.output


def test_json_is_for_machines(here: HubServer) -> None:
    found = json.loads(synpic("user/set", "--version", "2.0.0", "--json").stdout)
    assert (found["tag"], found["new"]) == ("v2.0.0", True)
    assert found["commit"] == here.repositories["user/set"].tags["v2.0.0"]
    assert found["rows"]["ranked"] == {"train": 3, "validation": 2}


def test_a_dry_run_sends_nothing(here: HubServer) -> None:
    shown = synpic("user/set", "--dry-run")
    assert shown.exit_code == 0
    assert "ranked/train-00000-of-00001.parquet" in shown.output
    assert "Nothing was sent" in shown.output
    assert "which would be made" in shown.output
    assert re.search(r"A card of \d{2,} lines would be new", shown.output)
    assert "bibtex" not in shown.output
    assert not here.repositories
    planned = json.loads(synpic("user/set", "--dry-run", "--json").stdout)
    assert {file["change"] for file in planned["files"]} == {"new"}


def test_waiting_is_shown(here: HubServer) -> None:
    here.faults.plan(Status(503), path="/commit/")
    shown = synpic("user/set")
    assert shown.exit_code == 0
    assert (
        "user/set: committing to synpic/1.0.0: the Hub says 503; waiting 1 s (try 1)"
        in shown.stderr
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "where to publish"),
        (["user/set", "--to", "out"], "where to publish"),
        (["--to", "out", "--version", "1.0.0"], "--version is for the Hub"),
        (["--to", "out", "--dry-run"], "--dry-run is for the Hub"),
        (["user/set", "--as", "kohya"], "no such layout"),
        (["user/set", "--as", "pickapic", "--config", "ranked"], "that config alone"),
        (["user/set", "--config", "ranks"], "unknown config"),
        (["user/set", "--version", "two"], "is no version"),
        (["--to", "out", "--allow-older"], "--allow-older is for the Hub"),
    ],
)
def test_what_makes_no_sense_is_said(here: HubServer, words: list[str], message: str) -> None:
    shown = synpic(*words)
    assert isinstance(shown.exception, PublishError)
    assert message in shown.exception.message
    assert shown.exception.hint
    assert not here.sent


def test_pairs_for_scripts_in_a_repository_of_their_own(here: HubServer) -> None:
    shown = synpic("user/set", "--as", "pickapic", "--private")
    assert shown.exit_code == 0
    assert list(here.repositories) == ["user/set-pickapic"]
    assert here.repositories["user/set-pickapic"].private


def test_a_second_release_names_what_changed(
    here: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synpic("user/set")
    build(tmp_path / "grown", [*TWO_SPLITS, ("a purple cross", "train")])
    monkeypatch.chdir(tmp_path / "grown")
    planned = synpic("user/set", "--dry-run")
    assert "--- README.md now" in planned.output
    assert "+<!-- synpic:changes v1.1.0 -->" in planned.output
    shown = synpic("user/set")
    assert "Released v1.1.0" in shown.output
    assert "1 more prompt" in shown.output or "prompt" in shown.output.split("Released")[0]


def test_the_hub_is_waited_for_as_long_as_asked(here: HubServer) -> None:
    here.faults.plan(RateLimited(3000), path="/refs")
    shown = synpic("user/set", "--wait", "10m")
    assert isinstance(shown.exception, HubUnreachable)
    assert "Too Many Requests" in shown.exception.message
    here.faults.plan(RateLimited(3000), path="/refs")
    shown = synpic("user/set", "--wait", "1h")
    assert shown.exit_code == 0
    assert shown.stderr.count("still waiting") == 99, "every 30 s"


def test_what_is_in_the_way_is_named_by_a_dry_run(here: HubServer) -> None:
    here.create("user/set")
    here.commit("user/set", {"ranked/train-extra-of-00001.parquet": b"PAR1"})
    shown = synpic("user/set", "--dry-run")
    assert isinstance(shown.exception, PublishError)
    assert "ranked/train-extra-of-00001.parquet" in shown.exception.message


def test_an_older_version(here: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synpic("user/set", "--version", "2.0.0")
    build(tmp_path / "grown", [*TWO_SPLITS, ("a purple cross", "train")])
    monkeypatch.chdir(tmp_path / "grown")
    assert isinstance(synpic("user/set", "--version", "1.0.0").exception, PublishError)
    assert synpic("user/set", "--version", "1.0.0", "--allow-older").exit_code == 0
    assert set(here.repositories["user/set"].tags) == {"v2.0.0", "v1.0.0"}
