"""`synpic check judge`: a canary, and one verdict in any batch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, ClassVar

import pytest

from synpic.errors import CheckpointError, RecipeError, RewardError, UnknownName
from synpic.recipe import JudgeSettings
from synpic.score.check_judge import check_judge
from synpic.score.judges.judge import Requirement
from synpic.score.judges.verdict import Verdict
from synpic.score.reward import RewardInfo
from tests.cli.conftest import in_process
from tests.fake_judges import Batched

HERE = "tests.score.test_check_judge"


class Leaky(Batched):
    """What it says of a picture depends on the others."""

    def judge(self, requirements: Sequence[Requirement], pixels: Sequence[Any]) -> list[Verdict]:
        line = max(pixels) - 0.01 if len(pixels) > 1 else 2.0
        return [Verdict(one > line, None, (), "below") for one in pixels]


class Drifting(Batched):
    """Its numbers, and no truth, depend on the place in a batch."""

    drift: ClassVar[float] = 0.01

    def judge(self, requirements: Sequence[Requirement], pixels: Sequence[Any]) -> list[Verdict]:
        return [
            Verdict(None, 0.2 + self.drift * place / len(pixels), (), "")
            for place in range(len(pixels))
        ]


class Steady(Drifting):
    """The same, by as little as kernels of another shape do."""

    drift = 1e-4


class Heavy(Batched):
    """Declares weights."""

    info: ClassVar[RewardInfo] = RewardInfo(
        summary="with weights", checkpoint="owner/nothing", files=("a.safetensors",)
    )

    def __init__(self, checkpoint: str, revision: str | None, device: str) -> None: ...


def findings(name: str, **options: Any) -> dict[str, bool]:
    found = check_judge(name, JudgeSettings(judge=name, options=options))
    return {one.text: one.ok for one in found.findings}


def test_a_sound_judge() -> None:
    found = check_judge("shapes", JudgeSettings(judge="shapes"))
    assert found.ok
    assert found.canary == Requirement("a red circle")
    assert found.verdict is not None
    assert (found.verdict.correct, found.verdict.reason) == (False, "nothing is there, expected 1")
    assert len(found.findings) == 4
    before = Batched.closed
    assert all(findings("tests.fake_judges:Batched").values())
    assert Batched.closed == before + 1


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("tests.fake_judges:Affirms", ["a plain grey picture does not show 'something red'"]),
        (f"{HERE}:Leaky", ["a picture has one verdict, in any batch"]),
        (
            f"{HERE}:Drifting",
            ["a picture has one verdict, in any batch", "a picture has one verdict, in any order"],
        ),
        (f"{HERE}:Steady", []),
        ("tests.fake_judges:yes", []),
    ],
)
def test_what_is_wrong_is_found(name: str, wrong: list[str]) -> None:
    assert [text for text, ok in findings(name).items() if not ok] == wrong


@pytest.mark.parametrize(
    ("name", "options", "error", "says"),
    [
        ("shap", {}, UnknownName, "unknown judge 'shap'"),
        ("shapes_quality", {}, UnknownName, "is a reward, not a judge"),
        ("shapes", {"least": 1}, RewardError, "takes no such option"),
        ("tests.fake_judges:gives", {"what": "text", "on": "noise"}, RewardError, "a judge gave a"),
        ("tests.fake_judges:gives", {"what": "nan", "on": "noise"}, RewardError, "score is nan"),
        ("tests.fake_judges:CannotSeeGrey", {}, RewardError, "cannot judge a plain grey picture"),
    ],
)
def test_what_cannot_be_checked_is_one_error(
    name: str, options: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        check_judge(name, JudgeSettings(judge=name, options=options))


def test_weights_that_are_not_there_are_named() -> None:
    settings = JudgeSettings(judge=f"{HERE}:Heavy", checkpoint="./nothing_here")
    with pytest.raises(CheckpointError, match="nothing_here"):
        check_judge("heavy", settings)


def test_the_command() -> None:
    good = in_process("check", "judge", "shapes")
    assert good.exit_code == 0
    assert "Asked of a plain grey picture: a red circle" in good.stdout
    assert "reason: nothing is there, expected 1" in good.stdout
    assert "  wrong  all of it is there: nothing on grey" in good.stdout
    assert "shapes is as it should be." in good.stdout
    bad = in_process("check", "judge", "tests.fake_judges:Batched", "--option", "above=0.25")
    assert bad.exit_code == 1
    assert "WRONG  a plain grey picture does not show 'something red'" in bad.stdout
    assert "is not as it should be." in bad.stdout
    found = json.loads(in_process("check", "judge", "shapes", "--json").stdout)
    assert (found["ok"], found["canary"]["prompt"]) == (True, "a red circle")
    assert found["verdict"]["parts"][0]["id"] == "strict"
    plain = in_process("check", "judge", "tests.fake_judges:yes")
    assert "It has no canary" in plain.stdout
    mistaken = in_process("check", "judge", "shapes", "--option", "least")
    assert isinstance(mistaken.exception, RecipeError)
    assert "options.least" in mistaken.exception.message
