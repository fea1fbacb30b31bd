from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from synpic.errors import SynpicError
from synpic.pipeline.ranking import rank_candidates
from synpic.workspace import Workspace
from synpic_cli.export import export
from synpic_cli.publish import publish
from synpic_cli.rank import rank
from tests.publish.fixtures import build

app = typer.Typer(rich_markup_mode=None)
for command in (rank, publish, export):
    app.command()(command)


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def refused(*words: object) -> str:
    ended = run(*words)
    assert isinstance(ended.exception, SynpicError)
    return ended.exception.message


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    workspace = build(tmp_path / "set")
    monkeypatch.chdir(tmp_path / "set")
    return workspace


def test_rank_says_what_each_rule_left_out(made: Workspace) -> None:
    there = rank_candidates(made).there
    Path("bad.txt").write_text(f"{there['candidate_id'][0]}\n{'f' * 32}\n")
    words = ["--drop", "bad.txt", "--where", "LENGTH(prompt) < 30", "--top", 2]
    said = run("rank", *words).output
    assert "dropped before ranking, by bad.txt: 1 image (1 id of nothing here)" in said
    assert "cut by where = LENGTH(prompt) < 30: 1 ranked prompt" in said
    assert "of each prompt the first 2, with φ and ranks among all its images" in said
    assert "left: 4 prompts" in said
    cuts = json.loads(run("rank", *words, "--json").stdout)["cuts"]
    assert (cuts["drop"]["candidates"], cuts["drop"]["unknown"]) == (1, 1)
    assert (cuts["prompts"], cuts["top"]) == ({"where": 1}, 2)
    assert json.loads(run("rank", "--json").stdout)["cuts"] is None


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_a_table_is_whole_and_replaced_only_when_asked(made: Workspace, ending: str) -> None:
    to = Path(f"ranking.{ending}")
    assert run("rank", "--to", to).exit_code == 0
    read = {"csv": pl.read_csv, "jsonl": pl.read_ndjson, "parquet": pl.read_parquet}[ending]
    written = read(to)
    assert written.height == 15
    assert {"prompt", "split", "wins_redness", "score_greenness", "rank"} <= set(written.columns)
    assert "café “naïve” 日本語 🙂" in written["prompt"].to_list()
    to.write_text("mine")
    assert "it is there already" in refused("rank", "--to", to)
    assert to.read_text() == "mine"
    assert run("rank", "--to", to, "--overwrite").exit_code == 0
    assert read(to).equals(written)
    assert [path.name for path in Path().iterdir() if path.name.startswith(".")] == []


def test_a_cut_that_leaves_nothing_is_one_error(made: Workspace) -> None:
    said = refused("rank", "--where", "prompt = 'x'", "--min-margin", "0.5")
    assert said.startswith("no prompt is left of 5 ranked prompts: where = \"prompt = 'x'\"")
    assert "min_margin = 0.5 leaves out 0" in said
    assert not Path("out").exists()
    refused("publish", "--to", "out", "--where", "prompt = 'x'")
    assert not Path("out").exists()


def test_publish_and_export_take_the_same(made: Workspace, tmp_path: Path) -> None:
    words = ["--where", "LENGTH(prompt) < 30", "--pairs", "all", "--top", 2]
    ended = run("publish", "--to", "../out", "--config", "pairwise", "--config", "ranked", *words)
    assert ended.exit_code == 0, ended.output
    assert "cut by where" in ended.output
    published = pl.read_parquet(tmp_path / "out" / "pairwise" / "*.parquet")
    assert set(published["strategy"]) == {"all"}
    assert published["prompt"].str.len_chars().max() < 30  # type: ignore[operator]
    ended = run("export", "--to", "pairwise", "../pairs", *words)
    assert ended.exit_code == 0, ended.output
    exported = pl.read_parquet(tmp_path / "pairs" / "data" / "*.parquet")
    assert set(exported["chosen_id"]) == set(published["chosen_id"])
    assert "is ranked already" in refused(
        "export", "--to", "pairwise", "../more", "../out", "--drop", "marks"
    )
    assert "--where is for datasets" in refused("publish", "--model", "x", "a/b", "--where", "true")
