"""A page as a folder of files, which opens by double click, and can be sent or put on a server.

    index.html  assets/  page.json
    data/index.js                      columns of all prompts, for filters, sorts and charts
    data/rows-N.js                     rows of PER prompts each
    thumbnails/AB/CANDIDATE.webp
    images/AB/CANDIDATE.EXTENSION      the encoded files, unless thumbnails alone are asked for

A browser lets a page that is a file load scripts, styles and pictures, and fetch nothing. So data
are scripts: a call with a text of JSON, in which nothing is markup or code.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event as StopEvent
from typing import Any, TypeVar

import polars as pl

from synpic.engine.progress import Listener, Meter
from synpic.errors import PublishError, Stopped, SynpicError
from synpic.publish.write_shards import explain_refusals, require_room
from synpic.readers.images import ImageError
from synpic.release.manifest import own_version
from synpic.view.columns import columns_of
from synpic.view.frame import Frame
from synpic.view.marking import Marking
from synpic.view.page import page_facts, render_page, scripts
from synpic.view.rows import rows_of
from synpic.view.thumbnails import for_browsers, thumbnail
from synpic.web.pages import read_asset
from synpic.workspace.whole_folder import whole_folder

__all__ = ["POLICY", "PageForecast", "plan_page", "write_page"]

POLICY = "; ".join(
    [
        "default-src 'none'",
        # To some browsers a file is no 'self' of a page that is a file.
        "script-src 'self' file:",
        "style-src 'self' file:",
        "img-src 'self' file:",
        "base-uri 'none'",
        "form-action 'none'",
    ]
)
"""The content security policy of a page that is a file: its own files, and no connection."""

MARKER = "page.json"
"""Says that a folder is such a page, and may be replaced by one."""

PER = 50
EDGE = 320
_BATCH = 64
_SAMPLES = 48
_THREADS = 4
T = TypeVar("T")

_OURS = {"index.html", "assets", "data", "thumbnails", "images", MARKER}


@dataclass(frozen=True)
class PageForecast:
    """What a page holds, or would hold.

    Args:
        prompts, images: how many.
        thumbnail_bytes, image_bytes, data_bytes: their sizes; before it is written the first two
            are estimates from some of them. ``image_bytes`` is 0 where thumbnails alone are asked
            for.
    """

    prompts: int
    images: int
    thumbnail_bytes: int
    image_bytes: int
    data_bytes: int

    @property
    def bytes(self) -> int:
        """All of it."""
        return self.thumbnail_bytes + self.image_bytes + self.data_bytes

    def as_dict(self) -> dict[str, int]:
        """For JSON."""
        return {**asdict(self), "bytes": self.bytes}


def plan_page(frame: Frame, *, thumbnails_only: bool = False) -> PageForecast:
    """How large the page of ``frame`` is going to be; reads some images, and writes nothing.

    Raises:
        RecipeError: the file of marks is no table of marks.
        SynpicError: an image is gone, or damaged.
    """
    return _forecast(_content(frame), thumbnails_only)


@dataclass(frozen=True, eq=False)
class _Content:
    """What a page is made of.

    Args:
        images: candidate_id and sha256 of all that are there, in the order in which they lie.
        columns: as :func:`synpic.view.columns.columns_of` gives them.
        marked: whether anything is.
    """

    frame: Frame
    images: Sequence[tuple[str, str]]
    columns: Mapping[str, Any]
    marked: bool


def _content(frame: Frame) -> _Content:
    Marking(frame).marked()  # a file of marks that is none is refused first
    marks = Marking(frame).as_dict()
    rows = frame.shown.candidates.filter(pl.col("sha256").is_not_null())
    keys = list(rows.select("candidate_id", "sha256").iter_rows())
    images = frame.shown.images.in_order(keys)
    return _Content(frame, images, columns_of(frame, PER, marks), any(marks["counts"].values()))


def _forecast(content: _Content, thumbnails_only: bool) -> PageForecast:
    frame, there = content.frame, content.images
    some = there[:: max(1, len(there) // _SAMPLES)]
    found = [_made(key, data) for key, data in _read(frame, some)]
    times = len(there) / max(1, len(found))
    rows = min(PER, frame.prompts.height)
    of_rows = _size(rows_of(frame, frame.prompts["prompt_id"].head(rows).to_list()))
    return PageForecast(
        prompts=frame.prompts.height,
        images=len(there),
        thumbnail_bytes=round(times * sum(len(one.small) for one in found)),
        image_bytes=0 if thumbnails_only else round(times * sum(len(one.data) for one in found)),
        data_bytes=round(of_rows * frame.prompts.height / max(1, rows)) + _size(content.columns),
    )


def write_page(
    frame: Frame,
    target: Path,
    *,
    thumbnails_only: bool = False,
    listener: Listener | None = None,
    stop: StopEvent | None = None,
) -> PageForecast:
    """Write the page of ``frame`` into the folder ``target``, whole or not at all.

    Args:
        thumbnails_only: without the images themselves; the large view shows thumbnails.
        stop: ends it after the current batch.

    Raises:
        PublishError: ``target`` holds something else than such a page; the disk refuses or is full.
        Stopped: ``stop`` was set; nothing is left of it.
        RecipeError, SynpicError: as :func:`plan_page`.
    """
    target = Path(target)
    require_ours(target)
    with explain_refusals(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with whole_folder(target) as folder:
            content = _content(frame)
            require_room(folder, _forecast(content, thumbnails_only).bytes)
            meter = Meter("view", "thumbnails", len(content.images), listener)
            meter.opening()
            small, large, endings = _write_images(content, folder, thumbnails_only, meter, stop)
            data = _write_data(content, folder, endings, thumbnails_only)
            meter.end(None)
            made = PageForecast(frame.prompts.height, len(endings), small, large, data)
            about = {"synpic": own_version(), "page": frame.shown.name, **made.as_dict()}
            (folder / MARKER).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
            require_ours(target)
    return made


def require_ours(target: Path) -> None:
    """Refuse a place that holds anything but an older page.

    Raises:
        PublishError: naming what is there.
    """
    if not target.exists():
        return
    hint = "name a folder that does not exist yet, or move what is there"
    if not target.is_dir():
        raise PublishError(f"--to {target}: it is there already, and is no folder", hint=hint)
    there = sorted(path.name for path in target.iterdir())
    if there and MARKER not in there:
        raise PublishError(
            f"--to {target}: the folder is not empty, and holds no page of synpic's: it has no "
            f"{MARKER}",
            hint=hint,
        )
    if foreign := [name for name in there if name not in _OURS]:
        raise PublishError(
            f"--to {target}: it is a page of synpic's, and holds what is not its own: {foreign[0]}",
            hint="a new page replaces the whole folder; move what is yours out of it first",
        )


@dataclass(frozen=True)
class _Made:
    """An image, its thumbnail, and the ending of its file's name."""

    one: str
    data: bytes
    ending: str
    small: bytes


def _read(frame: Frame, keys: Sequence[tuple[str, str]]) -> Iterator[tuple[tuple[str, str], bytes]]:
    for some in _batches(keys, _BATCH):
        yield from zip(some, frame.shown.images.read_all(some), strict=True)


def _batches(values: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (values[at : at + size] for at in range(0, len(values), size))


def _made(key: tuple[str, str], data: bytes) -> _Made:
    try:
        return _Made(key[0], *for_browsers(data), thumbnail(data, EDGE))
    except ImageError as error:
        raise SynpicError(
            f"the image of candidate {key[0]} is damaged: {error}",
            hint="`synpic repair` of a workspace, `synpic verify` of a release say what else is",
        ) from error


def _write_images(
    content: _Content, folder: Path, thumbnails_only: bool, meter: Meter, stop: StopEvent | None
) -> tuple[int, int, dict[str, str]]:
    """Bytes of thumbnails and of images, and candidate_id → the ending of the image's name."""
    keys = content.images
    small = large = 0
    endings: dict[str, str] = {}
    for first in {key[0][:2] for key in keys}:
        for kind in ["thumbnails"] if thumbnails_only else ["thumbnails", "images"]:
            (folder / kind / first).mkdir(parents=True)
    meter.begin()
    with ThreadPoolExecutor(_THREADS) as threads:
        for some in _batches(keys, _BATCH):
            if stop is not None and stop.is_set():
                raise Stopped("stopped", hint="nothing was written; run it again")
            pixels = content.frame.shown.images.read_all(some)
            for made in threads.map(_made, some, pixels):
                place = f"{made.one[:2]}/{made.one}"
                (folder / "thumbnails" / f"{place}.webp").write_bytes(made.small)
                small += len(made.small)
                if not thumbnails_only:
                    (folder / "images" / f"{place}.{made.ending}").write_bytes(made.data)
                    large += len(made.data)
                endings[made.one] = made.ending
            meter.add(len(some), 0, len(keys) - len(endings))
    return small, large, endings


def _write_data(
    content: _Content, folder: Path, endings: Mapping[str, str], thumbnails_only: bool
) -> int:
    """The page, its assets and data; bytes of the data."""
    data, assets = folder / "data", folder / "assets"
    data.mkdir()
    assets.mkdir()
    frame = content.frame
    size = _put(data / "index.js", "synpic.data = JSON.parse({});", content.columns)
    for number, ids in enumerate(_batches(frame.prompts["prompt_id"].to_list(), PER)):
        rows = rows_of(frame, ids)
        for image in (image for row in rows for image in row["images"]):
            one = image["candidate_id"]
            known = one in endings and not thumbnails_only
            image["file"] = f"images/{one[:2]}/{one}.{endings[one]}" if known else None
        size += _put(data / f"rows-{number}.js", f"synpic.take({number}, JSON.parse({{}}));", rows)
    for name in ("text.js", "base.css", "style.css", "icon.svg", *scripts(served=False)):
        (assets / name).write_bytes(read_asset("synpic.view", name))
    facts = page_facts(frame, marks=False, marked=content.marked, policy=POLICY)
    html = render_page({**facts, "thumbnails_only": thumbnails_only})
    (folder / "index.html").write_text(html, encoding="utf-8")
    return size


def _put(path: Path, call: str, value: Any) -> int:
    """``call`` with a text of JSON in its braces. Nothing in it is code, or the end of a script."""
    literal = json.dumps(_json(value), ensure_ascii=True).replace("<", "\\u003c")
    before, _, after = call.partition("{}")
    return path.write_text(f"{before}{literal}{after}\n", encoding="ascii")


def _size(value: Any) -> int:
    return len(json.dumps(_json(value)))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
