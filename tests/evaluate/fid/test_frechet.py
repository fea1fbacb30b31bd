"""The Fréchet distance against torch-fidelity, SciPy and its closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from synpic.evaluate.fid.frechet import FeatureStatistics, StreamedStatistics, frechet_distance

Floats = NDArray[np.float64]


def statistics(features: Floats) -> FeatureStatistics:
    streamed = StreamedStatistics()
    streamed.add(features)
    return streamed.finished()


def features(seed: int, n: int, width: int, scale: float = 1.0, shift: float = 0.0) -> Floats:
    rng = np.random.default_rng(seed)
    mixed: Floats = rng.normal(size=(n, width)) @ rng.normal(size=(width, width)) * scale + shift
    return mixed


@pytest.mark.parametrize(("n", "width"), [(300, 16), (900, 64), (400, 128)])
def test_is_torch_fidelitys(n: int, width: int) -> None:
    from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_statistics_to_metric

    one, other = statistics(features(0, n, width)), statistics(features(1, n, width, 1.3, 0.2))
    theirs = fid_statistics_to_metric(
        {"mu": one.mean, "sigma": one.covariance},
        {"mu": other.mean, "sigma": other.covariance},
        False,
    )[KEY_METRIC_FID]
    assert frechet_distance(one, other) == pytest.approx(theirs, rel=1e-9)
    assert frechet_distance(other, one) == pytest.approx(theirs, rel=1e-9)


def test_is_scipys_root() -> None:
    from scipy.linalg import sqrtm

    one, other = statistics(features(2, 500, 32)), statistics(features(3, 400, 32))
    root = np.trace(sqrtm(one.covariance @ other.covariance)).real
    apart = ((one.mean - other.mean) ** 2).sum()
    expected = apart + np.trace(one.covariance) + np.trace(other.covariance) - 2 * root
    assert frechet_distance(one, other) == pytest.approx(expected, rel=1e-9)


PLACE = st.floats(-5, 5)
SPREAD = st.just(0.0) | st.floats(0.01, 9)


@settings(max_examples=50)
@given(st.lists(st.tuples(PLACE, PLACE, SPREAD, SPREAD), min_size=1, max_size=6))
def test_closed_form_of_independent_dimensions(
    rows: list[tuple[float, float, float, float]],
) -> None:
    a, b, v, w = (np.array(column) for column in zip(*rows, strict=True))
    one, other = FeatureStatistics(9, a, np.diag(v)), FeatureStatistics(9, b, np.diag(w))
    expected = ((a - b) ** 2).sum() + ((np.sqrt(v) - np.sqrt(w)) ** 2).sum()
    assert frechet_distance(one, other) == pytest.approx(expected, abs=1e-9)


def test_singular_covariances_keep_their_digits() -> None:
    """Of 20 features in 200 dimensions, whose distance a projection gives without loss."""
    basis = np.linalg.qr(np.random.default_rng(0).normal(size=(200, 40)))[0]
    ours = [features(seed, 20, 40, 1.0, seed) for seed in (4, 5)]
    wide = [statistics(one @ basis.T) for one in ours]
    narrow = [statistics(one) for one in ours]
    assert frechet_distance(*wide) == pytest.approx(frechet_distance(*narrow), rel=1e-9)
    assert frechet_distance(wide[0], wide[0]) < 1e-9


@pytest.mark.parametrize(("n", "expected"), [(100, 21.5), (1000, 2.2), (10_000, 0.22)])
def test_bias_of_equal_gaussians_goes_with_1_over_n(n: int, expected: float) -> None:
    rng = np.random.default_rng(n)
    found = [
        frechet_distance(*(statistics(rng.normal(size=(n, 64))) for _ in range(2)))
        for _ in range(5)
    ]
    assert np.mean(found) == pytest.approx(expected, rel=0.1)


@settings(max_examples=25)
@given(
    st.lists(st.integers(0, 40), min_size=1, max_size=6).filter(lambda sizes: sum(sizes) > 1),
    st.sampled_from([0.0, 1e6]),
)
def test_batches_are_merged_without_loss(sizes: list[int], shift: float) -> None:
    whole = features(sum(sizes), sum(sizes), 5) + shift
    streamed = StreamedStatistics()
    for batch in np.split(whole, np.cumsum(sizes)[:-1]):
        streamed.add(batch)
    found = streamed.finished()
    assert found.n == len(whole)
    assert found.mean == pytest.approx(whole.mean(axis=0), rel=1e-12, abs=1e-12)
    assert found.covariance == pytest.approx(
        np.cov(whole - shift, rowvar=False), rel=1e-8, abs=1e-8
    )


def test_float16_features_are_summed_in_float64() -> None:
    half = (features(7, 4000, 3) + 300).astype(np.float16)
    streamed = StreamedStatistics()
    for batch in np.array_split(half, 50):
        streamed.add(batch)
    expected = np.cov(half.astype(np.float64), rowvar=False)
    assert streamed.finished().covariance == pytest.approx(expected, rel=1e-10)


def test_one_feature_and_other_widths_are_refused() -> None:
    streamed = StreamedStatistics()
    streamed.add(np.ones((1, 3)))
    with pytest.raises(ValueError, match="1 features have no covariance"):
        streamed.finished()
    with pytest.raises(ValueError, match=r"features of \(3,\) and \(4,\)"):
        frechet_distance(statistics(np.eye(3)), statistics(np.eye(4)))
