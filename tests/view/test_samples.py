"""Samples of a training run: a row for each prompt, its pictures step after step."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.browser import serving
from synpic.errors import SynpicError
from synpic.view.frame import make_frame
from synpic.view.source import open_source
from synpic.view.static import write_page
from tests.browsing import wait_until
from tests.view.conftest import Visit
from tests.view.hostile import IMAGE

DRAWN = [
    {"prompt": IMAGE, "seed": 5},
    {"prompt": "a red circle", "seed": 6},
    {"prompt": "a red circle", "seed": 7},
]


@pytest.fixture
def training(tmp_path: Path) -> Path:
    """A run with three steps, of which the last is not whole, and a picture that is gone."""
    samples = tmp_path / "run" / "samples"
    samples.mkdir(parents=True)
    (tmp_path / "run" / "log.jsonl").write_text("")
    (samples / "prompts.json").write_text(json.dumps(DRAWN))
    for step in (0, 20, 1000):
        folder = samples / f"step-{step:08d}"
        folder.mkdir()
        for number in range(len(DRAWN)):
            Image.new("RGB", (8, 8), (number * 80, step % 255, 0)).save(folder / f"{number}.png")
        if step < 1000:
            (samples / f"step-{step:08d}.png").write_bytes(b"")
    (samples / "step-00000020" / "2.png").unlink()
    return tmp_path / "run"


def test_steps_are_shown_in_their_order(visit: Callable[..., Visit], training: Path) -> None:
    frame = make_frame(open_source(training))
    circle = frame.candidates(
        frame.prompts.filter(frame.prompts["prompt"] == "a red circle")["prompt_id"].to_list()
    )
    assert circle.select("model", "sample", "seed", "failure").rows() == [
        ("step 00", 0, 6, None),
        ("step 00", 1, 7, None),
        ("step 20", 0, 6, None),
        ("step 20", 1, 7, "2.png is gone"),
    ]
    data = frame.shown.images.read(circle["candidate_id"][2], "")
    assert Image.open(io.BytesIO(data)).getpixel((0, 0)) == (80, 20, 0)
    with serving(frame) as address:
        one = visit(address)
        page = one.open(address)
        assert "training run · 2 prompts · 5 images" in page.inner_text(".brand")
        assert page.locator(".missing").count() == 1
        wait_until(page, "document.querySelector('.card img').naturalWidth > 0")
        assert page.evaluate("window.hostile") is None
        one.check()


def test_as_a_folder(visit: Callable[..., Visit], training: Path, tmp_path: Path) -> None:
    made = write_page(make_frame(open_source(training)), tmp_path / "page")
    assert (made.prompts, made.images) == (2, 5)
    one = visit(f"{(tmp_path / 'page').as_uri()}/")
    one.open(f"{(tmp_path / 'page').as_uri()}/index.html?q=red")
    one.page.keyboard.press("2")
    wait_until(one.page, "document.querySelector('#large .pane img').naturalWidth > 0")
    one.check()


def test_a_damaged_list_is_named(training: Path) -> None:
    (training / "samples/prompts.json").write_text('[{"prompt": 3}]')
    with pytest.raises(SynpicError, match=r"prompts\.json cannot be read"):
        open_source(training)
