"""Suites of others on the embedded world, and whether their orders agree."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from research.suites.__main__ import MODELS, MetricOfModels, agreement, make, metrics_of, table
from research.suites.judges import SceneGenEval, ScenePhrases, SceneQuestions
from research.suites.world import ASKED
from synpic.evaluate.intervals import Estimate
from synpic.prompts.suites import SuiteData
from synpic.prompts.suites.selection import chosen
from synpic.score.judges.judge import Judge, Requirement
from synpic.score.judges.verdict import Verdict
from synpic.shapes.judge import Reading, read
from synpic.shapes.judging import ShapesJudge
from synpic.shapes.meaning import illustrate, parse
from synpic.shapes.scene import to_image

JUDGES: list[Judge] = [ShapesJudge(), SceneGenEval(), SceneQuestions("dpg"), ScenePhrases()]


@pytest.fixture(scope="module")
def world() -> tuple[list[Requirement], list[Reading]]:
    items = chosen(ASKED.read(SuiteData()).items, None, 42, "world")
    rng = np.random.default_rng(5)
    scenes = [read(to_image(illustrate(parse(one.prompt), rng))) for one in items]
    return [Requirement(one.prompt, one.tag, one.spec) for one in items], scenes


def value(verdict: Verdict) -> float:
    return float(verdict.correct) if verdict.score is None else verdict.score


@pytest.mark.parametrize("judge", JUDGES, ids=lambda one: type(one).__name__)
def test_right_images_are_right_and_those_of_other_prompts_by_chance(
    judge: Judge, world: tuple[list[Requirement], list[Reading]]
) -> None:
    asked, scenes = world
    assert np.mean([value(one) for one in judge.judge(asked, scenes)]) > 0.95
    size = len(asked)
    pairs = [(a, b) for a in range(size) for b in range(size) if a != b]
    every = judge.judge([asked[a] for a, _ in pairs], [scenes[b] for _, b in pairs])
    chance = np.mean([value(one) for one in every])
    assert chance < 0.4
    for by in (1, 5, 17):
        swapped = judge.judge(asked, [*scenes[by:], *scenes[:by]])
        assert np.mean([value(one) for one in swapped]) == pytest.approx(chance, abs=0.15)


def metric(name: str, *values: float, better: tuple[int, ...] = (), **more: bool) -> MetricOfModels:
    """Of the pairs with the first model, which one is better: a number of a model each."""
    means = {
        model: Estimate(one, None, None, 9, 9) for model, one in zip(MODELS, values, strict=True)
    }
    seen = {(MODELS[0], MODELS[at]): MODELS[one] for at, one in enumerate(better, start=1)}
    return MetricOfModels(name, means, seen, **more)


def test_orders_and_differences_are_held_to_the_judge() -> None:
    strict = metric("shapes", 0.9, 0.7, 0.5, 0.3, better=(0, 0))
    other = metric("other", 5, 6, 4, 3, better=(1, 0, 0))
    distance = metric("FID", 1, 2, 3, 4, lower=True)
    rows = [row[1:] for row in agreement([strict, other, distance])]
    assert rows == [
        (1, 2, 2),
        (pytest.approx(2 / 3), 1, 2),  # one of six pairs is the other way round
        (1, 0, 0),
    ]
    assert table([strict, other]).splitlines()[-1] == "| other | 5 | 6 | 4 | 3 | 0.67 | 1 of 2 |"


@pytest.mark.slow
def test_all_models_by_all_suites(tmp_path: Path) -> None:
    shapes, world = make(tmp_path, 12)
    found = [one for workspace in (shapes, world) for one in metrics_of(workspace)]
    assert {"shapes", "geneval", "win rate, shapes_clip", "dpg", "compbench"} <= {
        one.name for one in found
    }
    assert all(list(one.means) == list(MODELS) for one in found)
    assert (shapes.folder / "candidates").is_dir()
    assert make(tmp_path, 12)[0].folder == shapes.folder  # nothing is drawn twice
