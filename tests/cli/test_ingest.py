"""``synpic score --images`` and ``--dataset``: the whole of it from an empty folder."""

from __future__ import annotations

import json
import time
from pathlib import Path

import polars as pl
import pytest

from synpic import Workspace
from synpic.errors import SynpicError
from tests.cli.conftest import Run, Start, Synpic, in_process
from tests.ingest.conftest import cache, pickapic, picture, pictures

__all__ = ["cache", "pickapic", "pictures"]

REWARDS = ("--reward", "tests.fakes:redness", "--reward", "tests.fakes:blueness")


@pytest.fixture
def synpic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Synpic:
    """``synpic …`` in an empty folder, in this process."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return in_process


def test_a_folder_is_scored_and_written_as_a_table(synpic: Synpic, pictures: Path) -> None:
    dry = synpic("score", "--images", "../pictures", *REWARDS, "--dry-run")
    assert dry.exit_code == 0
    assert "Nothing was written." in dry.output
    assert "7 images to ingest." in dry.output
    assert "3 prompts, 6 images of about " in dry.output
    assert not [*Path().iterdir()]

    scored = synpic("score", "--images", "../pictures", *REWARDS, "--table", "scores.csv")
    assert scored.exit_code == 3
    assert "2 of 7 failed and have a failure row each" in str(scored.exception)
    assert "Wrote recipe.toml" in scored.output
    table = pl.read_csv("scores.csv")
    assert table.height == 7
    assert table["score_redness"].count() == table["score_blueness"].count() == 5
    broken = table.drop_nulls("failure")
    assert broken.height == 2
    for place, why in broken.select("place", "failure").iter_rows():
        assert f"\n  {place}: {why}" in str(scored.exception)

    # Again, with the options or without: there is nothing left to do.
    for words in (("--images", "../pictures"), ("--together",), ("--table", "scores.jsonl")):
        again = synpic("score", *words)
        assert again.exit_code == 0
        assert "Wrote recipe.toml" not in again.output
    lines = Path("scores.jsonl").read_text().splitlines()
    assert json.loads(lines[0])["place"] == "0 a.png"
    assert "0 images to ingest." in synpic("generate", "--dry-run").output
    assert "0 scores to give." in synpic("score", "--dry-run").output
    assert "failed: ingest ingested: 1 × there is no caption" in synpic("status").output
    assert "2 prompts and 4 images ranked" in synpic("rank").output
    assert synpic("validate").exit_code == 0
    assert synpic("publish", "--to", "../out").exit_code == 0


def test_a_dataset_is_scored(synpic: Synpic, pickapic: Path) -> None:
    words = ("score", "--dataset", "../pickapic", "--count", "2", *REWARDS)
    assert synpic(*words).exit_code == 0
    assert synpic("score").exit_code == 0
    status = json.loads(synpic("status", "--json").stdout)
    assert [(one["name"], one["done"]) for one in status["counts"]] == [
        ("ingested", 3),
        ("redness", 3),
        ("blueness", 3),
    ]
    recipe = Workspace.open().snapshot().recipe
    assert recipe.ingest is not None
    assert (recipe.ingest.dataset, recipe.ingest.count) == ("../pickapic", 2)
    assert synpic("export", "--to", "pickapic", "../pairs").exit_code == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--images", "../pictures"), "no reward is named"),
        (("--reward", "hpsv2"), "neither --images nor --dataset"),
        (("--images", "a", "--dataset", "b", *REWARDS), "exactly one of images and dataset"),
        (("--images", "../pictures", "--config", "x", *REWARDS), "config: a dataset takes it"),
        (("--images", "../nowhere", *REWARDS), "no such folder"),
        (("--images", "../pictures", *REWARDS, "--table", "x.txt"), "--table x.txt: unknown kind"),
        (("--images", "../pictures", "--reward", "tests.fakes:rednes"), "rednes"),
        (("--dataset", "../pickapic", *REWARDS, "--prompt-column", "x"), "no column 'x'"),
        ((), "is not a workspace"),
    ],
)
def test_a_mistake_is_one_clear_error(
    synpic: Synpic, pictures: Path, pickapic: Path, words: tuple[str, ...], says: str
) -> None:
    result = synpic("score", *words)
    assert isinstance(result.exception, SynpicError)
    assert says in str(result.exception)
    assert result.exception.hint
    assert not Path("recipe.toml").exists()


def test_a_recipe_that_says_something_else_is_not_overwritten(
    synpic: Synpic, pictures: Path, tmp_path: Path
) -> None:
    synpic("score", "--images", "../pictures", *REWARDS)
    before = Path("recipe.toml").read_text()
    for words, says in (
        (("--images", "../pictures", "--count", "2"), r"something else: [ingest]"),
        (("--images", "../elsewhere"), r"something else: [ingest]"),
        (("--images", "../pictures", "--reward", "tests.fakes:redness"), "else: the rewards"),
    ):
        assert says in str(synpic("score", *words).exception)
    assert Path("recipe.toml").read_text() == before
    Path("recipe.toml").write_text('[prompts]\nfile = "p.txt"\n[models.m]\ncheckpoint = "o/m"\n')
    assert "are drawn, not ingested" in str(synpic("score", "--images", "../x", *REWARDS).exception)


def test_a_kill_loses_nothing_and_doubles_nothing(run: Run, start: Start, tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(2500):
        (folder / f"{number}.png").write_bytes(picture(number, edge=2))
        (folder / f"{number}.txt").write_text(f"prompt {number // 2}")
    place = tmp_path / "set"
    place.mkdir()
    words = ("score", "--images", "../many", *REWARDS, "--device", "cpu")
    killed = start(*words, cwd=place)
    while killed.poll() is None and not list(place.glob("candidates/*/part-*")):
        time.sleep(0.01)
    killed.kill()
    killed.communicate()
    ended = run(*words, cwd=place)
    assert ended.returncode == 0, ended.stderr
    counts = json.loads(run("status", "--json", cwd=place).stdout)["counts"]
    assert [(one["done"], one["doubled"]) for one in counts] == [(2500, 0)] * 3
