from __future__ import annotations

from collections.abc import Sequence

import pytest
from PIL import Image

from research.shapes.trial import SPOILT, Case, cases, try_judge, try_reward
from synpic.shapes.alignment import Alignment
from synpic.shapes.quality import Quality
from tests.grids import slow_but


@pytest.fixture(scope="module")
def tried() -> list[Case]:
    return cases(300, seed=1)


LEAST = [
    ("as rendered", 0.995),
    ("noise of 16 grey levels", 0.98),
    ("JPEG, quality 75", 0.9),
    ("noise of 8 grey levels", 0.99),
    ("JPEG, quality 95", 0.98),
    ("enlarged four times", 0.99),
    ("blurred by 0.6 pixels", 0.99),
]


@pytest.mark.parametrize(("spoilt", "least"), slow_but(LEAST[:3], LEAST))
def test_the_judge_accepts_what_is_true_and_refuses_what_is_not(
    tried: list[Case], spoilt: str, least: float
) -> None:
    figures = try_judge(tried, SPOILT[spoilt])
    assert figures["accepts"] >= least
    assert figures["refuses"] >= 0.995
    assert set(figures["refuses_by"]) == {
        "background", "colour", "count", "missing", "relation", "shape", "swap"
    }  # fmt: skip


def test_every_way_of_spoiling_is_tried() -> None:
    image = Image.new("RGB", (32, 32), "white")
    image.paste("red", (5, 5, 15, 15))
    changed = [name for name, spoil in SPOILT.items() if spoil(image).tobytes() != image.tobytes()]
    assert changed == [name for name in SPOILT if name != "as rendered"]


class Contrary(Alignment):
    """Prefers what is wrong."""

    def score(self, prompts: Sequence[str], images: Sequence[Image.Image]) -> list[float]:
        return [-score for score in super().score(prompts, images)]


def test_a_reward_is_held_to_the_truth(tried: list[Case]) -> None:
    right = try_reward(Alignment(), tried[:60], seed=0)
    assert right["prefers"] > 0.97
    wrong = try_reward(Contrary(), tried[:60], seed=0)
    assert wrong["prefers"] == pytest.approx(1 - right["prefers"])
    # Who does not read the prompt can only guess.
    assert try_reward(Quality(), tried[:60], seed=0)["prefers"] == 0.5
