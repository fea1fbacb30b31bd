"""Tars in the layout of WebDataset, on a disk. An image is known by its bytes, as in a folder.

Repacked, renamed or unpacked, it is still the same. A tar is read once to find what is in it, and
then at the places of the images that are missing; of a tar that is what it was, the index keeps
what every image hashes to.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, BinaryIO

import polars as pl

from synpic import ids
from synpic.engine import threads
from synpic.engine.progress import Listener, Meter
from synpic.errors import IngestError
from synpic.ingest.labels.forms import FoundLabels
from synpic.ingest.labels.tar_labels import LabelledSample, TarLabels
from synpic.ingest.listing import open_regular, plain_name, shown, spelt
from synpic.ingest.samples import NO_LABELS_OF_TARS, TarImage, images_of
from synpic.ingest.source import FOUND, FoundImages
from synpic.ingest.tar_names import common_folder, inner_name
from synpic.readers.display import count
from synpic.recipe import IngestSettings

__all__ = ["TarReader", "TarShards", "find_in_tars"]

Locate = Callable[[str], Path]
"""A tar's name, as an index has it → where it is on this machine."""


@dataclass(frozen=True)
class TarShards:
    """Tars, listed.

    Args:
        settings: the recipe's.
        root: below which they lie.
        stamps: name of each, spelt, in order → "size:time".
    """

    settings: IngestSettings
    root: Path
    stamps: Mapping[str, str]

    @classmethod
    def open(cls, settings: IngestSettings, paths: Sequence[Path]) -> TarShards:
        """``paths``, one at least, all of which are files.

        Raises:
            OSError: one is gone.
        """
        root = common_folder(paths)
        stamps = {}
        for path in paths:
            stat = path.stat()
            stamps[spelt(inner_name(path, root))] = f"{stat.st_size}:{stat.st_mtime_ns}"
        return cls(settings, root, stamps)

    @property
    def what(self) -> str:
        """In the fingerprint: that of a folder, so that an image keeps its id when it is packed."""
        return "images"

    @property
    def identity(self) -> dict[str, Any]:
        """Everything that decides what is found; while it is what it was, nothing is read."""
        settings = self.settings.model_dump(exclude={"images"}, exclude_none=True)
        return {"tars": ids.fingerprint({"files": dict(self.stamps)}), **settings}

    def find(self, before: pl.DataFrame, listener: Listener | None) -> FoundImages:
        """Every image, tar by tar; see ``Source.find``."""
        name = shown(self.root.resolve().name)
        if len(self.stamps) == 1:
            name = shown(plain_name(next(iter(self.stamps))))
        found, notes, labels = find_in_tars(
            self.stamps, self._locate, self.settings, name, before, listener
        )
        held = ids.sha256("\n".join(sorted(found["key"].unique())).encode())
        return FoundImages(found, f"{name}@{ids.short(held)}", notes, labels)

    def reader(self) -> TarReader:
        """What reads its images."""
        return TarReader(self._locate)

    def _locate(self, name: str) -> Path:
        return self.root / plain_name(name)


def find_in_tars(
    stamps: Mapping[str, str],
    locate: Locate,
    settings: IngestSettings,
    name: str,
    before: pl.DataFrame,
    listener: Listener | None,
) -> tuple[pl.DataFrame, list[str], FoundLabels | None]:
    """Every image of some tars: rows of ``FOUND``, what was not read, and their labels.

    Of several tars, one that is damaged is left out whole, with a note that names it: what lies
    before the damage may be less than was packed.

    Args:
        stamps: name of each tar, in order → what is another when the tar is.
        name: of all of them, for messages.
        before: what was found the last time: of a tar with that stamp, hashes are taken from it.

    Raises:
        IngestError: every tar is damaged or cannot be read; no image has a caption; or a sample's
            labels cannot be read.
    """
    known = {
        (file, row): key
        for file, row, stamp, key in before["file", "row", "stamp", "key"].iter_rows()
        if stamp and stamps.get(file) == stamp
    }
    notes: list[str] = []
    damaged: list[IngestError] = []

    def find(file: str) -> list[TarImage]:
        place = shown(plain_name(file))

        def hashed(at: int) -> str | None:
            return known.get((file, at))

        try:
            with _opened(locate(file), place) as stream:
                return list(images_of(stream, place, settings, hashed, notes.append))
        except IngestError as error:
            damaged.append(error)
            return []

    files = list(stamps)
    meter = Meter("find", name, len(files), listener)
    meter.begin()
    rows: list[tuple[Any, ...]] = []
    labels = TarLabels(settings, NO_LABELS_OF_TARS)
    samples, limit, at_once = 0, settings.count, threads.pool(8)
    with ThreadPoolExecutor(at_once) as pool:
        for start in range(0, len(files), at_once):
            if limit is not None and samples >= limit:
                break
            some = files[start : start + at_once]
            for file, images in zip(some, pool.map(find, some), strict=True):
                left = None if limit is None else limit - samples
                taken = [one for one in images if left is None or one.sample < left]
                rows += [_row(file, stamps[file], image) for image in taken]
                labels.add(_labelled(file, taken))
                samples += 1 + max((image.sample for image in images), default=-1)
            meter.add(len(some), 0, len(files) - start - len(some))
    meter.end(None)
    if damaged and not rows:
        raise min(damaged, key=lambda error: error.message)
    notes += [f"{one.message}; no image of that tar is read ({one.hint})" for one in damaged]
    found = pl.DataFrame(rows, schema=FOUND, orient="row")
    _require_captions(found, name, len(files))
    labelled, unread = labels.found()
    return found, [*sorted(notes), *unread], labelled


def _labelled(file: str, images: Sequence[TarImage]) -> list[LabelledSample]:
    """The samples of ``images``, which lie beside each other, with what each says."""
    place = shown(plain_name(file))
    return [
        LabelledSample(
            f"{place}#{of_sample[0].member}", [one.name for one in of_sample], of_sample[0].values
        )
        for _, group in groupby(images, key=lambda one: one.sample)
        for of_sample in [list(group)]
    ]


def _row(file: str, stamp: str, image: TarImage) -> tuple[Any, ...]:
    values: dict[str, Any] = {
        "key": image.key,
        "prompt": image.prompt,
        "label": image.label,
        "place": f"{shown(plain_name(file))}#{image.member}",
        "file": file,
        # A tar is read by one shard of the work.
        "group": 0,
        "row": image.at,
        "bytes": image.size,
        "stamp": stamp,
        "problem": image.problem,
        "meta": image.meta,
    }
    return tuple(values.get(column) for column in FOUND)


def _require_captions(found: pl.DataFrame, name: str, tars: int) -> None:
    if found.height and not found["prompt"].is_null().all():
        return
    if not found.height:
        raise IngestError(
            f"{name}: no image in {count(tars, 'tar')}",
            hint="a sample is files of one name: 0001.jpg with 0001.txt or 0001.json; tars that "
            "lie packed in tars are not read",
        )
    reasons = Counter(found["problem"]).most_common(3)
    why = "; ".join(f"{number:,} × {reason}" for reason, number in reasons)
    raise IngestError(
        f"{name}: none of {count(found.height, 'image')} has a caption ({why}); the first is "
        f"{found['place'][0]}",
        hint="the caption of 0001.jpg is 0001.txt, or a key of 0001.json that --prompt-column "
        "names; both lie beside it in the tar",
    )


class TarReader:
    """Reads images at (file, place in it), forwards; one tar is open at a time."""

    def __init__(self, locate: Locate) -> None:
        self._locate = locate
        self._opened = ExitStack()
        self._file: tuple[str, BinaryIO] | None = None

    def read(self, rows: Sequence[Mapping[str, Any]]) -> list[bytes | None]:
        """The images of ``rows``; None for one that is gone, or no longer what was found.

        Raises:
            SynpicError: a tar of the Hub cannot be downloaded.
        """
        places = [(row["file"], row["row"]) for row in rows]
        found: list[bytes | None] = [None] * len(rows)
        for number in sorted(range(len(rows)), key=places.__getitem__):
            row = rows[number]
            try:
                stream = self._go_to(row["file"])
                stream.seek(row["row"])
                data = stream.read(row["bytes"])
            except OSError:
                continue
            found[number] = data if ids.sha256(data) == row["key"] else None
        return found

    def close(self) -> None:
        """Close the tar that is open."""
        self._opened.close()
        self._file = None

    def _go_to(self, name: str) -> BinaryIO:
        if self._file is None or self._file[0] != name:
            self.close()
            stream = self._opened.enter_context(open_regular(self._locate(name)))
            self._file = (name, stream)
        return self._file[1]


@contextmanager
def _opened(path: Path, place: str) -> Iterator[BinaryIO]:
    try:
        with open_regular(path) as stream:
            yield stream
    except OSError as error:
        raise IngestError(
            f"{place}: it cannot be read: {error.strerror or os.strerror(error.errno or 0)}",
            hint="check who may read it, and the disk",
        ) from error
