"""The main job for real: trained pipelines and rewards of the embedded world, to a folder."""

from __future__ import annotations

import threading
from pathlib import Path

import datasets
import pytest
from PIL import Image

from synpic import demo, run_demo
from synpic.errors import Stopped
from synpic.published.manifest import read_manifest


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "QUICK_PROMPTS", 6)


def test_the_demo_makes_what_it_says(
    small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    stop = threading.Event()
    with pytest.raises(Stopped):
        run_demo("shapes", quick=True, stop=stop, listener=lambda event: stop.set())
    made = run_demo("shapes", quick=True)
    assert made.release.ranked.ranking.counts.kept_prompts == 6
    shares = [found.share for found in made.verdict.values()]
    assert shares == sorted(shares), "worst, random, best, oracle"
    with Image.open(made.release.picture) as picture:
        assert picture.format == "PNG"
        assert min(picture.size) > 200
    assert read_manifest(Path("shapes/dataset")) is not None
    assert made.release.load_line.startswith("datasets.load_dataset(")
    # As printed:
    rows = eval(made.release.load_line, {"datasets": datasets})
    assert len(rows) == 6
    row = rows[0]
    assert row["image_0"].size == (32, 32)
    assert row["models"] == ["shapes_mmdit", "shapes_mmdit_small", "shapes_pixart", "shapes_unet"]
    assert sorted(row["rank"])[0] == 1
    assert row["rank"][row["best"]] == 1
    # Run again, nothing is drawn anew.
    again = run_demo("shapes", quick=True)
    assert again.release.ranked.ranking.table.equals(made.release.ranked.ranking.table)
