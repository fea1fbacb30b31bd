from __future__ import annotations

from pathlib import Path

import pytest

from synpic.recipe import RewardSettings
from synpic.score.comparer import resolve_comparer
from synpic.score.held_to_people import held_to_people, measured
from synpic.score.lineage import SETS
from synpic.score.reward import WantedReward, registered_reward, resolve_reward
from synpic.workspace.lock import RecipeLock
from synpic.workspace.storage import Store


@pytest.mark.parametrize("name", ["shapes_clip", "shapes_quality"])
def test_what_was_measured_is_told_as_it_was(tmp_path: Path, name: str) -> None:
    lock = RecipeLock(Store(tmp_path))
    (row,) = [one for one in measured() if one["reward"] == name]
    (found,) = held_to_people(resolve_reward(name, RewardSettings(), lock))
    assert found["percent"] == pytest.approx(100 * row["accuracy"])
    assert (found["low"], found["high"]) == pytest.approx((100 * row["low"], 100 * row["high"]))
    assert (found["pairs"], found["prompts"]) == (row["pairs"], row["prompts"])
    assert "python -m research.people FOLDER" in found["source"]
    assert "a program, in place of people" in found["what"]
    changed = RewardSettings(reward=name, options={"nothing": 1})
    wanted = WantedReward(name, name, changed, None, None)
    assert held_to_people(wanted) == []


def test_a_comparer_is_held_to_people_too(tmp_path: Path) -> None:
    settings = RewardSettings(comparer="shapes_compare")
    found = held_to_people(resolve_comparer("mine", settings, RecipeLock(Store(tmp_path))))
    assert [one["percent"] for one in found] == [91.2]


def test_what_was_published_has_its_source_and_is_of_the_usual_weights() -> None:
    def of(settings: RewardSettings) -> list[tuple[str, float, str]]:
        info = registered_reward("hpsv2", settings).info  # type: ignore[attr-defined]
        found = held_to_people(WantedReward("mine", "hpsv2", settings, info, None))
        return [(one["set"], one["percent"], one["source"]) for one in found]

    usual = of(RewardSettings(reward="hpsv2", options={"dtype": "bfloat16"}))
    assert usual[0] == ("HPDv2", 83.3, SETS["HPDv2"].source)
    assert len(usual) == 4
    assert of(RewardSettings(reward="hpsv2", checkpoint="other/weights")) == []
    assert of(RewardSettings(reward="hpsv2", revision="old")) == []
    assert of(RewardSettings(reward="hpsv2", options={"version": "2.0"})) == []


def test_nothing_is_known_of_code_of_ones_own() -> None:
    settings = RewardSettings(reward="my.module:shapes_clip")
    assert held_to_people(WantedReward("a", "my.module:shapes_clip", settings, None, None)) == []
