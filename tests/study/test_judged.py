"""On the embedded world the judge plays raters of known reliability, and a report finds that.

Three models paint what was asked for more or less often. The judge reads their pictures, as it
reads those of any model; what raters see of that is put in.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from research.people import judged
from synpic.evaluate.intervals import Estimate
from synpic.shapes.meaning import illustrate, parse
from synpic.shapes.prompts import prompts
from synpic.shapes.scene import random_scene, to_image
from synpic.study.definition import Study
from synpic.study.new import StudyOptions, plan_study
from synpic.study.report import StudyReport, make_report
from tests.publish.fixtures import build
from tests.study import simulated
from tests.study.simulated import Ways

PROMPTS = 40
RIGHT = {"alpha": 0.9, "beta": 0.6, "gamma": 0.3}
"""How often a model paints what was asked for; else anything."""


def paint(row: Mapping[str, Any]) -> bytes:
    seed = int(hashlib.sha256(row["candidate_id"].encode()).hexdigest()[:12], 16)
    rng = np.random.default_rng(seed)
    right = rng.random() < RIGHT[row["model"]]
    scene = illustrate(parse(row["prompt"]), rng) if right else random_scene(rng)
    buffer = io.BytesIO()
    to_image(scene).save(buffer, "PNG")
    return buffer.getvalue()


@dataclass(frozen=True)
class World:
    """A study of all pairs, and what the judge makes of each: 1 the first image, −1 the second, 0
    neither."""

    study: Study
    truth: Mapping[str, int]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    texts = [(text, "train") for text, _ in prompts(PROMPTS, 0, "test")]
    workspace = build(tmp_path_factory.mktemp("world") / "set", texts, draw=paint, rows_per_part=64)
    level = dict(judged(workspace).select("candidate_id", "level").iter_rows())
    study = plan_study(workspace, StudyOptions(pairs=3 * PROMPTS, questions=["overall"])).study
    truth = {
        one.id: int(np.sign(level[one.first.candidate_id] - level[one.second.candidate_id]))
        for one in study.comparisons
    }
    # Not what was painted, but what the judge reads, which differs from it here and there.
    assert {*truth.values()} == {-1, 0, 1}
    assert len(truth) == 3 * PROMPTS
    return World(study, truth)


@dataclass(frozen=True)
class Expected:
    """What raters of these ways answer, by what the judge says, sides drawn by lot."""

    world: World
    ways: Ways

    def chances(self, comparison: str) -> np.ndarray:
        """Of the first image, of the second, and of a tie."""
        truth, ways = self.world.truth[comparison], self.ways
        if truth:
            won = ways.true if truth > 0 else 1 - ways.true
            return np.array([won, 1 - won, 0])
        tie = (1 - ways.bias) * ways.reliability
        return np.array([(1 - tie) / 2, (1 - tie) / 2, tie])

    def win_rate(self, first: str, second: str) -> float:
        shares = []
        for one in self.world.study.comparisons:
            models = one.first.model, one.second.model
            if {*models} == {first, second}:
                win, loss, tie = self.chances(one.id)
                shares.append((win if models[0] == first else loss) + tie / 2)
        return float(np.mean(shares))

    @property
    def alpha(self) -> float:
        chances = np.array([self.chances(one) for one in self.world.truth])
        observed = 1 - (chances**2).sum(axis=1).mean()
        return float(1 - observed / (1 - (chances.mean(axis=0) ** 2).sum()))

    @property
    def left(self) -> float:
        """Of answers for a side, those for the left one."""
        ways = self.ways
        by_lot = (1 - ways.bias) * (1 - ways.reliability)
        tied = np.mean([one == 0 for one in self.world.truth.values()])
        given = (1 - tied) + tied * (ways.bias + by_lot)
        return float(((1 - tied) * ways.left + tied * (ways.bias + by_lot / 2)) / given)


def found(world: World, ways: Ways, seed: int) -> StudyReport:
    raters = {f"r{n}": ways for n in range(4)}
    votes = simulated.votes(world.study, raters, truth=world.truth, seed=seed, repeats=0.05)
    return make_report(world.study, votes)


def compared(world: World, ways: Ways, seed: int) -> list[tuple[str, Estimate, float]]:
    """What the report says, and what was put in."""
    report, expected = found(world, ways, seed), Expected(world, ways)
    (question,) = report.questions
    assert [(one.first, one.second) for one in question.pairs] == [
        ("alpha", "beta"), ("alpha", "gamma"), ("beta", "gamma"),
    ]  # fmt: skip
    rates = [
        ("win rate", one.win_rate, expected.win_rate(one.first, one.second))
        for one in question.pairs
    ]
    return [
        *rates,
        ("alpha", question.alpha, expected.alpha),
        ("left", report.left_side, expected.left),
    ]


@settings(max_examples=settings.default.max_examples // 8)
@given(reliability=st.floats(0.3, 1), bias=st.floats(0, 0.3), seed=st.integers(0, 10**6))
def test_a_report_finds_what_the_judge_s_raters_were_given(
    world: World, reliability: float, bias: float, seed: int
) -> None:
    for name, estimate, value in compared(world, Ways(reliability, bias), seed):
        assert estimate.low is not None
        assert estimate.high is not None
        assert estimate.value is not None
        side = estimate.high if value > estimate.value else estimate.low
        # Four standard errors and more: of a thousand runs none is to fail by chance.
        assert abs(value - estimate.value) <= 2.3 * abs(side - estimate.value) + 1e-9, name


@pytest.mark.slow
def test_intervals_on_the_judge_s_raters_hold_what_was_put_in(world: World) -> None:
    """95 % intervals over a grid; prompts are those of the study, so that they hold more often."""
    held: dict[str, list[bool]] = {}
    for reliability in (0.4, 0.55, 0.7, 0.85, 0.95):
        for bias in (0.0, 0.15, 0.3):
            for seed in range(6):
                for name, one, value in compared(world, Ways(reliability, bias), seed):
                    assert one.low is not None
                    assert one.high is not None
                    held.setdefault(name, []).append(one.low <= value <= one.high)
    assert {name: len(every) for name, every in held.items()} == {
        "win rate": 270, "alpha": 90, "left": 90,
    }  # fmt: skip
    assert all(np.mean(every) >= 0.9 for every in held.values()), held
