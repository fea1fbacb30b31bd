"""Metrics against definitions read out in plain Python, and figures published elsewhere."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from torch import Tensor

from synpic.train.batch import Labels
from synpic.train.metrics import Metrics, kendall, measure, pair_accuracy
from tests.train.rankings import (
    PAIRS,
    PUBLIC_RUNS,
    PublicRun,
    Ranked,
    labels,
    ranked_prompts,
    without_values,
)


def doubles(*rows: list[float]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def sign(a: float, b: float) -> int:
    return (a > b) - (a < b)


def tau_b(x: list[float], y: list[float]) -> float:
    """Kendall's coefficient as a correlation of signs; 0 where it has no value."""
    pairs = [(i, j) for i in range(len(x)) for j in range(len(x))]
    a = [sign(x[i], x[j]) for i, j in pairs]
    b = [sign(y[i], y[j]) for i, j in pairs]
    scale = math.sqrt(sum(map(abs, a)) * sum(map(abs, b)))
    return sum(p * q for p, q in zip(a, b, strict=True)) / scale if scale else 0.0


def test_by_hand() -> None:
    known = labels([(1.0, 1), (0.5, 2), (0.0, 3)], [(0.0, 2), None, (1.0, 1)])
    s = doubles([0.1, 0.1, 0.0], [0.3, 0.0, 0.2])
    # First prompt: (1, 2) equal, (1, 3) and (2, 3) wrong. Second: right.
    right, pairs = pair_accuracy(s, known)
    assert (right.item(), pairs.item()) == (1.5, 4)
    total, prompts = kendall(s, known)
    assert total.item() == pytest.approx(-2 / math.sqrt(3 * 2) + 1)
    assert prompts.item() == 2


def test_the_example_in_scipys_manual() -> None:
    """scipy.stats.kendalltau([12, 2, 1, 12, 2], [1, 4, 7, 1, 0]) is −0.4714…, says its manual."""
    known = labels([(0.75, 2), (0.25, 4), (0.0, 5), (0.75, 2), (1.0, 1)])
    total, prompts = kendall(doubles([12, 2, 1, 12, 2]), known)
    assert total.item() == pytest.approx(-0.47140452079103173, rel=1e-12)
    assert prompts.item() == 1


@given(ranked_prompts())
def test_definitions(case: Ranked) -> None:
    right = pairs = total = ranked = 0.0
    for images, row in zip(case.images, case.s, strict=True):
        there = [(image[0], value) for image, value in zip(images, row, strict=True) if image]
        for phi, mine in there:
            for lower, other in there:
                if phi > lower:
                    pairs += 1
                    right += 1 if mine < other else 0.5 if mine == other else 0
        total += tau_b([phi for phi, _ in there], [-value for _, value in there])
        ranked += len({phi for phi, _ in there}) > 1
    s, _, known = case.tensors()
    hollow = s.masked_fill(~known.present, float("nan"))
    assert [v.item() for v in pair_accuracy(hollow, known)] == [right, pairs]
    assert [v.item() for v in kendall(hollow, known)] == pytest.approx([total, ranked], abs=1e-12)


@pytest.mark.parametrize("run", PUBLIC_RUNS, ids=lambda run: str(run.seed))
def test_figures_of_diffusion_dpos_script(run: PublicRun) -> None:
    _, error, reference = run.errors()
    found = measure(error.new_ones(7), error, reference, PAIRS)
    assert found.accuracy == pytest.approx(run.right / 7)
    assert found.error == pytest.approx(run.error, rel=1e-12)
    assert found.reference_error == pytest.approx(run.reference_error, rel=1e-12)
    assert found.kendall == pytest.approx(2 * run.right / 7 - 1)


def example() -> tuple[Tensor, Tensor, Tensor, Labels]:
    """Three prompts with three, one and two pairs; the model orders four of six as ranked."""
    known = labels(
        [(1.0, 1), (0.5, 2), (0.0, 3)], [(0.0, 2), (1.0, 1)], [(0.5, 1), (0.0, 3), (0.5, 1)]
    )
    nan = float("nan")
    reference = doubles([0.5, 0.5, 0.5], [0.5, 0.5, nan], [0.5, 0.5, 0.5])
    error = doubles([0.4, 0.5, 0.6], [0.3, 0.4, nan], [0.6, 0.7, 0.8]).requires_grad_()
    return doubles([1.0, 2.0, 6.0])[0], error, reference, known


def test_means_are_over_prompts_images_and_pairs() -> None:
    assert measure(*example()).means == {
        "loss": pytest.approx(3.0),
        "error": pytest.approx((1.5 + 0.7 + 2.1) / 8),
        "reference_error": pytest.approx(0.5),
        "accuracy": pytest.approx((3 + 0 + 1) / 6),
        "kendall": pytest.approx((1 - 1 + 0) / 3),
    }


def test_batches_add_up_to_what_they_are_together() -> None:
    loss, error, reference, known = example()
    found = Metrics()
    for rows in (slice(0, 1), slice(1, 3)):
        part = Labels(known.preference[rows], known.rank[rows], known.present[rows])
        found = found + measure(loss[rows], error[rows], reference[rows], part)
    assert found.means == pytest.approx(measure(*example()).means)
    assert not found.sums.requires_grad


def test_processes_add_up_too() -> None:
    class Two:
        def reduce(self, values: Tensor, reduction: str) -> Tensor:
            assert reduction == "sum"
            return values + other.sums

    loss, error, reference, known = example()
    other = measure(loss * 3, error, reference, known)
    accelerator: Any = Two()
    together = measure(*example()).reduced(accelerator)
    assert together.loss == pytest.approx(6.0)
    assert together.error == pytest.approx(4.3 / 8)
    assert together.accuracy == pytest.approx(4 / 6)


def test_without_a_reference_nothing_compares_with_it() -> None:
    loss, error, _, known = example()
    found = measure(loss, error, None, known)
    assert set(found.means) == {"loss", "error"}
    assert (found.reference_error, found.accuracy, found.kendall) == (None, None, None)
    assert found.in_words() == "loss 3, error 0.5375"


def test_a_model_that_is_its_reference_is_right_by_half() -> None:
    loss, _, reference, known = example()
    found = measure(loss, reference, reference, known)
    assert (found.accuracy, found.kendall) == (0.5, 0.0)


def test_of_nothing_there_is_nothing_to_say() -> None:
    assert Metrics().means == {}
    assert Metrics().in_words() == ""


def test_a_loss_that_is_no_number_stays_one() -> None:
    loss, error, reference, known = example()
    assert math.isnan(measure(loss * float("nan"), error, reference, known).loss)


def test_measuring_does_not_wait_for_the_device() -> None:
    """Tensors without values: whoever asks for one, or for a shape that hangs on one, fails."""
    loss, error, reference, known = example()
    values = [table.detach().to("meta") for table in (loss, error, reference)]
    found = Metrics() + measure(
        values[0],
        values[1],
        values[2],
        without_values(known),
    )
    assert found.sums.shape == (10,)
