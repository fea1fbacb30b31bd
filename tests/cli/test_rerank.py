from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from synpic.errors import SynpicError
from synpic.publish import publish_to
from synpic.release import open_release
from synpic.release.rerank import rerank as rank_again
from synpic_cli.rerank import rerank
from tests.publish.fixtures import build
from tests.release.conftest import PROMPTS, ragged

app = typer.Typer(rich_markup_mode=None)
app.command()(rerank)


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return publish_to(build(tmp_path / "set", PROMPTS, keep=ragged), tmp_path / "out").directory


def test_what_people_see(out: Path) -> None:
    ended = run(out, "--aggregation", "borda", "--weight", "redness=2.5")
    assert ended.exit_code == 0, ended.output
    lines = ended.output.splitlines()
    assert lines[0] == ("9 prompts and 26 images ranked by borda, redness = 2.5, greenness = 1")
    assert lines[1] == "published: win-rate, redness = 1, greenness = 1"
    found = rank_again(open_release(out), aggregation="borda", weights={"redness": 2.5})
    assert f"a mean over prompts: {found.tau:.3f}" in ended.output
    assert f"another best image: {found.best_changed} of 9 prompts" in ended.output
    assert [line.split()[0] for line in lines if line[:5] in ("alpha", "beta ", "gamma")] == [
        "alpha",
        "beta",
        "gamma",
    ]


def test_what_machines_see(out: Path) -> None:
    told = json.loads(
        run(out, "--without-reward", "redness", "--without-model", "beta", "--json").stdout
    )
    assert told["weights"] == {"greenness": 1.0}
    assert [row["model"] for row in told["models"]] == ["alpha", "gamma"]
    assert told["release"] == str(out)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_the_new_scores_are_written(out: Path, tmp_path: Path, ending: str) -> None:
    ended = run(out, "--ties", "ordinal", "--to", tmp_path / f"new.{ending}")
    assert f"Wrote {tmp_path / f'new.{ending}'}." in ended.output
    read = pl.read_csv if ending == "csv" else pl.read_parquet
    written = read(tmp_path / f"new.{ending}")
    expected = rank_again(open_release(out), ties="ordinal").scores
    assert written.columns == expected.columns
    assert written["rank"].to_list() == expected["rank"].to_list()
    assert written["candidate_id"].to_list() == expected["candidate_id"].to_list()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--weight", "redness"], "--weight redness: '' is no number"),
        (["--weight", "redness=much"], "'much' is no number"),
        (["--weight", "redness=2", "--weight", "redness=3"], "'redness' has a weight already, 2"),
        (["--weight", "rednes=2"], "no scores of reward 'rednes'"),
        (["--to", "new.json"], "--to new.json: unknown kind of file"),
        (["--to", "none/new.csv"], "--to none/new.csv: No such file"),
    ],
)
def test_mistakes(
    out: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    monkeypatch.chdir(out.parent)
    ended = run("out", *words)
    assert isinstance(ended.exception, SynpicError), ended.output
    assert message in ended.exception.message
    assert ended.exception.hint
