"""Pictures on the way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image

from synpic.errors import StorageError
from synpic.train import samples, training_loop
from synpic.train.samples import side_by_side
from synpic.train.training_loop import train
from tests.generate.tiny import SIDE
from tests.train.conftest import Wanted


@pytest.mark.parametrize(
    ("count", "columns", "lines"), [(1, 1, 1), (2, 2, 1), (3, 2, 2), (5, 3, 2), (9, 3, 3)]
)
def test_a_sheet_has_every_picture_once_in_reading_order(
    count: int, columns: int, lines: int
) -> None:
    images = [Image.new("RGB", (6, 4), (n + 1, 0, 0)) for n in range(count)]
    sheet = np.asarray(side_by_side(images))[..., 0]
    assert sheet.shape == (4 * lines, 6 * columns)
    places = [sheet[line * 4, column * 6] for line in range(lines) for column in range(columns)]
    assert places == [*range(1, count + 1), *[0] * (columns * lines - count)]


def test_the_first_prompts_of_the_dataset_are_drawn_if_none_are_given(
    wanted: Wanted, tmp_path: Path
) -> None:
    train(wanted("sd", "samples.every=1", "samples.count=3"), tmp_path)
    names = sorted(path.name for path in (tmp_path / "samples").iterdir())
    assert names == ["step-00000000.png", "step-00000001.png", "step-00000002.png"]
    for name in names:
        with Image.open(tmp_path / "samples" / name) as image:
            assert image.size == (2 * SIDE, 2 * SIDE)


def test_more_prompts_than_a_batch_are_drawn_each_from_its_own_seed(
    wanted: Wanted, tmp_path: Path
) -> None:
    prompts = ["the same"] * 9
    changes = [f"samples.prompts={json.dumps(prompts)}", "samples.every=1", "run.steps=1"]
    train(wanted("sd", *changes), tmp_path)
    with Image.open(tmp_path / "samples" / "step-00000000.png") as image:
        sheet = np.asarray(image)
    tiles = [
        sheet[y : y + SIDE, x : x + SIDE].tobytes()
        for y in range(0, 3 * SIDE, SIDE)
        for x in range(0, 3 * SIDE, SIDE)
    ]
    assert len(set(tiles)) == 9


def test_large_pictures_are_drawn_few_at_once(
    wanted: Wanted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: dict[int, list[int]] = {}
    for most in (1, 2 * SIDE * SIDE, 100 * SIDE * SIDE):
        plain, seen = diffusers.StableDiffusionPipeline.__call__, drawn.setdefault(most, [])

        def watched(self: Any, *, plain: Any = plain, seen: Any = seen, **given: Any) -> Any:
            seen.append(len(given["generator"]))
            return plain(self, **given)

        with monkeypatch.context() as patch:
            patch.setattr(samples, "_PIXELS", most)
            patch.setattr(diffusers.StableDiffusionPipeline, "__call__", watched)
            train(
                wanted("sd", "samples.every=2", "samples.count=5", "run.steps=1"),
                tmp_path / f"{most}",
            )
    assert list(drawn.values()) == [[1] * 5, [2, 2, 1], [5]]
    sheets = []
    for most in drawn:
        with Image.open(tmp_path / f"{most}" / "samples" / "step-00000000.png") as image:
            sheets.append(np.asarray(image, dtype=int))
    assert all(np.abs(sheet - sheets[0]).max() <= 1 for sheet in sheets)


def test_pictures_that_cannot_be_written_are_told(wanted: Wanted, tmp_path: Path) -> None:
    (tmp_path / "samples").write_text("a file")
    with pytest.raises(StorageError, match=r"samples.*the pictures cannot be written"):
        train(wanted("sd", "samples.every=1"), tmp_path)


def test_drawing_does_not_change_the_run(
    wanted: Wanted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes: list[tuple[str, bool]] = []
    plain = training_loop.loss_of_batch

    def watched(family: Any, model: Any, *others: Any) -> Any:
        modes.append(("step", model.training))
        return plain(family, model, *others)

    drawn = training_loop.Sampler._drawn

    def drawing(self: Any) -> Any:
        modes.append(("draw", self._denoiser.training))
        assert not torch.is_grad_enabled()
        return drawn(self)

    monkeypatch.setattr(training_loop, "loss_of_batch", watched)
    monkeypatch.setattr(training_loop.Sampler, "_drawn", drawing)
    train(wanted("sd", "samples.every=1"), tmp_path / "drawn")
    draw, step = ("draw", False), ("step", True)
    assert modes == [draw, step, draw, step, draw]


def test_guidance_sets_off_from_the_negative_prompt(wanted: Wanted, tmp_path: Path) -> None:
    sheets = []
    for name, changes in {"without": [], "with": ["model.negative_prompt=something else"]}.items():
        train(wanted("sd", "samples.every=1", "run.steps=1", *changes), tmp_path / name)
        sheets.append((tmp_path / name / "samples" / "step-00000000.png").read_bytes())
    assert sheets[0] != sheets[1]
