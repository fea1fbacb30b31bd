from __future__ import annotations

import json
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

import synpic
from synpic.errors import ReleaseError, SynpicError
from synpic_cli.remake import NOTHING, OTHER
from tests.cli.conftest import Run, Start, in_process
from tests.fakes import Painter
from tests.hub_server import HubServer
from tests.hub_server.fixtures import GoOnline, hub, online, waits
from tests.pipeline.test_remake import IMAGES, RANKED, flip, recipe
from tests.release.conftest import files_of
from tests.release.test_verify import edit_manifest, rewrite

__all__ = ["hub", "online", "waits"]


class Unhurried(Painter):
    """Takes as long for a batch as the environment says: no fingerprint knows of it."""

    def draw(self, *arguments: Any) -> Any:
        time.sleep(float(os.environ.get("SYNPIC_TEST_SLEEP", "0")))
        return super().draw(*arguments)


def published(root: Path, text: str) -> Path:
    for name in ("alpha", "beta", "gamma"):
        (root / "weights" / name).mkdir(parents=True, exist_ok=True)
        (root / "weights" / name / "model.bin").write_text(name)
    workspace = synpic.init_workspace(root / "set", text)
    synpic.generate_candidates(workspace, device="cpu").raise_if_unfinished()
    synpic.score_candidates(workspace, device="cpu").raise_if_unfinished()
    return synpic.publish_to(workspace, root / "dataset").directory


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made")
    return published(root, recipe(root / "weights"))


@pytest.fixture
def out(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(made, tmp_path / "dataset"))


def run_it(*words: object) -> Result:
    return in_process("remake", "dataset", "--device", "cpu", "--trust-code", *words)


def test_what_people_see(out: Path) -> None:
    ended = run_it("--sample", "all")
    assert ended.exit_code == 0, ended.output
    lines = ended.stdout.splitlines()
    assert lines[0] == "dataset: 3 chunks of 3, 10 prompts of 10, made again in remake-dataset."
    rows = {tuple(line.rsplit(maxsplit=4)) for line in lines[2:8]}
    assert ("images", str(IMAGES), str(IMAGES), "0", "0") in rows
    assert ("scores by redness", str(IMAGES), str(IMAGES), "0", "0") in rows
    assert ("rankings", "10", "10", "0", "0") in rows
    assert lines[-1] == "Everything that was made again is equal."
    assert synpic.status(synpic.Workspace.open("remake-dataset"))


def test_a_difference_is_told(out: Path) -> None:
    rewrite(out, RANKED, flip)
    ended = run_it("--sample", "100%", "--into", "again")
    assert ended.exit_code == OTHER
    assert "images: 1 of 40 differ, by at most 1 of 255:" in ended.stdout
    assert "  1: versions, device and batches are the same, and no reason is" in ended.stdout
    assert "is equal." not in ended.stdout
    told = run_it("--sample", "100%", "--into", "again", "--json")
    assert told.exit_code == OTHER
    found = json.loads(told.stdout)
    assert (found["ok"], found["parts"]["images"]["equal"]) == (False, 39)
    assert len(found["parts"]["images"]["examples"]) == 1


def test_a_commit_that_changed_is_told(out: Path) -> None:
    def change(manifest: dict[str, Any]) -> None:
        for one in manifest["models"]:
            if one["name"] == "gamma":
                one["decides"]["checkpoint"]["sha256"] = "0" * 64

    edit_manifest(out, change)
    ended = run_it("--sample", "all")
    assert ended.exit_code == OTHER
    said = f"models.gamma has changed: checkpoint.sha256 is {'0' * 64} there, "
    assert said in ended.stdout
    assert "not made again: models.gamma (10 images): it has changed" in ended.stdout
    assert "differ," not in ended.stdout


def test_a_dry_run(out: Path) -> None:
    ended = run_it("--dry-run")
    assert ended.exit_code == 0
    assert "dataset: 1 chunk of 3, " in ended.stdout
    assert "of published images to read." in ended.stdout
    assert not Path("remake-dataset").exists()
    told = json.loads(run_it("--dry-run", "--json", "--sample", "all").stdout)
    assert told["models"] == {"alpha": 10, "beta": 20, "gamma": 10}
    assert told["rewards"] == {"redness": IMAGES, "blueness": IMAGES}
    assert told["download"] > 1000


def test_nothing_that_can_be_made(out: Path) -> None:
    """Weights of an author alone: that is neither equal nor other."""

    def gone(manifest: dict[str, Any]) -> None:
        for entry in manifest["lock"]:
            name = Path(entry["source"]).name
            manifest["recipe"] = manifest["recipe"].replace(entry["source"], f"./gone/{name}")
            entry["source"] = f"./gone/{name}"

    edit_manifest(out, gone)
    ended = run_it()
    assert ended.exit_code == NOTHING
    assert "not made again: models.alpha (" in ended.stdout
    assert ended.stdout.splitlines()[-1] == "Nothing of it was made again."


def test_the_versions_of_a_release(out: Path) -> None:
    ended = run_it("--requirements", "then.txt")
    assert ended.exit_code == 0
    assert "  uv run --no-project --python 3." in ended.stdout
    assert "torch==" in Path("then.txt").read_text()
    assert not Path("remake-dataset").exists()
    again = run_it("--requirements", "then.txt")
    assert isinstance(again.exception, SynpicError)


@pytest.mark.parametrize("share", ["0%", "101%", "1/16", "many", "-1%", ""])
def test_samples_that_are_none(out: Path, share: str) -> None:
    error = run_it("--sample", share).exception
    assert isinstance(error, SynpicError)
    assert error.message == f"--sample {share}: not a share of a release"


def test_what_is_no_release(out: Path, hub: HubServer, online: GoOnline, tmp_path: Path) -> None:
    hub.create("user/set")
    commit = hub.commit("user/set", files_of(out))
    hub.repositories["user/set"].tags["v1.0.0"] = commit.oid
    online(hub, None, tmp_path / "home")
    (out / "manifest.json").unlink()
    for where, message in (
        ("user/set@v2.0.0", "v2.0.0"),
        ("dataset", "dataset is no release"),
        (tmp_path, "is no release"),
        ("user/none", "user/none"),
    ):
        error = in_process("remake", where, "--wait", "0").exception
        assert isinstance(error, SynpicError), where
        assert message in error.message
        assert error.exit_code == 1
    assert in_process("remake", "user/set@v1.0.0", "--trust-code", "--dry-run").exit_code == 0
    unasked = in_process("remake", "user/set@v1.0.0").exception
    assert isinstance(unasked, ReleaseError)
    assert "--trust-code" in str(unasked.hint)


@pytest.mark.slow
def test_a_killed_remake_goes_on(
    tmp_path: Path, run: Run, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = recipe(tmp_path / "weights").replace("count = 10", "count = 90")
    text = text.replace("tests.fakes:Painter", "tests.cli.test_remake:Unhurried")
    published(tmp_path, text)
    words = ("remake", "dataset", "--sample", "all", "--trust-code", "--device", "cpu", "--json")
    monkeypatch.setenv("SYNPIC_TEST_SLEEP", "0.1")
    candidates = tmp_path / "remake-dataset" / "candidates"
    process = start(*words, cwd=tmp_path)
    while not list(candidates.rglob("part-*")) and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    kept = {part: part.stat().st_mtime_ns for part in candidates.rglob("part-*")}
    assert kept
    assert len(synpic.Workspace.open(tmp_path / "remake-dataset").folders("scores")) == 0
    monkeypatch.setenv("SYNPIC_TEST_SLEEP", "0")
    ended = run(*words, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert found["ok"]
    assert found["parts"]["images"]["equal"] == 4 * 90
    # What was made before the kill is still there, and was not made again.
    assert {part: part.stat().st_mtime_ns for part in kept} == kept
