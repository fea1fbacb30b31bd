"""The last line of commands that made something to look at works where the user stands."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from synpic_cli import looking
from tests.cli.conftest import Run, in_process
from tests.view import making

LOOK = "Look at it:  synpic "


def last(output: str) -> str:
    return output.rstrip("\n").splitlines()[-1]


def leads_to(line: str, where: Path) -> Path:
    """The folder that the command in ``line`` shows, run in ``where``."""
    verb, *words = shlex.split(line.removeprefix(LOOK))
    assert verb == "view"
    return (where / Path(*words)).resolve()


def test_rank_and_publish(run: Run, tmp_path: Path) -> None:
    root = tmp_path / "my set"
    making.build(root, 4)
    ended = run("rank", cwd=root)
    assert last(ended.stdout) == f"{LOOK}view"
    for words in (["-C", root, "rank"], ["rank", "-C", "my set"]):
        ended = run(*words, cwd=tmp_path)
        assert last(ended.stdout) == f"{LOOK}view 'my set'"
    assert "Look at it" not in run("rank", "--json", cwd=root).stdout
    ended = run("-C", "my set", "publish", "--to", "../out", cwd=tmp_path)
    assert last(ended.stdout) == f"{LOOK}view out"
    assert "Load it with:  datasets.load_dataset('./out'" in ended.stdout
    assert ended.stdout.count("../out") == 0
    ended = run("publish", "--to", tmp_path / "other", cwd=root)
    assert leads_to(last(ended.stdout), root) == tmp_path / "other"
    found = run("publish", "--to", "out", "--json", cwd=root).stdout
    assert json.loads(found)["directory"] == "out"


def test_score(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    making.build(tmp_path / "set", 4)
    monkeypatch.chdir(tmp_path / "set")
    result = in_process("score")
    assert result.exit_code == 0, result.output
    assert last(result.stdout) == f"{LOOK}view"
    assert "Look at it" not in in_process("score", "--json").stdout


def test_a_folder_far_away_is_named_whole(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    deep = tmp_path / "a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r/s/t/u/v/w/x/y/z/and/more/of/them"
    deep.mkdir(parents=True)
    monkeypatch.setattr(looking, "_began", [deep])
    monkeypatch.chdir("/")
    assert looking.look_line(Path("etc")) == f"{LOOK}view /etc"
    assert looking.look_line("user/name@v1.0.0") == f"{LOOK}view user/name@v1.0.0"
