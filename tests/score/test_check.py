"""`synpic check reward`, with pictures from a server on this machine."""

from __future__ import annotations

import hashlib
import inspect
import io
import json
import re
import threading
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from PIL import Image

from synpic.errors import CheckpointError, RewardError, UnknownName
from synpic.registry import REWARDS
from synpic.score.check import check_reward
from synpic.score.published_pictures import Picture, fetch
from synpic.score.published_scores import KNOWN, Known
from synpic.score.reward import RewardInfo

Serve = Callable[[bytes], str]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pictures are kept below a folder of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "synpic" / "files"


@pytest.fixture(scope="module")
def serve() -> Iterator[Serve]:
    """Put a file on a server; get its address. What is not there is not found."""
    files: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            data = files.get(self.path)
            self.send_response(404 if data is None else 200)
            self.end_headers()
            self.wfile.write(data or b"")

        def log_message(self, *words: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()

    def put(data: bytes) -> str:
        files[f"/{len(files)}.png"] = data
        return f"http://127.0.0.1:{server.server_port}/{len(files) - 1}.png"

    yield put
    server.shutdown()
    thread.join()
    server.server_close()


class Sound:
    """Depends on the prompt and the image, and on nothing else."""

    info: ClassVar[RewardInfo] = RewardInfo(summary="sound", checkpoint="owner/sound")

    def __init__(self, checkpoint: str, revision: str | None, device: str) -> None:
        pass

    def score(self, prompts: Sequence[str], images: Sequence[Image.Image]) -> list[float]:
        return [float(np.asarray(i).mean()) + len(p) for p, i in zip(prompts, images, strict=True)]


class Scaled(Sound):
    """With an option."""

    def __init__(
        self, checkpoint: str, revision: str | None, device: str, *, scale: float = 1.0
    ) -> None:
        self._scale = scale

    def score(self, prompts: Sequence[str], images: Sequence[Image.Image]) -> list[float]:
        return [self._scale * score for score in super().score(prompts, images)]


class Leaky(Sound):
    """What shares the batch changes a score."""

    def score(self, prompts: Sequence[str], images: Sequence[Image.Image]) -> list[float]:
        return [score + 0.01 * len(images) for score in super().score(prompts, images)]


class Positional(Sound):
    """The place in a batch changes a score."""

    def score(self, prompts: Sequence[str], images: Sequence[Image.Image]) -> list[float]:
        return [score + 0.01 * i for i, score in enumerate(super().score(prompts, images))]


class Deaf(Sound):
    def score(self, prompts: Sequence[str], images: Sequence[Image.Image]) -> list[float]:
        return super().score([""] * len(prompts), images)


class DeafAndSaysSo(Deaf):
    info = replace(Sound.info, reads_prompt=False)


class ReadsInSecret(Sound):
    info = replace(Sound.info, reads_prompt=False)


class Blind(Sound):
    def score(self, prompts: Sequence[str], images: Sequence[Image.Image]) -> list[float]:
        return [1.0 for _ in images]


def named(kind: type) -> str:
    return f"{__name__}:{kind.__name__}"


def grey(value: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (value,) * 3).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def known(serve: Serve) -> Known:
    files = [grey(10), grey(90)]
    pictures = tuple(Picture(serve(data), hashlib.sha256(data).hexdigest()) for data in files)
    return Known(named(Sound), ("abc", "de"), pictures, (13.001, 92.0), 0.01, "somewhere, line 1")


def test_published_scores_are_compared(known: Known) -> None:
    found = check_reward(named(Sound), device="cpu", known=[known])
    assert found.ok
    assert [(one.expected, one.score) for one in found.compared] == [(13.001, 13), (92, 92)]
    assert [one.prompt for one in found.compared] == ["abc", "de"]

    wrong = check_reward(named(Sound), device="cpu", known=[replace(known, expected=(13, 92.02))])
    assert [one.ok for one in wrong.compared] == [True, False]
    assert not wrong.ok
    told = json.loads(json.dumps(wrong.as_dict()))
    assert told["ok"] is False
    assert [one["ok"] for one in told["compared"]] == [True, False]


def test_scores_of_another_checkpoint_are_not_compared(known: Known) -> None:
    other = replace(known, checkpoint="owner/other")
    found = check_reward(named(Sound), device="cpu", known=[other])
    assert (found.compared, found.known_of) == ((), ("owner/other",))
    assert found.checkpoint == "owner/sound"
    asked = check_reward(named(Sound), device="cpu", checkpoint="owner/other", known=[other])
    assert len(asked.compared) == 2
    assert asked.known_of == ()


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (Sound, []),
        (DeafAndSaysSo, []),
        (Leaky, ["a picture has one score, in any batch"]),
        (
            Positional,
            ["a picture has one score, in any batch", "a picture has one score, in any order"],
        ),
        (Deaf, ["the prompt is read"]),
        (ReadsInSecret, ["the prompt is not read, as declared"]),
        (Blind, ["pictures that differ have scores that differ", "the prompt is read"]),
    ],
)
def test_common_sense(kind: type, wrong: list[str]) -> None:
    found = check_reward(named(kind), device="cpu")
    assert found.compared == ()
    assert [one.text for one in found.findings if not one.ok] == wrong
    assert found.ok is not bool(wrong)
    assert len(found.findings) == 5


def test_what_cannot_be_downloaded_is_told_before_weights_are_read(
    known: Known, serve: Serve
) -> None:
    gone = Picture(known.pictures[0].url.replace(".png", ".gone"))
    with pytest.raises(RewardError, match=r"\.gone cannot be downloaded: Not Found"):
        check_reward(named(Sound), known=[replace(known, pictures=(gone, gone))])
    nobody = Picture("http://127.0.0.1:1/one.png")
    with pytest.raises(RewardError, match=r"one\.png cannot be downloaded: .*refused") as raised:
        # No such folder either: it is not looked for.
        check_reward(
            named(Sound), checkpoint="./none", known=[replace(known, pictures=(nobody, nobody))]
        )
    assert "connect" in (raised.value.hint or "")
    changed = Picture(serve(grey(11)), known.pictures[0].sha256)
    with pytest.raises(RewardError, match="is not the picture whose score was published"):
        check_reward(named(Sound), known=[replace(known, pictures=(changed, changed))])


def test_rewards_that_cannot_be_opened_are_told_as_anywhere() -> None:
    with pytest.raises(UnknownName):
        check_reward("no_such_reward")
    with pytest.raises(CheckpointError, match="no such folder"):
        check_reward(named(Sound), checkpoint="./none", device="cpu")
    with pytest.raises(RewardError, match="gave nan"):
        check_reward("tests.fakes:nan")


class Sized(Sound):
    """The shape of what a real reward does to pixels, with an option that upstreams leave open."""

    def __init__(
        self, checkpoint: str, revision: str | None, device: str, *, smooth: bool = True
    ) -> None:
        self._how = Image.Resampling.BOX if smooth else Image.Resampling.NEAREST

    def score(self, prompts: Sequence[str], images: Sequence[Image.Image]) -> list[float]:
        small = [image.resize((3, 3), self._how) for image in images]
        return [float(np.asarray(i).std()) + len(p) for p, i in zip(prompts, small, strict=True)]


def test_check_says_which_setting_meets_a_score(serve: Serve) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (40, 40, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "PNG")
    theirs = Sized("", None, "cpu", smooth=False).score(["abc"], [Image.fromarray(noise)])[0]
    one = Known(
        named(Sized),
        ("abc",),
        (Picture(serve(buffer.getvalue())),),
        (theirs,),
        0.01,
        "somewhere, line 1",
        either=({"smooth": True}, {"smooth": False}),
    )
    found = check_reward(named(Sized), device="cpu", known=[one])
    assert [(row.options, row.ok) for row in found.compared] == [
        ({"smooth": True}, False),
        ({"smooth": False}, True),
    ]
    assert found.settings == [("somewhere, line 1", [{"smooth": False}])]
    assert found.ok
    # Neither does, or the source is sure of the one that does not.
    for wrong in (replace(one, expected=(theirs + 1,)), replace(one, either=({"smooth": True},))):
        assert not check_reward(named(Sized), device="cpu", known=[wrong]).ok


def test_a_wrong_preprocessing_of_a_real_reward_is_found(serve: Serve, tmp_path: Path) -> None:
    """Of a small HPSv2: its own score is met with its pixels, and with no others."""
    from tests.parity.inputs import picture
    from tests.score import test_hpsv2

    folder = tmp_path / "hpsv2"
    folder.mkdir()
    torch.save({"state_dict": test_hpsv2.weights()}, folder / "HPS_v2.1_compressed.pt")
    image, buffer = picture(4, 301, 97), io.BytesIO()
    image.save(buffer, "PNG")
    (score,) = test_hpsv2.opened(folder, antialias=True).score(["a red circle"], [image])
    small = "tests.score.test_hpsv2:Small"
    one = Known(
        small, ("a red circle",), (Picture(serve(buffer.getvalue())),), (score,), 1e-3, "x@1"
    )

    def ok(known: Known) -> bool:
        return check_reward(small, checkpoint=folder, device="cpu", known=[known]).compared[0].ok

    assert ok(one)
    assert not ok(replace(one, options={"antialias": False}))


def test_a_picture_in_a_wheel_is_unpacked_and_kept(serve: Serve, cache: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as wheel:
        wheel.writestr("package/assets/one.jpg", grey(7))
    digest = hashlib.sha256(grey(7)).hexdigest()
    one = Picture(serve(buffer.getvalue()), digest, "package/assets/one.jpg")
    assert (fetch(one), one.name) == (grey(7), "one.jpg")
    assert [path.name for path in cache.iterdir()] == [digest]
    # Now it is not asked for: nothing answers there.
    assert fetch(replace(one, url="http://127.0.0.1:1/gone.whl")) == grey(7)
    # What was changed in the cache is fetched again.
    (cache / digest).write_bytes(b"else")
    assert fetch(one) == grey(7)
    assert (cache / digest).read_bytes() == grey(7)


def test_an_archive_without_the_picture_is_named(serve: Serve) -> None:
    for data in (b"no archive", grey(1)):
        with pytest.raises(RewardError, match=r"does not hold package/one\.jpg"):
            fetch(Picture(serve(data), "0" * 64, "package/one.jpg"))


def test_a_cache_that_cannot_be_written_is_no_error(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert fetch(Picture(serve(grey(3)), hashlib.sha256(grey(3)).hexdigest())) == grey(3)


def test_the_published_table_is_whole() -> None:
    for one in KNOWN:
        assert one.reward in REWARDS
        assert len(one.prompts) == len(one.pictures) == len(one.expected) > 0
        assert re.search("[@#]", one.source)
        # How much scores differ: among those that were published, else of what size they are.
        spread = max(one.expected) - min(one.expected) or abs(one.expected[0])
        assert 0 < one.tolerance < spread / 10
        taken = inspect.signature(REWARDS.load(one.reward)).parameters
        assert all({*one.options, *more} <= taken.keys() for more in one.either)
        for picture in one.pictures:
            # At a commit and by content, or where it has always been.
            assert picture.sha256 or "cocodataset" in picture.url


def test_a_reward_of_the_world_passes() -> None:
    assert check_reward("shapes_clip", device="cpu").ok
