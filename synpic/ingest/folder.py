"""A folder of image files. An image is known by its bytes: moved or renamed, it is still the same.

What has been looked at is not read again while its size and time are what they were.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl

from synpic import ids
from synpic.engine import threads
from synpic.engine.progress import Listener, Meter
from synpic.errors import IngestError, SourceMissing
from synpic.ingest.captions import Said, said
from synpic.ingest.geneval_folders import by_folder, drawn_prompt, grids_of, samples_of
from synpic.ingest.labels.json_lists import ListLabels
from synpic.ingest.layouts import (
    HEAD_BYTES,
    UNREAD_LAYOUT,
    images_in_list,
    layout_of,
    other_list,
    places_of,
)
from synpic.ingest.listing import (
    LEADS_OUT,
    Listing,
    list_folder,
    plain_name,
    read_regular,
    shown,
    spelt,
)
from synpic.ingest.metadata import METADATA, parse_metadata
from synpic.ingest.source import FOUND, FoundImages
from synpic.ingest.tar_names import ENDING as TAR
from synpic.ingest.tar_names import PACKED
from synpic.readers.display import count
from synpic.readers.text import decode
from synpic.recipe import IngestSettings
from synpic.workspace import Workspace

__all__ = ["ENDINGS", "Folder", "FolderReader"]

ENDINGS = (
    *(".png", ".jpg", ".jpeg", ".jfif", ".webp", ".bmp", ".gif", ".tif", ".tiff"),
    *(".avif", ".ppm", ".tga", ".mpo"),
)
"""Of names of image files, in small letters."""

_CAPTION = ".txt"
_AT_ONCE = 256


@dataclass(frozen=True)
class Folder:
    """A folder, listed: its images, captions and metadata.

    Args:
        settings: the recipe's.
        listing: its files.
        lists: of preferences, in the folder itself → "size:time:layout".
    """

    settings: IngestSettings
    listing: Listing
    lists: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def open(cls, settings: IngestSettings, workspace: Workspace) -> Folder:
        """List the folder that ``settings`` name, relative to the workspace.

        Raises:
            SourceMissing: it is not there.
            IngestError: it is no folder, or not one that can be listed.
        """
        name = str(settings.images)
        if not workspace.store.is_local:
            raise IngestError(
                f"{name}: the workspace {workspace.store} has no folders beside it",
                hint="ingest into a workspace on a disk, or name a dataset",
            )
        try:
            root = Path(workspace.store.root) / Path(name).expanduser()
            if root.is_file():
                raise IngestError(f"{name} is a file", hint="name the folder of the images")
            if not root.is_dir():
                raise SourceMissing(
                    f"{name}: no such folder ({root})", hint="paths are relative to the recipe"
                )
            listing = _aside(list_folder(root, _is_wanted, settings.follow_links))
            return cls(settings, listing, _lists(root))
        except (OSError, RuntimeError, ValueError) as error:
            raise IngestError(f"{name}: {error}", hint="check the path") from error

    @property
    def tars(self) -> list[str]:
        """Of a folder without images: the tars in it, in order."""
        return [name for name in self.listing.files if _is_tar(name)]

    @property
    def what(self) -> str:
        """In the fingerprint: where a folder lies, and what it is called, decides no pixel."""
        return "images"

    @property
    def identity(self) -> dict[str, Any]:
        """Everything that decides what is found; while it is what it was, nothing is read."""
        settings = self.settings.model_dump(exclude={"images"}, exclude_none=True)
        files = {spelt(name): stamp for name, stamp in self.listing.files.items()}
        outside = sorted(map(spelt, self.listing.outside))
        lists = {"lists": dict(self.lists)} if self.lists else {}
        made = {"files": files, "outside": outside, **lists}
        return {"files": ids.fingerprint(made), **settings}

    def find(self, before: pl.DataFrame, listener: Listener | None) -> FoundImages:
        """Every image, in the order of metadata, else of names; see ``Source.find``."""
        known = {
            file: (stamp, key) for file, stamp, key in before["file", "stamp", "key"].iter_rows()
        }
        labels = ListLabels(self.settings.labels)
        wanted = list(islice(self._said(labels), self.settings.count))
        self._require_named(wanted)
        root = self.listing.root
        meter = Meter("find", shown(root.name), len(wanted), listener)
        meter.begin()
        keys: dict[str, tuple[str, str | None]] = {}
        rows: list[tuple[Any, ...]] = []
        with ThreadPoolExecutor(threads.pool(8)) as pool:
            for start in range(0, len(wanted), _AT_ONCE):
                some = wanted[start : start + _AT_ONCE]
                new = list(dict.fromkeys(one.file for one in some if one.file not in keys))
                keys |= zip(new, pool.map(lambda file: self._key(file, known), new), strict=True)
                rows += [self._row(one, *keys[one.file]) for one in some]
                meter.add(len(some), 0, len(wanted) - start - len(some))
        meter.end(None)
        if all(one.prompt is None for one in wanted):
            raise self._nothing(wanted)
        found = pl.DataFrame(rows, schema=FOUND, orient="row")
        held = ids.sha256("\n".join(sorted(found["key"].unique())).encode())
        name = f"{shown(root.resolve().name)}@{ids.short(held)}"
        notes = [*self._unread(), *labels.notes]
        return FoundImages(found, name, notes, labels.found([one.listed for one in wanted]))

    def reader(self) -> FolderReader:
        """What reads its files."""
        return FolderReader(self.listing.root)

    def _said(self, labels: ListLabels) -> Iterator[Said]:
        """What the metadata say, then the images that they do not name.

        Args:
            labels: takes those that lists of preferences have.
        """
        told: set[str] = set()
        every = sorted({*self.listing.files, *self.listing.outside})
        images = by_folder(filter(_is_image, every))
        for path in every:
            if _is_metadata(path):
                data = self._metadata(path)
                prompt = drawn_prompt(data)
                if prompt is not None:
                    drawn = samples_of(path, images)
                    told.update(drawn, grids_of(path, images))
                    yield from (said(file, prompt, {}, self.settings) for file in drawn)
                    continue
                for one in parse_metadata(path, data, self.settings, labels):
                    meant = self.listing.find(one.file)
                    told.update(meant)
                    yield replace(one, file=meant[0]) if len(meant) == 1 else one
        for path in self.lists:
            for one in images_in_list(path, self._metadata(path), self.settings, labels):
                places = places_of(path, one.file)
                meant = next((found for at in places if (found := self.listing.find(at))), [])
                told.update(meant)
                yield replace(one, file=meant[0] if len(meant) == 1 else places[0])
        for path in every:
            if path not in told and _is_image(path):
                yield self._beside(path)

    def _metadata(self, path: str) -> bytes:
        if path in self.listing.outside:
            raise IngestError(
                f"{shown(path)}: {LEADS_OUT}",
                hint="follow_links = true in [ingest], or --follow-links; or put a copy there",
            )
        try:
            return read_regular(self.listing.root / path)
        except OSError as error:
            raise IngestError(
                f"{shown(path)}: {error.strerror}", hint="check who may read it, and the disk"
            ) from error

    def _beside(self, path: str) -> Said:
        """An image with the caption of its ``.txt``."""
        named = self.listing.find(PurePosixPath(path).with_suffix(_CAPTION).as_posix())
        if not named:
            return said(path, None, {}, self.settings)
        beside = named[0]
        if beside in self.listing.outside:
            return Said(path, None, None, f"its caption is not read: {LEADS_OUT}")
        try:
            data = read_regular(self.listing.root / beside)
            text = decode(data, shown(beside), error=IngestError).strip("\r\n")
        except OSError as error:
            return Said(path, None, None, f"its caption cannot be read: {error.strerror}")
        except IngestError as error:
            return Said(path, None, None, f"its caption is refused: {error.message}")
        return said(path, text, {}, self.settings)

    def _key(self, file: str, known: Mapping[str, tuple[str, str]]) -> tuple[str, str | None]:
        """What an image is known by, and what is wrong with it."""
        name = spelt(file)
        if file not in self.listing.files:
            return f"file:{name}", self._why_missing(file)
        if known.get(name, ("", ""))[0] == self.listing.files[file]:
            return known[name][1], None
        try:
            return ids.sha256(read_regular(self.listing.root / file)), None
        except OSError as error:
            return f"file:{name}", f"it cannot be read: {error.strerror}"

    def _why_missing(self, file: str) -> str:
        if file in self.listing.outside:
            return LEADS_OUT
        alike = len(self.listing.find(file))
        if alike > 1:
            return f"{alike} files have this name, each in another composition of Unicode"
        return "there is no such image file"

    def _row(self, one: Said, key: str, problem: str | None) -> tuple[Any, ...]:
        stamp = self.listing.files.get(one.file, "") if problem is None else ""
        size = int(stamp.partition(":")[0] or 0)
        problem = one.problem or problem
        return (
            *(key, one.prompt, one.label, shown(one.file), spelt(one.file), None, None, None),
            *(size, stamp, problem, None, one.meta),
        )

    def _require_named(self, wanted: Sequence[Said]) -> None:
        """Where there is a list of preferences: that any image is there."""
        if self.lists and not any(one.file in self.listing.files for one in wanted):
            name, held = next(iter(self.lists.items()))
            raise IngestError(
                f"{self.settings.images}: {shown(name)} is in the layout of "
                f"{held.split(':', 2)[2]}, and none of its images is in the folder",
                hint=UNREAD_LAYOUT,
            )

    def _nothing(self, images: Sequence[Said]) -> IngestError:
        """Why nothing of this folder can be gathered, with what was found in it."""
        name, listing = self.settings.images, self.listing
        seen = self._unread()
        hint = f"images are files named {', '.join(ENDINGS)}, or those in metadata.jsonl"
        if not images:
            what = "no image in this folder"
        else:
            texts = Counter(
                PurePosixPath(file).name if _is_metadata(file) else "*.txt"
                for file in listing.files
                if not _is_image(file)
            )
            beside = [
                count(number, f"file {kind}", f"files {kind}") for kind, number in texts.items()
            ]
            reasons = Counter(one.problem for one in images).most_common(3)
            what = f"none of {count(len(images), 'image')} has a caption"
            seen = [
                " and ".join(beside) or "no .txt and no metadata",
                *_other_lists(listing.root, {*METADATA, *self.lists}),
                *(f"{number:,} × {reason}" for reason, number in reasons),
                *seen,
            ]
            first = PurePosixPath(shown(images[0].file))
            hint = (
                f"write {first.with_suffix(_CAPTION)} beside {first}, or a metadata.jsonl with a "
                'line for each image: {"file_name": "…", "text": "…"}'
            )
        found = f" (found: {'; '.join(seen)})" if seen else ""
        return IngestError(f"{name}: {what}{found}", hint=hint)

    def _unread(self) -> list[str]:
        return [f"{shown(name)} was not read: {why}" for name, why in self.listing.unread.items()]


class FolderReader:
    """Reads the files of a folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def read(self, rows: Sequence[Mapping[str, Any]]) -> list[bytes | None]:
        """Files as they are; None for one that is gone, or no longer what was found."""
        return [self._read(row) for row in rows]

    def close(self) -> None:
        """Nothing is open."""

    def _read(self, row: Mapping[str, Any]) -> bytes | None:
        try:
            data = read_regular(self._root / plain_name(row["file"]))
        except OSError:
            return None
        return data if ids.sha256(data) == row["key"] else None


def _is_image(name: str) -> bool:
    return name.lower().endswith(ENDINGS)


def _is_metadata(name: str) -> bool:
    return PurePosixPath(name).name in METADATA


def _is_tar(name: str) -> bool:
    return name.lower().endswith(TAR)


def _is_wanted(name: str) -> bool:
    low = name.lower()
    return low.endswith((*ENDINGS, _CAPTION, TAR, *PACKED)) or name in METADATA


def _aside(listing: Listing) -> Listing:
    """``listing`` with tars only where they are all there is; the others are named as not read."""
    unread = dict(listing.unread)
    beside = any(map(_is_image, (*listing.files, *listing.outside)))
    for name in (*listing.files, *listing.outside):
        if name.lower().endswith(PACKED):
            unread[name] = "it is compressed: unpack it to a .tar, or extract it"
        elif _is_tar(name) and name in listing.outside:
            unread[name] = LEADS_OUT
        elif _is_tar(name) and beside:
            unread[name] = "images lie beside it; name the tar itself to read what is in it"

    def kept(name: str) -> bool:
        return name not in unread

    files = {name: stamp for name, stamp in listing.files.items() if kept(name)}
    outside = frozenset(filter(kept, listing.outside))
    return replace(listing, files=files, outside=outside, unread=unread)


def _lists(root: Path) -> dict[str, str]:
    """Lists of preferences in the folder itself, regular files: name → "size:time:layout"."""
    found = {}
    for path in sorted(root.glob("*.json*")):
        if path.is_symlink() or path.name in METADATA:
            continue
        with suppress(OSError):
            layout = layout_of(read_regular(path, HEAD_BYTES))
            if layout is not None:
                stat = path.stat()
                found[path.name] = f"{stat.st_size}:{stat.st_mtime_ns}:{layout}"
    return found


def _other_lists(root: Path, known: set[str]) -> list[str]:
    """What is in files of JSON in the folder itself, but for those that are ``known``."""
    found = []
    for path in sorted(root.glob("*.json*")):
        if path.is_symlink() or path.name in known:
            continue
        with suppress(OSError):
            found.append(other_list(shown(path.name), read_regular(path, HEAD_BYTES)))
    return found
