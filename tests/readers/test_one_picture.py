"""One picture for everything that looks: rewards, safety checks, cards, training, exports."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image

from synpic.engine.task import Item, Made, Row
from synpic.errors import SynpicError
from synpic.publish.card.picture import PicturedPrompt, contact_sheet
from synpic.publish.export import export
from synpic.readers.images import ImageError, decode
from synpic.safety.checked import Checked
from synpic.score.prefetch import PrefetchedImages
from synpic.train.data.crops import fit
from synpic.train.data.decode_rows import decode_rows
from tests.grids import slow_but
from tests.publish.fixtures import build
from tests.readers.image_files import chunk, encoded, exif, in_mode, with_chunks
from tests.train.material import records_of

MODES = ["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "I", "F", "CMYK"]
KINDS = ["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"]


def images_of(mode: str, kind: str) -> list[bytes]:
    """A picture in each orientation, as far as the format holds them."""
    made = []
    for orientation in range(1, 9):
        try:
            made.append(encoded(in_mode(mode), kind, exif=exif(orientation)))
        except (OSError, ValueError):
            return []  # Pillow does not write the mode in that format
    return list(dict.fromkeys(made))


def cases() -> dict[str, bytes]:
    plain = encoded(in_mode("RGB"))
    text = b"workflow\0\0" + zlib.compress(b"x" * (2 << 20))
    more = {"save_all": True, "append_images": [Image.new("RGB", (8, 8))]}
    return {
        "a long note": with_chunks(plain, chunk(b"zTXt", text)),
        "a long profile": with_chunks(plain, chunk(b"iCCP", b"icc\0\0" + text[10:])),
        "16-bit grey": encoded(in_mode("I;16")),
        "a photograph on its side": encoded(in_mode("RGB"), "JPEG", exif=exif(6)),
        "a phone's": encoded(in_mode("RGB"), "MPO", **more),
        "transparent": encoded(in_mode("RGBA")),
    }


# -- those that look ---------------------------------------------------------------------------


class Bytes:
    """Where encoded images are."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def read(self, wanted: Sequence[tuple[str, str]]) -> list[bytes]:
        return [self.data for _ in wanted]


def by_reward(data: bytes) -> np.ndarray:
    ready = PrefetchedImages(Bytes(data), threads=1)
    ready.want("whole", np.asarray)
    (seen,) = ready.order([Item(candidate_id="c", sha256="s")], "whole").wait()
    ready.release("whole", np.asarray)
    if not isinstance(seen, np.ndarray):
        raise ImageError(seen.reason)
    return seen


class Looking:
    """A safety check that remembers what it saw; and the work whose images it checks."""

    looks = True
    note = None

    def __init__(self, data: bytes) -> None:
        self.row = {"candidate_id": "c", "prompt_id": "p", "image": {"bytes": data}}
        self.seen: list[np.ndarray] = []

    def prepare(self, image: Image.Image) -> np.ndarray:
        return np.asarray(image)

    def judge(self, prompts: Sequence[str], prepared: Sequence[np.ndarray]) -> list[bool]:
        self.seen += prepared
        return [False for _ in prompts]

    def do(self, *batches: Sequence[Row]) -> Made:
        return Made([self.row], {}, 1)

    def finish(self) -> Made:
        return Made([], {}, 0)

    def close(self) -> None:
        pass


def by_safety_check(data: bytes) -> np.ndarray:
    both: Any = Looking(data)
    work = Checked(both, both, pl.DataFrame({"prompt_id": ["p"], "prompt": ["a circle"]}))
    work.do([], [], [])
    ended = work.finish()
    work.close()
    if ended.failed:
        raise ImageError(ended.failed["c"].removeprefix("safety check: ImageError: "))
    (seen,) = both.seen
    return seen


def on_card(data: bytes, expected: np.ndarray) -> bool:
    """Whether the sheet shows these pixels somewhere."""
    example = PicturedPrompt("a circle", [data, data], ["m", "n"], [1.0, 0.0], [1, 2], {})
    sheet = np.asarray(contact_sheet([example], cell=max(expected.shape)))
    windows = sliding_window_view(sheet, expected.shape)[:, :, 0]
    return bool((windows == expected).all(axis=(2, 3, 4)).any())


def in_training(data: bytes) -> np.ndarray:
    records, _ = records_of([[data]])
    (row,) = decode_rows(records, [(0, [0])], lambda facts: facts[0].size)
    return row.pixels[0]


def refused_by_all(data: bytes, reason: str) -> None:
    for look in (by_reward, by_safety_check, in_training, partial(on_card, expected=np.ones(3))):
        with pytest.raises((ImageError, SynpicError)) as caught:
            look(data)
        assert reason in str(caught.value)


def damaged() -> dict[str, bytes]:
    plain, jpeg = encoded(in_mode("RGB")), encoded(in_mode("RGB"), "JPEG")
    place = plain.index(b"IDAT") + 20
    grey = np.asarray(in_mode("L"))
    return {
        "pixels that fail their checksum": plain[:place] + b"\0\0" + plain[place + 2 :],
        "a PNG that breaks off": plain[:-12],
        "a JPEG that breaks off": jpeg[:-40],
        "a JPEG 2000 that breaks off": encoded(in_mode("RGB"), "JPEG2000")[:-40],
        "floats": encoded(Image.fromarray(grey.astype(np.float32)), "TIFF"),
        "32-bit integers": encoded(Image.fromarray(grey.astype(np.int32)), "TIFF"),
    }


@pytest.mark.parametrize("case", damaged())
def test_all_refuse_what_is_damaged_or_of_unknown_range(case: str) -> None:
    data = damaged()[case]
    with pytest.raises(ImageError, match=r"not a whole image|range is not known") as caught:
        decode(data)
    refused_by_all(data, str(caught.value))


EVERY = [(mode, kind) for mode in MODES for kind in KINDS]
FAST = [(mode, kind) for mode, kind in EVERY if mode == "RGB" or kind == "PNG"]


@pytest.mark.parametrize(("mode", "kind"), slow_but(FAST, EVERY))
def test_all_see_one_picture(mode: str, kind: str) -> None:
    for data in images_of(mode, kind):
        try:
            expected = np.asarray(decode(data))
        except ImageError as error:
            refused_by_all(data, str(error))
            continue
        for look in (by_reward, by_safety_check, in_training):
            assert np.array_equal(look(data), expected), look.__name__
        assert on_card(data, expected)


@pytest.mark.parametrize("case", cases())
def test_all_see_one_picture_of_what_was_reported(case: str) -> None:
    data = cases()[case]
    expected = np.asarray(decode(data))
    for look in (by_reward, by_safety_check, in_training):
        assert np.array_equal(look(data), expected), look.__name__
    assert on_card(data, expected)
    assert not on_card(data, 255 - expected), "and the search can fail"


def test_grey_transparent_and_turned_pictures_are_not_what_pillow_converts() -> None:
    """As the card and the safety checks once did by themselves."""
    made = cases()
    assert np.asarray(decode(made["16-bit grey"])).mean() < 200
    assert decode(made["a photograph on its side"]).size == (16, 24)
    assert np.asarray(decode(made["transparent"])).min() > 0


def test_training_frames_what_it_sees() -> None:
    data = cases()["a photograph on its side"]
    records, _ = records_of([[data]])
    (row,) = decode_rows(records, [(0, [0])], lambda facts: (16, 8))
    assert row.found[0].size == (24, 16)
    assert np.array_equal(row.pixels[0], fit(decode(data), (16, 8)))


def test_an_export_holds_what_was_seen(tmp_path: Path) -> None:
    kept = list(cases().values())
    workspace = build(
        tmp_path / "set",
        [(f"prompt {n}", "train") for n in range(len(kept))],
        score=lambda reward, row: float(row["model"] == "beta"),
        draw=lambda row: kept[int(row["prompt"].rpartition(" ")[2])],
    )
    export(workspace, "folders", tmp_path / "two")
    seen = {
        path.with_suffix(".txt").read_text(): (path.suffix, path.read_bytes())
        for path in (tmp_path / "two" / "chosen").iterdir()
        if path.suffix != ".txt"
    }
    assert {prompt: data for prompt, (_, data) in seen.items()} == {
        f"prompt {n}": data for n, data in enumerate(kept)
    }
    endings = [seen[f"prompt {n}"][0] for n in range(len(kept))]
    assert endings == [".png", ".png", ".png", ".jpg", ".jpg", ".png"]
