"""Bars of progress that Python code asks for."""

from __future__ import annotations

import pytest
from PIL import Image

from synpic import Workspace, generate_candidates, score_candidates
from synpic.engine.bars import progress_bars
from synpic.engine.progress import Event
from synpic.errors import DeviceLost
from synpic.score.api import reward


def test_a_bar_for_each_model_and_reward(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    heard: list[Event] = []
    generate_candidates(workspace, progress=True, listener=heard.append)
    shown = capsys.readouterr()
    assert shown.out == ""
    for name, total in (("a", 10), ("b", 10)):
        assert f"generate {name}: 100%" in shown.err
        assert f"{total}/{total}" in shown.err
    assert {event.name for event in heard} == {"a", "b"}, "a listener hears it too"
    score_candidates(workspace, progress=True)
    assert "score red: 100%" in capsys.readouterr().err


def test_nothing_is_drawn_unless_it_is_asked_for(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    generate_candidates(workspace)
    assert capsys.readouterr().err == ""


def test_failures_notes_and_news_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bars(True) as tell:
        assert tell is not None
        tell(Event("generate", "a", "opening", 0, 4))
        tell(
            Event("generate", "a", "working", 2, 4, failed=1, note="slow\x1b[31m", memory=2_000_000)
        )
        tell(Event("generate", "a", "working", 2, 4, news="a worker died"))
        tell(Event("train", "rankdpo", "working", 1, 3))
    shown = capsys.readouterr().err
    for words in ("opening", "1 failed, 2.0 MB, slow", "generate a: a worker died", "steps"):
        assert words in shown
    assert "\x1b[31m" not in shown


def test_a_run_that_ends_with_an_error_closes_its_bars(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DeviceLost), progress_bars(True) as tell:
        assert tell is not None
        tell(Event("generate", "a", "working", 2, 4))
        raise DeviceLost("gone")
    assert capsys.readouterr().err.endswith("\n")


def test_a_reward_s_own_bar(capsys: pytest.CaptureFixture[str]) -> None:
    red = reward("tests.fakes:redness", batch_size=2)
    pictures = [Image.new("RGB", (4, 4), (40 * n, 0, 0)) for n in range(5)]
    scores = red.score("a", pictures, progress=True)
    assert "tests.fakes:redness: 100%" in capsys.readouterr().err
    assert red.score("a", pictures) == scores
    assert capsys.readouterr().err == ""
