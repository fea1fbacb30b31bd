"""How many comparisons a study needs: the numbers of the literature, and simulated studies."""

from __future__ import annotations

import numpy as np
import pytest

from synpic.errors import SynpicError
from synpic.evaluate.intervals import clustered_share
from synpic.study.forecast import StudySize, forecast_study


@pytest.mark.parametrize(("half_width", "votes"), [(0.05, 385), (0.03, 1068)])
def test_single_votes_need_what_a_share_needs(half_width: float, votes: int) -> None:
    found = forecast_study(StudySize(half_width, repeats=0, checks=0))
    assert (found.votes, found.pairs, found.answers) == (votes, votes, votes)
    assert found.to_see == {"0.55": 783, "0.575": 347, "0.6": 194}


def test_several_votes_on_a_pair_need_more_votes_and_fewer_pairs() -> None:
    found = forecast_study(StudySize(0.03, raters_per_pair=5, correlation=0.5, model_pairs=3))
    assert found.votes == 3202  # 1067.1 · (1 + 4 · 0.5)
    assert found.pairs == 641
    assert found.answers == 10577  # 641 · 5 · 3 · 1.1
    assert found.hours == pytest.approx(10577 * 6 / 3600)


def test_a_study_of_that_size_has_intervals_of_that_width() -> None:
    m, correlation = 3, 0.4
    found = forecast_study(StudySize(0.05, raters_per_pair=m, correlation=correlation))
    lots = np.random.default_rng(0)
    widths = []
    for _ in range(20):
        # Votes on a pair are equal with chance ρ, and else by lot: their correlation is ρ.
        shared = lots.random(found.pairs) < 0.5
        follows = lots.random((found.pairs, m)) < np.sqrt(correlation)
        votes = np.where(follows, shared[:, None], lots.random((found.pairs, m)) < 0.5)
        prompt = np.repeat(np.arange(found.pairs), m)
        share = clustered_share(votes.ravel().astype(float), prompt)
        assert share.high is not None
        assert share.low is not None
        widths.append((share.high - share.low) / 2)
    assert np.mean(widths) == pytest.approx(0.05, rel=0.04)


@pytest.mark.parametrize("size", [
    StudySize(0), StudySize(0.6), StudySize(raters_per_pair=0), StudySize(correlation=1.1),
])  # fmt: skip
def test_what_is_out_of_range_is_named(size: StudySize) -> None:
    with pytest.raises(SynpicError, match="--half-width"):
        forecast_study(size)
