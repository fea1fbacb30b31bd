"""The benchmarks that take a GPU: that they run, and that they build what they name."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks import large

ROOT = Path(__file__).parent.parent

# Their papers say 2.6 B (arXiv 2307.01952, table 1), 2 B (2403.03206) and 0.6 B (2403.04692).
DENOISERS = {
    "sdxl": ("unet", 2567.5),
    "sd3": ("transformer", 2028.3),
    "pixart_sigma": ("transformer", 610.9),
}


@pytest.mark.parametrize("name", DENOISERS)
def test_large_models_are_as_large_as_published(name: str) -> None:
    with torch.device("meta"):
        pipeline = getattr(large, name)()
    part, millions = DENOISERS[name]
    count = sum(parameter.numel() for parameter in getattr(pipeline, part).parameters())
    assert round(count / 1e6, 1) == millions


@pytest.mark.slow
def test_drawing_is_measured_with_small_models_in_the_place_of_large_ones() -> None:
    words = ["--full", "--tiny", "--device", "cpu", "--images", "4", "--steps", "2"]
    words += ["--batches", "1", "2", "--loop", "2", "--json"]
    ended = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "generate.py"), *words],
        capture_output=True,
        text=True,
        check=True,
    )
    rows = json.loads(ended.stdout)["rows"]
    assert [row["model"] for row in rows] == ["sdxl", "sd3", "pixart_sigma"]
    for row in rows:
        # The stock pipeline drew what synpic drew, so it is the same work that was measured.
        assert row["other pixels"] == f"0 of {row['batch size']}"
        assert row["of the limit"] > 0
        assert row["GPU busy, synpic"] == "unknown"


@pytest.mark.slow
def test_judging_is_measured_with_small_networks_in_the_place_of_large_ones() -> None:
    words = ["--reduced", "--images", "4", "--batch-size", "2", "--json"]
    ended = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "judges.py"), *words],
        capture_output=True,
        text=True,
        check=True,
    )
    for row in json.loads(ended.stdout):
        assert row["forward pass, ms"] > 0
        assert 0 < row["of the limit"] < 2
