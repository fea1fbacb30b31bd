"""Images made ready for the detector, against what OpenCV computed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from synpic.score.judges.detection.instances import Sizes
from synpic.score.judges.detection.shown import MEAN, STD, fitted, resized, shown, stacked

FIXTURE = Path(__file__).parents[3] / "parity" / "fixtures" / "geneval"
RESIZED = json.loads((FIXTURE / "resized.json").read_text())["resized"]


@pytest.mark.parametrize("case", RESIZED, ids=lambda case: f"{case['from']}-{case['to']}")
def test_is_resized_as_opencv_resizes(case: dict[str, Any]) -> None:
    """Bit by bit: larger, smaller, half, and of single rows and columns."""
    rng = np.random.default_rng(case["from"])
    made = resized(rng.integers(0, 256, (*case["from"], 3), np.uint8), *case["to"])
    assert made.dtype == np.uint8
    assert hashlib.sha256(made.tobytes()).hexdigest() == case["sha256"]


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((512, 512), (800, 800)),
        ((1024, 1024), (800, 800)),
        ((1344, 768), (1333, 762)),
        ((480, 640), (800, 1067)),
        ((800, 1333), (800, 1333)),
        ((1, 200), (7, 1333)),
    ],
)
def test_is_as_large_as_both_limits_allow(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert fitted(*size) == expected


@given(st.integers(1, 3000), st.integers(1, 3000))
def test_no_side_is_beyond_its_limit(height: int, width: int) -> None:
    found = fitted(height, width)
    assert min(found) <= 800
    assert max(found) <= 1333
    assert min(found) == 800 or max(found) == 1333
    if min(found) > 50:
        assert found[0] / found[1] == pytest.approx(height / width, rel=0.02)


def test_is_normalised_and_padded() -> None:
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 256, (60, 90, 3), np.uint8))
    ready = shown(image)
    assert ready.sizes == Sizes((60, 90), (800, 1200), (800, 1216))
    assert ready.image is image
    made = stacked([ready, ready], "cpu")
    assert made.shape == (2, 3, 800, 1216)
    assert made.dtype == torch.float32
    assert torch.equal(made[0], made[1])
    assert not made[:, :, :, 1200:].any()
    back = made[0, :, :, :1200].permute(1, 2, 0).numpy() * np.float32(STD) + np.float32(MEAN)
    assert np.abs(back - resized(np.asarray(image), 800, 1200)).max() < 1e-4


def test_red_comes_first() -> None:
    made = stacked([shown(Image.new("RGB", (32, 32), (255, 0, 0)))], "cpu")
    assert [round(float(made[0, channel].mean()), 3) for channel in range(3)] == [
        round((value - mean) / std, 3)
        for value, mean, std in zip((255, 0, 0), MEAN, STD, strict=True)
    ]
