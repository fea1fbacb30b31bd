from __future__ import annotations

from pathlib import Path

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from synpic.errors import SynpicError
from synpic.publish import publish_to
from synpic.workspace import Workspace
from synpic_cli.export import export
from tests.generate import tiny
from tests.publish.fixtures import build
from tests.release.conftest import PROMPTS, ragged

app = typer.Typer(rich_markup_mode=None)
app.command()(export)


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    workspace = build(tmp_path / "set", PROMPTS, keep=ragged)
    monkeypatch.chdir(tmp_path / "set")
    return workspace


def test_from_the_workspace_it_stands_in(made: Workspace, tmp_path: Path) -> None:
    ended = run("--to", "pickapic", "../out")
    assert ended.exit_code == 0, ended.output
    assert (tmp_path / "out" / "data" / "train-00000-of-00001.parquet").exists()
    assert "train" in ended.output
    assert "in ../out" in ended.output


def test_from_elsewhere(made: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish_to(made, tmp_path / "release")
    monkeypatch.chdir(tmp_path)
    for where in ("release", "set"):
        ended = run("--to", "folders", f"two-{where}", where, "--split=train", "--pairs=all")
        assert ended.exit_code == 0, ended.output
    one, two = (
        sorted(p.name for p in Path(f"two-{w}/chosen").iterdir()) for w in ("release", "set")
    )
    assert one == two
    assert len(one) > 12


def test_a_dry_run_writes_nothing(made: Workspace, tmp_path: Path) -> None:
    ended = run("--to", "pairwise", tmp_path / "out", "--dry-run", "--pairs", "adjacent")
    assert ended.exit_code == 0, ended.output
    assert "pairs picked by adjacent" in ended.output
    assert "validation" in ended.output
    assert not (tmp_path / "out").exists()


def test_mistakes(made: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = run("--to", "pick", tmp_path / "out")
    assert isinstance(ended.exception, SynpicError)
    assert "unknown kind of export 'pick'" in ended.exception.message
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    ended = run("--to", "pickapic", tmp_path / "out")
    assert isinstance(ended.exception, SynpicError)
    assert "neither a workspace nor a release" in ended.exception.message
    assert run(tmp_path / "out").exit_code == 2


def test_what_a_model_encodes(
    made: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNPIC_CACHE", str(tmp_path / "cache"))
    tiny.sd3().save_pretrained(tmp_path / "sd3")
    words = ("--to", "verl-omni", tmp_path / "out", "--model", tmp_path / "sd3", "--split", "train")
    ended = run(*words, "--dry-run")
    assert ended.exit_code == 0, ended.output
    assert "About " in ended.output
    assert not (tmp_path / "out").exists()
    ended = run(*words)
    assert ended.exit_code == 0, ended.output
    assert (tmp_path / "out" / "train.parquet").exists()
    ended = run("--to", "folders", tmp_path / "other", "--size", "16x16")
    assert isinstance(ended.exception, SynpicError)
    assert "--size is for what --model encodes" in ended.exception.message
