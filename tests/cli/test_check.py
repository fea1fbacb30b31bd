"""``synpic check reward``, at the surface a user touches."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from click.testing import Result
from typer.testing import CliRunner

from synpic.errors import UnknownName
from synpic.score import check
from synpic_cli.main import app
from tests.score.test_check import Leaky, Scaled, Sound, cache, known, named, serve

__all__ = ["cache", "known", "serve"]


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["check", "reward", *words])


@pytest.fixture
def published(known: check.Known, monkeypatch: pytest.MonkeyPatch) -> check.Known:
    monkeypatch.setattr(check, "KNOWN", (known,))
    return known


def test_numbers_that_agree(published: check.Known) -> None:
    shown = run(published.reward, "--device", "cpu")
    assert shown.exit_code == 0
    lines = shown.stdout.splitlines()
    assert lines[0].split()[:5] == ["picture", "prompt", "published", "here", "apart"]
    assert lines[1].split()[1:] == ["abc", "13.0010", "13.0000", "1.0e-03", "0.01", "yes"]
    assert "Published in somewhere, line 1." in lines
    assert lines[-1] == f"{published.reward} (owner/sound) is as it should be."


def test_numbers_that_do_not(published: check.Known, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = replace(published, expected=(13.0, 99.0))
    monkeypatch.setattr(check, "KNOWN", (wrong,))
    shown = run(published.reward, "--device", "cpu")
    assert shown.exit_code == 1
    assert [line.split()[-1] for line in shown.stdout.splitlines()[1:3]] == ["yes", "no"]
    assert shown.stdout.splitlines()[-1].endswith("is not as it should be.")
    told = run(published.reward, "--device", "cpu", "--json")
    assert told.exit_code == 1
    assert [one["ok"] for one in json.loads(told.stdout)["compared"]] == [True, False]


def test_nothing_published(published: check.Known, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = run(named(Leaky), "--device", "cpu")
    assert shown.exit_code == 1
    assert f"No upstream publishes scores of pictures for {named(Leaky)}." in shown.stdout
    assert "WRONG  a picture has one score, in any batch" in shown.stdout
    assert "ok     the prompt is read" in shown.stdout

    other = replace(published, checkpoint="owner/other")
    monkeypatch.setattr(check, "KNOWN", (other,))
    shown = run(named(Sound), "--device", "cpu")
    assert shown.exit_code == 0
    assert "Scores are published of --checkpoint owner/other, not of this." in shown.stdout


def test_a_setting_that_the_source_leaves_open(
    published: check.Known, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = named(Scaled)
    either = ({"scale": 2.0}, {"scale": 1.0})
    monkeypatch.setattr(check, "KNOWN", (replace(published, reward=name, either=either),))
    shown = run(name, "--device", "cpu")
    assert shown.exit_code == 0
    lines = shown.stdout.splitlines()
    assert lines[0].split()[:3] == ["picture", "prompt", "with"]
    assert [line.split()[-1] for line in lines[1:5]] == ["no", "no", "yes", "yes"]
    assert "The score of somewhere, line 1 is met with scale = 1.0." in lines

    monkeypatch.setattr(check, "KNOWN", (replace(published, reward=name, either=either[:1] * 2),))
    shown = run(name, "--device", "cpu")
    assert shown.exit_code == 1
    assert "is met with none of these settings." in shown.stdout


def test_an_unknown_name_is_told() -> None:
    shown = run("clip_scor")
    assert isinstance(shown.exception, UnknownName)
    assert "clip_score" in str(shown.exception)


def test_help_needs_no_name() -> None:
    assert "reward" in CliRunner().invoke(app, ["check", "--help"]).stdout
