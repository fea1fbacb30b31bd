"""A batch is drawn while the one before is encoded; what is late is told of late, and once."""

from __future__ import annotations

import io
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from synpic import Workspace, generate_candidates, ids
from synpic.engine.task import Item, Made, Row
from synpic.generate import drawing
from synpic.generate.drawing import Drawing
from synpic.generate.image_model import Model
from synpic.generate.pixels import eight_bits
from synpic.hub.lock import LockEntry
from synpic.recipe.settings import ImageSettings, ModelSettings
from tests.conftest import MakeRecipe
from tests.fakes import Frugal, Painter

NAMES = iter(range(10**6))


def batch(*prompts: str) -> list[Item]:
    return [
        Item(
            candidate_id=f"{next(NAMES):032x}",
            prompt_id=ids.prompt_id(prompt),
            prompt=prompt,
            seed=seed,
        )
        for seed, prompt in enumerate(prompts)
    ]


def opened(kind: type[Painter] = Painter, images: dict[str, Any] | None = None, **call: Any) -> Any:
    settings = ModelSettings(checkpoint="nowhere", call=call)
    checkpoint = LockEntry(kind="folder", source="nowhere", identity="0" * 64)
    model = Model("a", settings, 8, 8, ImageSettings(**(images or {})), checkpoint)
    return Drawing(model, kind(settings, "nowhere", None, "cpu"), "env")


@pytest.fixture
def painter() -> Iterator[Any]:
    with closing(opened(nan=["bad"], refuse=["ugly"])) as work:
        yield work


def do(work: Any, rows: list[Item], missing: list[Item] | None = None) -> Made:
    made: Made = work.do(rows, rows if missing is None else missing, [])
    return made


def names(rows: Sequence[Item | Row]) -> list[str]:
    return [row.candidate_id if isinstance(row, Item) else row["candidate_id"] for row in rows]


def test_a_batch_is_told_of_when_the_next_has_been_drawn(painter: Any) -> None:
    first, second = batch("a", "b"), batch("c", "d")
    assert do(painter, first) == Made([], {}, 0)
    made = do(painter, second)
    assert (names(made.rows), made.failed, made.succeeded) == (names(first), {}, 2)
    made = painter.finish()
    assert (names(made.rows), made.failed, made.succeeded) == (names(second), {}, 2)
    assert painter.finish() == Made([], {}, 0)


def test_a_row_is_its_image(painter: Any) -> None:
    rows = batch("a", "b")
    do(painter, rows)
    made = painter.finish().rows
    expected = painter.family.draw(["a", "b"], [0, 1], 8, 8)
    for row, pixels, wanted in zip(made, expected, rows, strict=True):
        data = row["image"]["bytes"]
        with Image.open(io.BytesIO(data)) as image:
            assert np.array_equal(np.asarray(image), (pixels * 255).round().astype(np.uint8))
        assert row["sha256"] == ids.sha256(data)
        assert row["image"]["path"] == f"{wanted.candidate_id}.png"
        assert (row["width"], row["height"], row["batch_size"]) == (8, 8, 2)
        assert row["seconds"] > 0
        assert (row["seed"], row["flagged"], row["environment"]) == (wanted.seed, None, "env")


def test_failures_of_drawing_and_of_encoding_come_with_their_batch(painter: Any) -> None:
    rows = batch("a", "bad", "ugly", "b")
    assert do(painter, rows) == Made([], {}, 0)
    made = do(painter, batch("c"))
    assert names(made.rows) == [names(rows)[0], names(rows)[3]]
    assert made.succeeded == 2
    assert "NaN" in made.failed[names(rows)[1]]
    assert "refused" in made.failed[names(rows)[2]]
    assert len(made.failed) == 2


def test_what_is_drawn_for_company_is_neither_kept_nor_encoded(
    painter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[int] = []
    encode = drawing.encode
    monkeypatch.setattr(drawing, "encode", lambda *of: encoded.append(1) or encode(*of))
    rows = batch("a", "b", "ugly", "bad")
    do(painter, rows, missing=rows[1:2])
    made = painter.finish()
    assert names(made.rows) == names(rows)[1:2]
    # Company that was drawn speaks for the model; company that was not says nothing new.
    assert (made.failed, made.succeeded, len(encoded)) == ({}, 3, 1)


def test_the_device_does_not_wait_for_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Encoding stands still until a second batch has been drawn, and that is no deadlock."""
    drawn_twice = threading.Event()

    class Signals(Painter):
        def draw(self, prompts: Any, *rest: Any) -> np.ndarray:
            self.calls.append(len(prompts))
            if len(self.calls) == 2:
                drawn_twice.set()
            return super().draw(prompts, *rest)

    encode = drawing.encode

    def slow(*of: Any) -> bytes:
        assert drawn_twice.wait(60)
        return encode(*of)

    monkeypatch.setattr(drawing, "encode", slow)
    with closing(opened(Signals)) as work:
        first = batch("a", "b")
        assert do(work, first).rows == []
        assert names(do(work, batch("c")).rows) == names(first)


def test_not_more_than_a_batch_is_held() -> None:
    with closing(opened()) as work:
        held = [len(do(work, batch("a", "b", "c")).rows) for _ in range(5)]
    assert held == [0, 3, 3, 3, 3]


def test_what_is_held_when_it_is_closed_is_missing() -> None:
    work = opened()
    do(work, batch(*"abcdefgh"))
    work.close()
    assert work.finish() == Made([], {}, 0)


def test_an_image_too_large_for_its_format_is_a_failure() -> None:
    with closing(opened(images={"format": "webp"})) as work:
        work.model = Model(**{**vars(work.model), "width": 20_000})
        rows = batch("a")
        do(work, rows)
        made = work.finish()
    assert (made.rows, made.succeeded) == ([], 0)
    assert made.failed[names(rows)[0]]


# Memory.


def test_a_family_is_told_what_it_will_be_asked() -> None:
    with closing(opened(Frugal, rooms=[3])) as work:
        batches = [batch(*"abcd"), batch(*"efg")]
        work.expect(batches)
        assert work.family.expected == [tuple("abcd"), tuple("efg")]
        do(work, batches[0])
        # There was room for two at a time, after a try with four.
        assert work.family.calls == [4, 2, 2]
        assert work.family.expected == [("a", "b"), ("c", "d"), ("e", "f"), ("g",)]
        do(work, batches[1])
        assert work.family.calls == [4, 2, 2, 2, 1]


def test_where_one_is_too_many_a_family_makes_room_and_begins_anew() -> None:
    with closing(opened(Frugal, rooms=[0, 0, 2])) as work:
        first, second = batch(*"abcd"), batch(*"efgh")
        work.expect([first, second])
        assert work.note is None
        do(work, first)
        assert work.family.calls[:4] == [4, 2, 1, 1]  # and once more: two steps are needed
        assert work.note == "with less"
        made = do(work, second)
        assert (len(made.rows), made.failed) == (4, {})
        assert {row["batch_size"] for row in work.finish().rows} == {2}


def test_where_no_room_can_be_made_an_image_has_failed() -> None:
    with closing(opened(Frugal, rooms=[0, 0])) as work:
        do(work, batch("a", "b"))
        made = work.finish()
        assert (made.rows, made.succeeded) == ([], 0)
        assert all("memory" in reason for reason in made.failed.values())
        assert len(made.failed) == 2


def test_any_family_will_do() -> None:
    with closing(opened(memory=2)) as work:
        work.expect([batch(*"abcd")])
        assert work.note is None
        do(work, batch(*"abcd"))
        assert [row["batch_size"] for row in work.finish().rows] == [2, 2, 2, 2]


# What is late, in the loop.


def test_a_model_whose_last_batches_tell_is_given_up(tmp_path: Path, recipe: MakeRecipe) -> None:
    """Four batches of NaN are enough to say so, and the last is told of when there are no more."""
    text = recipe(prompts=16, a='call = { nan = ["prompt"] }')
    workspace = Workspace.create(tmp_path / "set", text)
    a, b = generate_candidates(workspace).outcomes
    assert a.broken is not None
    assert "4 batches in a row failed" in a.broken.message
    assert (a.made, a.failed, a.left, b.made) == (0, 0, 16, 16)
    assert workspace.failures("generate").is_empty()


def test_a_stop_condemns_nothing_that_was_held(tmp_path: Path, recipe: MakeRecipe) -> None:
    workspace = Workspace.create(
        tmp_path / "set", recipe(prompts=40, a='call = { nan = ["prompt"] }')
    )
    stop = threading.Event()
    generate_candidates(workspace, listener=lambda e: stop.set() if e.failed else None, stop=stop)
    assert workspace.failures("generate").is_empty()


def test_late_failures_are_rows_like_any(tmp_path: Path, recipe: MakeRecipe) -> None:
    workspace = Workspace.create(tmp_path / "set", recipe(a='call = { nan = ["0-9"] }'))
    a, _ = generate_candidates(workspace).outcomes
    assert (a.made, a.failed, a.left) == (9, 1, 0)
    assert "NaN" in workspace.failures("generate")["reason"].item()


def test_whatever_an_encoder_raises_is_about_one_image(
    painter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def encode(pixels: np.ndarray, how: ImageSettings) -> bytes:
        if (pixels == first[0]).all():
            raise struct.error("argument out of range")
        return b"an image"

    rows = batch("a", "b")
    first = [eight_bits(one) for one in painter.family.draw(["a"], [0], 8, 8)]
    monkeypatch.setattr(drawing, "encode", encode)
    do(painter, rows)
    made = painter.finish()
    assert made.failed == {names(rows)[0]: "error: argument out of range"}
    assert names(made.rows) == names(rows)[1:]
