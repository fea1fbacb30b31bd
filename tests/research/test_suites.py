"""Suites of others on the embedded world, and whether their orders agree."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pytest
from PIL.Image import Image

import synpic
from research.suites.__main__ import MODELS, MetricOfModels, agreement, make, metrics_of, table
from research.suites.judges import SceneGenEval, ScenePhrases, SceneQuestions
from research.suites.world import ASKED
from synpic.evaluate.compare_models import Items, compare_models
from synpic.evaluate.intervals import Estimate
from synpic.prompts.suites import SuiteData, find_suite
from synpic.prompts.suites.selection import chosen
from synpic.registry import SUITES
from synpic.score.judges.judge import Judge, Requirement
from synpic.score.judges.verdict import Verdict
from synpic.score.reward import RewardInfo
from synpic.shapes.judging import ShapesJudge
from synpic.shapes.meaning import illustrate, parse
from synpic.shapes.scene import to_image


class Clip(Judge):
    """CLIPScore, by the CLIP of the world."""

    info: ClassVar[RewardInfo] = RewardInfo(summary="CLIPScore")
    preprocessing: Hashable = "the image"

    def __init__(self) -> None:
        self._reward = synpic.reward("shapes_clip", device="cpu")

    def pixels(self, image: Image) -> Image:
        return image

    def judge(self, requirements: Sequence[Requirement], pixels: Sequence[Any]) -> list[Verdict]:
        scores = self._reward.score([one.prompt for one in requirements], list(pixels))
        return [Verdict(None, max(0.0, score), (), "") for score in scores]

    def canary(self) -> Requirement:
        return Requirement("a red circle")


FAMILIES: dict[tuple[str, str | None], Callable[[], Judge]] = {
    ("shapes", None): ShapesJudge,
    ("geneval", None): SceneGenEval,
    ("vlm_questions", "dpg"): lambda: SceneQuestions("dpg"),
    ("vlm_questions", "dsg"): lambda: SceneQuestions("dsg"),
    ("vlm_questions", "soft-tifa-gm"): lambda: SceneQuestions("soft-tifa-gm"),
    ("blip_vqa", None): ScenePhrases,
    ("clip_text", None): Clip,
}
"""What judges a registered suite, and its rule → the same rule on scenes."""

WIN_RATES = {"partiprompts", "hpdv2", "pickapic"}


@pytest.fixture(scope="module")
def world() -> tuple[list[Requirement], list[Image]]:
    items = chosen(ASKED.read(SuiteData()).items, None, 42, "world")
    rng = np.random.default_rng(5)
    scenes = [to_image(illustrate(parse(one.prompt), rng)) for one in items]
    return [Requirement(one.prompt, one.tag, one.spec) for one in items], scenes


Table = npt.NDArray[np.float64]


@pytest.fixture(scope="module")
def moved(
    world: tuple[list[Requirement], list[Image]],
) -> Callable[[tuple[str, str | None]], Table]:
    """``Float[9, prompt]`` of a family: what each prompt's image counts for; in row n, its image is
    that of the prompt n places on."""
    asked, scenes = world

    @cache
    def of(family: tuple[str, str | None]) -> Table:
        judge = FAMILIES[family]()
        ready = [judge.pixels(one) for one in scenes]
        return np.array(
            [
                [
                    float(bool(one.correct)) if one.score is None else one.score
                    for one in judge.judge(asked, [*ready[by:], *ready[:by]])
                ]
                for by in range(9)
            ]
        )

    return of


@pytest.mark.parametrize("suite", sorted(SUITES.builtin))
def test_images_that_change_places_between_prompts_score_by_chance(
    suite: str, moved: Callable[[tuple[str, str | None]], Table]
) -> None:
    judges = find_suite(suite).judges
    if not judges:
        assert suite in WIN_RATES
        return
    name, options = next(iter(judges.items()))
    own, *others = moved((name, options.get("rule"))).mean(axis=1)
    chance = np.mean(others)
    if name == "clip_text":
        assert own > chance + 0.3
    else:
        assert own > 0.95
        assert chance < 0.4
    assert others == pytest.approx([chance] * len(others), abs=0.2)


def test_of_win_rates_too(moved: Callable[[tuple[str, str | None]], Table]) -> None:
    """A model that draws what is asked wins over one whose images changed places; of two of these
    neither does."""
    own, first, second, *_ = moved(("clip_text", None))
    units = [f"{at}" for at in range(len(own))]

    def win_rate(model: Table, base: Table) -> Estimate:
        items = Items({"base": base, "model": model}, units, ["all"] * len(units))
        found = compare_models(items, "base", fingerprint="f")
        (difference,) = [one.difference for one in found if one.difference]
        return difference.win_rate

    best, even = win_rate(own, first), win_rate(second, first)
    assert best.low is not None
    assert best.low > 0.85
    assert even.low is not None
    assert even.high is not None
    assert even.low < 0.5 < even.high


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
