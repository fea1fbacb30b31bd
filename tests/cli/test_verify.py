from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from synpic.errors import DamagedRelease, HubUnreachable, ReleaseError
from synpic.publish import publish_to
from synpic_cli.verify import verify
from tests.hub_server import Drop, HubServer
from tests.hub_server.fixtures import GoOnline, hub, online, waits
from tests.publish.fixtures import build
from tests.release.conftest import files_of

__all__ = ["hub", "online", "waits"]

app = typer.Typer()
app.command()(verify)


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return publish_to(build(tmp_path / "set"), tmp_path / "out").directory


def test_a_whole_release(out: Path) -> None:
    shown = run(out)
    assert shown.exit_code == 0
    assert f"{out} is whole: " in shown.output
    assert "15 images hashed" in shown.output
    quick = run(out, "--quick")
    assert quick.exit_code == 0
    assert "hashed" not in quick.output
    told = json.loads(run(out, "--json").stdout)
    assert (told["ok"], told["images"], told["problems"]) == (True, 15, [])


def test_a_broken_one(out: Path) -> None:
    (out / "README.md").write_text((out / "README.md").read_text() + "more\n")
    for number in range(12):
        (out / f"mine-{number:02}.txt").write_text("x")
    (out / "ranked" / "train-x-of-00001.parquet").write_text("x")
    (out / "pictures" / "examples.png").unlink()
    shown = run(out)
    assert shown.exit_code == 4
    assert "pictures/examples.png: is missing" in shown.output
    assert "train-x-of-00001.parquet: is no part of the release, and the card leads" in shown.output
    beside = "Beside the release, and not looked at: mine-00.txt, mine-01.txt, "
    assert beside in shown.output
    assert "mine-09.txt, and 3 more." in shown.output
    assert "README.md was edited after it was published." in shown.output
    assert "2 things are wrong" in shown.output
    broken = run(out, "--json", "--quick")
    assert broken.exit_code == 4
    told = json.loads(broken.stdout)
    assert (len(told["problems"]), len(told["others"])) == (2, 13)


def test_files_beside_it_are_no_fault(out: Path) -> None:
    assert "Beside" not in run(out, "--quick").output
    (out / "LICENSE").write_text("mine")
    shown = run(out, "--quick")
    assert shown.exit_code == 0
    assert "Beside the release, and not looked at: LICENSE.\n" in shown.output


def test_what_is_no_release(tmp_path: Path) -> None:
    assert isinstance(run(tmp_path).exception, ReleaseError)


def test_no_answer_is_told_apart_from_damage(
    out: Path, hub: HubServer, online: GoOnline, tmp_path: Path, waits: list[float]
) -> None:
    hub.create("user/set")
    hub.commit("user/set", files_of(out))
    online(hub, None, tmp_path / "home")
    assert run("user/set", "--wait", "0").exit_code == 0
    hub.faults.plan(Drop(), 5, times=10**6)
    error = run("user/set", "--wait", "0").exception
    assert isinstance(error, HubUnreachable)
    assert error.exit_code == 5


def test_a_damaged_manifest_is_damage(out: Path) -> None:
    written = json.loads((out / "manifest.json").read_text())
    del written["records"]
    (out / "manifest.json").write_text(json.dumps(written))
    error = run(out).exception
    assert isinstance(error, DamagedRelease)
    assert error.exit_code == 4
    assert error.message == f"{out / 'manifest.json'}: records: is missing"
