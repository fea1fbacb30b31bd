"""Pictures on the way."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image

from synpic.errors import StorageError
from synpic.train import samples, training_steps
from synpic.train.training_loop import train
from tests.generate.tiny import SIDE
from tests.train.conftest import Wanted


def pictures(out: Path, step: str, count: int) -> list[np.ndarray]:
    """Of a step, in the order of the prompts; there are ``count``."""
    found = []
    for number in range(count):
        with Image.open(out / "samples" / step / f"{number}.png") as image:
            found.append(np.asarray(image))
    return found


def test_the_first_prompts_of_the_dataset_are_drawn_if_none_are_given(
    wanted: Wanted, tmp_path: Path
) -> None:
    train(wanted("sd", "samples.every=1", "samples.count=3"), tmp_path)
    steps = [f"step-0000000{step}" for step in range(3)]
    names = sorted(path.name for path in (tmp_path / "samples").iterdir())
    assert names == sorted(["prompts.json", *steps, *(f"{step}.png" for step in steps)])
    rows = json.loads((tmp_path / "samples" / "prompts.json").read_text())
    assert [set(row) for row in rows] == [{"prompt", "seed"}] * 3
    for step in steps:
        for image in pictures(tmp_path, step, 3):
            assert image.shape == (SIDE, SIDE, 3)


def test_a_sheet_shows_each_picture_with_its_prompt(wanted: Wanted, tmp_path: Path) -> None:
    sheets = []
    for prompts in (["a", "b"], ["a", "something else"]):
        out = tmp_path / prompts[1]
        changes = [f"samples.prompts={json.dumps(prompts)}", "samples.every=1", "run.steps=1"]
        train(wanted("sd", *changes), out)
        rows = json.loads((out / "samples" / "prompts.json").read_text())
        assert [row["prompt"] for row in rows] == prompts
        with Image.open(out / "samples" / "step-00000000.png") as sheet:
            sheets.append(np.asarray(sheet))
        enlarged = (
            pictures(out, "step-00000000", 2)[0].repeat(256 // SIDE, 0).repeat(256 // SIDE, 1)
        )
        assert (sheets[-1][24 : 24 + 256, 24 : 24 + 256] == enlarged).all()
    below = [sheet[24 + 256 + 6 :] for sheet in sheets]
    assert (below[0][:, :280] == below[1][:, :280]).all()
    assert (below[0][:, 280:] != below[1][:, 280:]).any()


def test_tensorboard_gets_the_pictures_with_their_prompts(wanted: Wanted, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    changes = ['samples.prompts=["a red\\ncircle"]', "samples.every=1", "run.steps=1"]
    train(wanted("sd", "run.track=tensorboard", *changes), tmp_path)
    events = min(tmp_path.rglob("events.out.tfevents.*"), key=lambda path: len(path.parts))
    found = EventAccumulator(str(events.parent), size_guidance={"images": 0}).Reload()
    (tag,) = found.Tags()["images"]
    assert tag.startswith("samples/00 a red circle")
    shown = found.Images(tag)
    assert [event.step for event in shown] == [0, 1]
    for event in shown:
        with Image.open(io.BytesIO(event.encoded_image_string)) as image:
            sent = np.asarray(image)
        assert (sent == pictures(tmp_path, f"step-{event.step:08d}", 1)[0]).all()


def test_more_prompts_than_a_batch_are_drawn_each_from_its_own_seed(
    wanted: Wanted, tmp_path: Path
) -> None:
    prompts = ["the same"] * 9
    changes = [f"samples.prompts={json.dumps(prompts)}", "samples.every=1", "run.steps=1"]
    train(wanted("sd", *changes), tmp_path)
    drawn = pictures(tmp_path, "step-00000000", 9)
    assert len({image.tobytes() for image in drawn}) == 9
    rows = json.loads((tmp_path / "samples" / "prompts.json").read_text())
    assert [row["seed"] for row in rows] == list(range(rows[0]["seed"], rows[0]["seed"] + 9))


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
    # Before the first step, and after the last.
    assert list(drawn.values()) == [[1] * 10, [2, 2, 1] * 2, [5, 5]]
    first, *others = (
        np.stack(pictures(tmp_path / f"{most}", "step-00000000", 5)).astype(int) for most in drawn
    )
    assert all(np.abs(other - first).max() <= 1 for other in others)


def test_pictures_that_cannot_be_written_are_told(wanted: Wanted, tmp_path: Path) -> None:
    (tmp_path / "samples").write_text("a file")
    with pytest.raises(StorageError, match=r"samples.*the pictures cannot be written"):
        train(wanted("sd", "samples.every=1"), tmp_path)


def test_drawing_does_not_change_the_run(
    wanted: Wanted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes: list[tuple[str, bool]] = []
    plain = training_steps.loss_of_batch

    def watched(family: Any, model: Any, *others: Any) -> Any:
        modes.append(("step", model.training))
        return plain(family, model, *others)

    drawn = training_steps.Sampler._drawn

    def drawing(self: Any) -> Any:
        modes.append(("draw", self._denoiser.training))
        assert not torch.is_grad_enabled()
        return drawn(self)

    monkeypatch.setattr(training_steps, "loss_of_batch", watched)
    monkeypatch.setattr(training_steps.Sampler, "_drawn", drawing)
    train(wanted("sd", "samples.every=1"), tmp_path / "drawn")
    draw, step = ("draw", False), ("step", True)
    assert modes == [draw, step, draw, step, draw]


def test_guidance_sets_off_from_the_negative_prompt(wanted: Wanted, tmp_path: Path) -> None:
    first = []
    for name, changes in {"without": [], "with": ["model.negative_prompt=something else"]}.items():
        train(wanted("sd", "samples.every=1", "run.steps=1", *changes), tmp_path / name)
        first.append(pictures(tmp_path / name, "step-00000000", 1)[0])
    assert (first[0] != first[1]).any()


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        (['samples.prompts=["a", "b"]'], True),
        (["samples.in_card=true"], True),
        ([], False),  # of a folder, whose prompts may be private
        (['samples.prompts=["a", "b"]', "samples.in_card=false"], False),
    ],
)
def test_the_card_shows_samples_before_and_after(
    changes: list[str], shown: bool, wanted: Wanted, tmp_path: Path
) -> None:
    # The last step is drawn even where no interval ends at it.
    fixed = ["samples.every=5", "samples.count=2", "optimizer.learning_rate=0.1"]
    made = train(wanted("sd", *fixed, *changes), tmp_path)
    sheet = made.folder / "samples.png"
    assert sheet.exists() is shown
    assert ("](samples.png)" in (made.folder / "README.md").read_text()) is shown
    assert ("samples.png" in made.about["files"]) is shown
    if not shown:
        return
    with Image.open(sheet) as image:
        drawn = np.asarray(image)
    for at, step in enumerate(("step-00000000", "step-00000002")):
        (first, _) = pictures(tmp_path, step, 2)
        left = 24 + at * (256 + 4)
        enlarged = first.repeat(256 // SIDE, 0).repeat(256 // SIDE, 1)
        assert (drawn[24 : 24 + 256, left : left + 256] == enlarged).all()


def test_samples_that_are_gone_leave_a_card_without(wanted: Wanted, tmp_path: Path) -> None:
    recipe = wanted("sd", 'samples.prompts=["a"]', "samples.every=1")
    train(recipe, tmp_path)
    assert samples.card_sheet(recipe, {"commit": None}, tmp_path, 2) is not None
    assert samples.card_sheet(recipe, {"commit": None}, tmp_path, 1) is not None
    assert samples.card_sheet(recipe, {"commit": None}, tmp_path, 3) is None
    (tmp_path / "samples" / "step-00000000" / "0.png").unlink()
    assert samples.card_sheet(recipe, {"commit": None}, tmp_path, 2) is None
