from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from synpic.errors import RewardError
from synpic.score.comparer import Comparer
from synpic.shapes.alignment import Alignment
from synpic.shapes.compare import ShapesCompare
from synpic.shapes.quality import Quality
from tests.shapes.test_alignment import pictures


def test_is_a_comparer() -> None:
    assert isinstance(ShapesCompare(), Comparer)


def test_the_picture_of_the_prompt_wins() -> None:
    texts, right = pictures(60)
    wrong = right[7:] + right[:7]
    found = np.array(ShapesCompare().compare(texts, right, wrong))
    assert (found > 0.5).mean() > 0.95
    assert ((found >= 0) & (found <= 1)).all()


@pytest.mark.parametrize("lean", [0.0, 1.5])
def test_it_is_the_logistic_of_both_rewards_and_of_the_place(lean: float) -> None:
    texts, images = pictures(12)
    others = images[::-1]
    sums = [
        np.add(Alignment().score(texts, one), Quality().score(texts, one))
        for one in (images, others)
    ]
    comparer = ShapesCompare(lean=lean)
    found = comparer.compare(texts, images, others)
    assert found == pytest.approx(expit(4 * (sums[0] - sums[1]) + lean), abs=1e-12)
    turned = comparer.compare(texts, others, images)
    assert turned == pytest.approx(expit(4 * (sums[1] - sums[0]) + lean), abs=1e-12)


def test_a_pair_is_the_same_alone_and_in_a_batch() -> None:
    texts, images = pictures(12)
    together = ShapesCompare().compare(texts, images, images[::-1])
    trios = zip(texts, images, images[::-1], strict=True)
    assert together == [ShapesCompare().compare([t], [a], [b])[0] for t, a, b in trios]


@pytest.mark.parametrize("lean", [float("nan"), float("inf"), "much", True])
def test_a_lean_that_is_none(lean: float) -> None:
    with pytest.raises(RewardError, match="shapes_compare: lean is"):
        ShapesCompare(lean=lean)


def test_certainty_does_not_overflow() -> None:
    texts, images = pictures(2)
    assert ShapesCompare(lean=-1e4).compare(texts, images, images) == [0.0, 0.0]
