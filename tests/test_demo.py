"""The main job for real: trained pipelines and rewards of the embedded world, to a folder."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import datasets
import pytest
from diffusers import DiffusionPipeline
from PIL import Image

from synpic import demo, run_demo
from synpic.engine.progress import Event
from synpic.errors import Stopped
from synpic.release.manifest import read_manifest
from synpic.view.source import open_source
from tests.cli.conftest import in_process


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
    assert (made.model, made.trained) == (None, None)
    assert not Path("shapes/training").exists()
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


@pytest.fixture
def small_training(small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "QUICK_STEPS", 2)
    monkeypatch.setattr(demo, "QUICK_PICTURES", 6)


def test_it_trains_on_what_it_made_and_measures_that(small_training: None, tmp_path: Path) -> None:
    stop = threading.Event()

    def at_the_first_step(event: Event) -> None:
        if event.stage == "train":
            stop.set()

    with pytest.raises(Stopped, match="after step 1 of 2"):
        run_demo(tmp_path / "d", quick=True, train=True, stop=stop, listener=at_the_first_step)
    stages: list[str] = []
    made = run_demo(
        tmp_path / "d", quick=True, train=True, listener=lambda event: stages.append(event.stage)
    )
    assert stages.count("train") == 2, "it went on after the first step: where it is, and one more"
    assert made.trained is not None
    assert (made.trained.base, made.trained.items) == ("before", 6)
    assert made.trained.headline("after") is not None
    assert made.model is not None
    opened = DiffusionPipeline.from_pretrained(made.model)
    assert type(opened).__name__ == "StableDiffusion3Pipeline"
    assert made.picture is not None
    with Image.open(made.picture) as picture:
        assert picture.format == "PNG"
    rows = [json.loads(row) for row in (tmp_path / "d/training/log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2]
    # Run again, nothing is trained or drawn anew, and the command says what was found.
    before = (made.model / "training.json").stat().st_mtime_ns
    ran = in_process("demo", tmp_path / "d", "--quick", "--train")
    assert ran.exit_code == 0, ran.output
    assert "after against before: 6 prompts" in ran.output
    assert "after − before, shapes (held out): " in ran.output
    assert "too few to show what training changed" in ran.output
    looking = ran.output.splitlines()[-1]
    assert looking.startswith("Look at it:  synpic view ")
    shown = open_source(looking.removeprefix("Look at it:  synpic view "))
    assert shown.kind == "workspace"
    assert (made.model / "training.json").stat().st_mtime_ns == before
