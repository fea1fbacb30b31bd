"""What a judge's verdicts are to an evaluation."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import polars as pl
import pytest
from PIL.Image import Image

from synpic.errors import CheckpointError
from synpic.evaluate.metrics import metrics
from synpic.pipeline.inventory import take_inventory
from synpic.pipeline.steps import score_candidates
from synpic.score.judges.judge import Judge, Requirement
from synpic.score.judges.verdict import Verdict, VerdictPart
from synpic.score.reward import RewardInfo
from tests.publish.fixtures import build, recipe


class Asker(Judge):
    """Two questions: whether an image is reddish, and whether it is greenish."""

    info: ClassVar[RewardInfo] = RewardInfo(summary="two questions")
    any_model: ClassVar[bool] = True
    beside: ClassVar[tuple[str, ...]] = ("green",)
    preprocessing: Hashable = "means"

    def __init__(self, *, model: str) -> None:
        self.model = model

    def pixels(self, image: Image) -> Any:
        pixels = np.asarray(image)
        return pixels.mean(axis=(0, 1)) / 255 * (pixels.std() > 1)  # of a plain picture, nothing

    def judge(self, requirements: Sequence[Requirement], pixels: Sequence[Any]) -> list[Verdict]:
        return [self._verdict(*map(float, one[:2])) for one in pixels]

    def canary(self) -> Requirement:
        return Requirement("a red and green wall")

    @staticmethod
    def _verdict(red: float, green: float) -> Verdict:
        asked = {"red": red, "green": green}
        parts = tuple(
            VerdictPart(name, f"{name}?", "Yes" if value > 0.5 else "no", value, value > 0.5)
            for name, value in asked.items()
        )
        right = sum(part.correct for part in parts)
        return Verdict(right == 2, right / 2, parts, "" if right == 2 else "not both")


def test_a_score_counts_before_correct_and_the_model_is_part_of_the_name(tmp_path: Path) -> None:
    asker = f'judge = "{__name__}:Asker"'
    text = recipe(("alpha", "beta")) + (
        f'\n[judges.one]\n{asker}\noptions = {{ model = "Org/My-Model" }}\n'
        f'\n[judges.two]\n{asker}\noptions = {{ model = "other" }}\n'
    )
    workspace = build(tmp_path / "set", text=text)
    score_candidates(workspace, only=["one", "two"]).raise_if_unfinished()
    inventory = take_inventory(workspace)
    found = {one.name: one for one in metrics(inventory, ["one", "two"], "items")}
    assert list(found) == [
        "questions[my-model]", "questions[my-model] green",
        "questions[other]", "questions[other] green",
    ]  # fmt: skip
    rows = inventory.verdicts("one")
    one = found["questions[my-model]"]
    assert one.values["value"].to_list() == rows["score"].cast(pl.Float64).to_list()
    green = rows["parts"].list.get(1).struct.field("correct").cast(pl.Float64)
    assert found["questions[my-model] green"].values["value"].to_list() == green.to_list()
    said = [part["answer"] == "Yes" for parts in rows["parts"] for part in parts]
    by_model = {
        name: np.mean([said[2 * at + nth] for at in range(rows.height) for nth in (0, 1)
                       if rows["model"][at] == name])
        for name in ("alpha", "beta")
    }  # fmt: skip
    (note,) = one.notes
    assert note.startswith("questions[my-model]: share of yes among its answers: ")
    for name, share in by_model.items():
        assert f"{name} {share:.3f}" in note
    assert 0 < by_model["alpha"] < 1
    assert [m.source for m in metrics(inventory, ["two"], "items")] == ["two", "two"]


@pytest.mark.parametrize("away", ["code", "weights"])
def test_the_model_is_part_of_the_name_of_a_judge_that_is_only_recorded(
    tmp_path: Path, away: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = recipe(("alpha", "beta")) + (
        f'\n[judges.one]\njudge = "{__name__}:Asker"\noptions = {{ model = "Org/My-Model" }}\n'
    )
    workspace = build(tmp_path / "set", text=text)
    score_candidates(workspace, only=["one"]).raise_if_unfinished()
    if away == "code":
        monkeypatch.delattr(f"{__name__}.Asker")
    else:
        where = "synpic.pipeline.inventory.resolve_judge"
        monkeypatch.setattr(where, _raise(CheckpointError("its weights are away")))
    inventory = take_inventory(workspace)
    assert not inventory.found_judges
    (one,) = metrics(inventory, ["one"], "items")
    assert one.name == "questions[my-model]"
    assert one.notes[0].startswith("questions[my-model]: share of yes")


def _raise(error: Exception) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail
