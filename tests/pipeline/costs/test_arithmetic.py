from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synpic.pipeline.costs import Cost, cost_of

count = st.integers(0, 10**7)
seconds = st.floats(0, 1e4)
devices = st.integers(1, 1024)


def test_the_paper_s_figures() -> None:
    """arXiv 2410.18013: 232,000 images, ten A100-days in all, $185.60 for drawing them."""
    images, days = 58_000 * 4, 10
    all_in = days * 86_400 / images  # drawn, and judged by five rewards
    assert all_in == pytest.approx(3.724, abs=5e-4)
    rate = 185.60 / (days * 24)
    assert rate == pytest.approx(0.773, abs=5e-4)
    cost = cost_of(images, all_in, devices=8, rate=rate)
    assert cost.device_hours == pytest.approx(240)
    assert cost.wall_seconds == pytest.approx(30 * 3600)
    assert cost.dollars == pytest.approx(185.60)
    # Their price is a price per image: nothing is left over.
    assert 185.60 / images == pytest.approx(0.0008, abs=1e-12)
    # What the same ten days cost where an hour is $1.80.
    cost = cost_of(images, all_in, rate=1.80)
    assert cost.dollars == pytest.approx(432)


@given(count, seconds, devices, st.floats(0, 100), st.floats(0, 1e4))
def test_devices_share_the_work_and_each_opens(
    images: int, pace: float, many: int, rate: float, opening: float
) -> None:
    cost = cost_of(images, pace, many, rate, opening)
    # Simulated: each device opens, then takes its share.
    shares = [images / many] * many
    busy = [(opening if images else 0.0) + share * pace for share in shares]
    assert cost.device_seconds == pytest.approx(math.fsum(busy), rel=1e-9, abs=1e-6)
    assert cost.wall_seconds == pytest.approx(max(busy), rel=1e-9, abs=1e-6)
    assert cost.dollars == pytest.approx(rate * math.fsum(busy) / 3600, rel=1e-9, abs=1e-6)


@given(count, seconds, devices, st.integers(1, 2000))
def test_a_device_without_a_batch_neither_opens_nor_helps(
    images: int, pace: float, many: int, batches: int
) -> None:
    cost = cost_of(images, pace, many, None, 60.0, batches)
    assert cost == cost_of(images, pace, min(many, batches), None, 60.0)


def test_nothing_is_opened_for_no_images() -> None:
    assert cost_of(0, 3.0, 8, 1.8, opening=60) == Cost(0, 0, 0)


def test_without_a_rate_there_are_no_dollars() -> None:
    assert cost_of(10, 2.0).dollars is None
    assert (cost_of(10, 2.0, rate=1) + cost_of(10, 2.0)).dollars is None
    total = cost_of(10, 360.0, rate=1) + cost_of(5, 360.0, rate=2)
    assert total == Cost(5400, 5400, 2.0)


@pytest.mark.parametrize(
    "wrong",
    [(-1, 1.0), (1, -1.0), (1, 1.0, 0), (1, 1.0, 1, -1.0), (1, 1.0, 1, 1.0, -1.0)],
)
def test_nonsense_is_refused(wrong: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=r"negative|at least one"):
        cost_of(*wrong)  # type: ignore[arg-type]
