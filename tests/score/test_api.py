"""`synpic.reward`: the numbers that a workspace would store, for images wherever they are."""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image

import synpic
from synpic.errors import CheckpointError, RewardError, UnknownName
from synpic.score.reward import Companion, RewardInfo
from synpic.score.two_stage import TwoStageReward
from tests.fakes import Forgetful, redness

WEIGHTS = "package:synpic.shapes/weights/clip"


@pytest.fixture
def images() -> list[Image.Image]:
    rng = np.random.default_rng(0)
    return [
        Image.fromarray(rng.integers(0, 256, (20, 30 + i, 3)).astype(np.uint8)) for i in range(7)
    ]


class Mean(TwoStageReward):
    """Brightness, of images that all become one pixel; cannot judge or make ready some of them."""

    info: ClassVar[RewardInfo] = RewardInfo(summary="brightness")
    preprocessing = "mean"

    def pixels(self, image: Image.Image) -> Any:
        import torch

        if image.size == (1, 1):
            raise ZeroDivisionError("too small")
        return torch.full((3, 1, 1), float(np.asarray(image).mean()))

    def judge(self, prompts: Sequence[str], pixels: Any) -> list[float]:
        if "bad" in prompts:
            raise ValueError("I will not read this")
        return [float(value) for value in pixels.mean(dim=(1, 2, 3))]


class Loads:
    """Remembers what it was constructed with."""

    info: ClassVar[RewardInfo] = RewardInfo(
        summary="loads",
        checkpoint="owner/weights",
        companions={"tower": Companion("owner/tower")},
    )
    seen: ClassVar[dict[str, Any]] = {}

    def __init__(
        self,
        checkpoint: str,
        revision: str | None,
        device: str,
        tower: str,
        tower_revision: str | None,
        *,
        mode: str = "plain",
    ) -> None:
        Loads.seen = {k: v for k, v in locals().items() if k != "self"}

    def score(self, prompts: Sequence[str], images: Sequence[Image.Image]) -> list[float]:
        return [0.0 for _ in images]


def starved(prompt: str, image: Image.Image) -> float:
    raise MemoryError("out of memory")


def test_gives_what_the_reward_gives(images: list[Image.Image]) -> None:
    from synpic.score.clip_score import ClipScore
    from synpic.shapes.measure import weights

    prompts = [f"a red circle and {i} stars" for i in range(7)]
    opened = synpic.reward("clip_score", checkpoint=WEIGHTS, device="cpu", batch_size=3)
    scores = opened.score(prompts, images)
    expected = ClipScore(str(weights("clip")), None, "cpu").score(prompts, images)
    assert scores == pytest.approx(expected, abs=1e-6)
    assert scores == [float(np.float32(score)) for score in scores]
    assert opened.info is ClipScore.info


def test_one_prompt_serves_all_images_and_one_image_is_enough(images: list[Image.Image]) -> None:
    opened = synpic.reward("shapes_clip", device="cpu")
    all_of_them = opened.score("a red circle", images)
    assert all_of_them == opened.score(["a red circle"] * 7, images)
    assert opened.score("a red circle", images[2]) == pytest.approx(all_of_them[2:3], abs=1e-6)
    assert opened.score("a red circle", iter(images)) == all_of_them
    assert opened.score("a red circle", []) == []
    assert opened.score([], []) == []


def test_paths_bytes_and_images_are_one(images: list[Image.Image], tmp_path: Path) -> None:
    buffer = io.BytesIO()
    images[0].save(buffer, "PNG")
    file = tmp_path / "ü one.png"
    file.write_bytes(buffer.getvalue())
    late = Image.open(file)  # not read yet, and asked for twice
    opened = synpic.reward("tests.fakes:redness")
    scores = opened.score("", [images[0], buffer.getvalue(), file, str(file), late, late])
    assert scores == [pytest.approx(redness("", images[0]))] * 6


def test_any_mode_is_seen_as_a_workspace_sees_it() -> None:
    from synpic.readers.images import decode

    clear = Image.new("RGBA", (4, 4), (200, 10, 20, 0))
    deep = Image.fromarray(np.full((4, 4), 0x80FF, np.uint16))
    palette = Image.new("RGB", (4, 4), (9, 10, 20)).quantize(4)
    opened = synpic.reward("tests.fakes:redness")
    for image, expected in ((clear, 255), (deep, 128), (palette, 9)):
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        stored = redness("", decode(buffer.getvalue()))
        assert opened.score("", image) == [stored] == [expected]


def test_short_memory_halves_batches_and_is_remembered(images: list[Image.Image]) -> None:
    Forgetful.asked.clear()
    opened = synpic.reward("tests.fakes:Forgetful", batch_size=7)
    scores = opened.score("", images)
    assert scores == [pytest.approx(redness("", image)) for image in images]
    assert Forgetful.asked == [7, 3, 3, 1]
    opened.score("", images)
    assert max(Forgetful.asked[4:]) == 3


def test_a_staged_reward_is_given_an_image_once_and_off_this_thread(
    images: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[threading.Thread] = []
    plain = Mean.pixels

    def noted(self: Mean, image: Image.Image) -> Any:
        made.append(threading.current_thread())
        return plain(self, image)

    monkeypatch.setattr(Mean, "pixels", noted)
    opened = synpic.reward(f"{__name__}:Mean", batch_size=4)
    same = images[0]
    assert len(set(opened.score("", [same, same, images[1], same, images[2]]))) == 3
    assert len(made) == 3
    assert threading.current_thread() not in made


def test_what_cannot_be_scored_is_named_by_its_number(
    images: list[Image.Image], tmp_path: Path
) -> None:
    opened = synpic.reward(f"{__name__}:Mean", batch_size=2)
    with pytest.raises(RewardError, match=r"image 3: .*cannot score it: ValueError: I will not"):
        opened.score(["", "", "", "bad", ""], images[:5])
    with pytest.raises(RewardError, match=r"image 1: .*make it ready: ZeroDivisionError"):
        opened.score("", [images[0], Image.new("RGB", (1, 1))])
    with pytest.raises(RewardError, match=r"image 2 \(.*gone\.png\): No such file"):
        opened.score("", [*images[:2], tmp_path / "gone.png"])
    (tmp_path / "half.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(RewardError, match=r"image 0 \(.*half\.png\): not a whole image"):
        opened.score("", str(tmp_path / "half.png"))
    with pytest.raises(RewardError, match="image 1: not a whole image"):
        opened.score("", [images[0], b"no image"])
    with pytest.raises(RewardError, match="image 0: a ndarray is no image"):
        opened.score("", [np.zeros((4, 4, 3))])  # type: ignore[list-item]
    # Nothing of this keeps it from working on.
    assert len(opened.score("", images)) == 7


def test_an_image_that_fits_no_memory_says_so(images: list[Image.Image]) -> None:
    with pytest.raises(RewardError, match=r"image 0: .*MemoryError") as raised:
        synpic.reward(f"{__name__}:starved").score("", images)
    assert "memory" in (raised.value.hint or "")


def test_numbers_that_cannot_be_trusted_are_refused(images: list[Image.Image]) -> None:
    with pytest.raises(RewardError, match="gave nan for candidate #0"):
        synpic.reward("tests.fakes:nan").score("", images)


def test_prompts_must_fit_the_images(images: list[Image.Image]) -> None:
    opened = synpic.reward("tests.fakes:redness")
    with pytest.raises(RewardError, match="2 prompts for 7 images"):
        opened.score(["", ""], images)
    with pytest.raises(RewardError, match="prompt 1 is a NoneType"):
        opened.score(["", None], images[:2])  # type: ignore[list-item]


def test_repositories_are_named_to_the_reward_as_they_are() -> None:
    name = f"{__name__}:Loads"
    synpic.reward(name, device="cpu")
    assert Loads.seen == {
        "checkpoint": "owner/weights",
        "revision": None,
        "device": "cpu",
        "tower": "owner/tower",
        "tower_revision": None,
        "mode": "plain",
    }
    synpic.reward(name, device="cpu", revision="v2", tower="other/tower@abc", mode="bold")
    assert Loads.seen["revision"] == "v2"
    assert (Loads.seen["tower"], Loads.seen["tower_revision"]) == ("other/tower", "abc")
    assert Loads.seen["mode"] == "bold"


def test_folders_are_relative_to_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    name = f"{__name__}:Loads"
    synpic.reward(name, device="cpu", checkpoint="mine", revision="v2", tower=Path("mine"))
    assert Loads.seen["checkpoint"] == str(tmp_path / "mine")
    assert Loads.seen["revision"] is None
    assert Loads.seen["tower"] == str(tmp_path / "mine")
    with pytest.raises(CheckpointError, match=r"\./none: no such folder"):
        synpic.reward(name, device="cpu", checkpoint="./none")
    assert list(tmp_path.iterdir()) == [tmp_path / "mine"]  # no lock, no workspace


def test_names_and_options_that_are_wrong_are_told() -> None:
    with pytest.raises(UnknownName, match="Did you mean"):
        synpic.reward("clip_scor")
    with pytest.raises(RewardError, match=re.escape("options.colour: clip_score takes no such")):
        synpic.reward("clip_score", colour="red")
    with pytest.raises(RewardError, match="takes no checkpoint"):
        synpic.reward("tests.fakes:redness", checkpoint="owner/name")
    with pytest.raises(RewardError, match="batch_size is 0"):
        synpic.reward("tests.fakes:redness", batch_size=0)
    with pytest.raises(RewardError, match="cannot be opened: ModuleNotFoundError"):
        synpic.reward("tests.fakes:NeedsPackage")
