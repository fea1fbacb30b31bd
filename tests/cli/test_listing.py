"""``synpic list``, at the surface a user touches."""

from __future__ import annotations

import json
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from huggingface_hub import constants
from typer.testing import CliRunner

from synpic.errors import UnknownName
from synpic_cli.main import app
from tests.pipeline.test_catalogue import Judge, put

JUDGE = f"{Judge.__module__}:Judge"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def listed(*words: str) -> str:
    result = CliRunner().invoke(app, ["list", "rewards", *words], catch_exceptions=False)
    assert result.exit_code == 0
    return str(result.stdout)


def test_a_line_for_each(cache: Path) -> None:
    put(cache, "openai/clip-vit-large-patch14", model_safetensors=1_700_000)
    lines = {line.split()[0]: line for line in listed().splitlines()}
    assert lines["name"].split()[:4] == ["name", "cached", "reads", "prompt"]
    assert "partly, 1.7 MB" in lines["clip_score"]
    assert lines["shapes_clip"].split()[1] == "yes"
    assert " no " in lines["shapes_quality"]
    assert "-1 … 1" in lines["clip_score"]


def test_where_rewards_are_listed_it_says_how_good_they_are(cache: Path) -> None:
    shown = listed().splitlines()
    assert "54.7 %" in next(line for line in shown if line.startswith("hpsv2"))
    assert "%" not in next(line for line in shown if line.startswith("shapes_clip"))
    assert any(line.startswith("people: how often people agree, as published") for line in shown)
    one = listed("pickscore")
    assert "descends from CLIP ViT-H-14 (LAION-2B)\n" in one
    assert "58.6 % of MMRB2 (arXiv 2512.16899)" in one
    comparers = CliRunner().invoke(app, ["list", "comparers"], catch_exceptions=False).stdout
    assert "people" not in comparers.splitlines()[0].split()


def test_everything_about_one(cache: Path) -> None:
    put(cache, "maker/words", vocab_txt=12_000)
    assert listed(JUDGE).splitlines() == [
        f"name          {JUDGE}",
        "summary       a judge",
        f"from          {Judge.__module__}",
        "version       3",
        "reads prompt  no",
        "range         0 … 1",
        "text limit    7 words",
        "paper         2101.00001",
        "licence       MIT",
        "verified      by hand",
        """options       level (required), dtype = "float32", sizes = [1, 2]""",
        "checkpoint    maker/judge",
        "  reads       weights.safetensors",
        "  cached      no",
        "words         maker/words",
        "  reads       vocab.txt, merges.txt",
        "  cached      partly, 12.0 kB at aaaaaaaa, without merges.txt",
    ]


def test_alternatives_are_told_in_words() -> None:
    lines = listed("pickscore").splitlines()
    (files,) = (line for line in lines if "preprocessor_config.json" in line)
    assert "tokenizer.json or vocab.json, vocab.json (if there)," in files
    assert "|" not in "".join(lines)


def test_the_package_is_shown_where_there_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "from" not in listed().splitlines()[0].split()
    point = EntryPoint("mine", JUDGE, "synpic.rewards")
    monkeypatch.setattr("synpic.registry.entry_points", lambda group: [point])
    assert "from" in listed().splitlines()[0].split()


def test_json_has_it_all() -> None:
    assert json.loads(listed(JUDGE, "--json"))["options"]["dtype"] == "float32"
    rows = {row["name"]: row for row in json.loads(listed("--json"))}
    assert rows["clip_score"]["files"]
    assert rows["clip_score"]["cache"][0]["missing"] == rows["clip_score"]["files"]


def test_objectives_are_listed_and_one_that_does_not_import_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken = EntryPoint("broken", "tests.nothing:x", "synpic.objectives")
    monkeypatch.setattr("synpic.registry.entry_points", lambda group: [broken])
    found = CliRunner().invoke(app, ["list", "objectives"], catch_exceptions=False).output
    lines = {line.split()[0]: line.split() for line in found.splitlines()}
    assert lines["rankdpo"][1:4] == ["yes", "yes", "synpic"]
    assert lines["sft"][1:4] == ["no", "no", "synpic"]
    assert "imported" in lines["broken"]
    as_json = CliRunner().invoke(app, ["list", "objectives", "--json"], catch_exceptions=False)
    rows = {row["name"]: row for row in json.loads(as_json.output)}
    assert rows["sft"]["title"] == "supervised fine-tuning on the winners"
    assert rows["broken"]["uses_beta"] is None


def test_aggregations_are_listed_with_their_ranges() -> None:
    lines = CliRunner().invoke(app, ["list", "aggregations"], catch_exceptions=False).output
    (line,) = (line for line in lines.splitlines() if line.startswith("win-rate"))
    assert line.split()[:5] == ["win-rate", "0", "…", "1", "synpic"]
    as_json = CliRunner().invoke(app, ["list", "aggregations", "--json"], catch_exceptions=False)
    rows = {row["name"]: row for row in json.loads(as_json.output)}
    assert rows["mean-zscore"]["range"] == "±√(k − 1)"


def test_an_unknown_one_gets_a_suggestion() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'clip_score'"):
        CliRunner().invoke(app, ["list", "rewards", "clipscore"], catch_exceptions=False)
