"""A folder of image files. An image is known by its bytes: moved or renamed, it is still the same.

What has been looked at is not read again while its size and time are what they were.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from stat import S_ISREG
from typing import Any

import polars as pl

from synpic import ids, threads
from synpic.engine.progress import Listener, Meter
from synpic.errors import GivenError, GivenGone
from synpic.given.captions import METADATA, Said, parse_metadata, said
from synpic.given.source import FOUND
from synpic.readers.text import decode
from synpic.recipe import GivenSettings
from synpic.workspace import Workspace

__all__ = ["ENDINGS", "Folder", "FolderReader"]

ENDINGS = (
    *(".png", ".jpg", ".jpeg", ".jfif", ".webp", ".bmp", ".gif", ".tif", ".tiff"),
    *(".avif", ".ppm", ".tga"),
)
"""Of names of image files, in small letters."""

_CAPTION = ".txt"
_AT_ONCE = 256


@dataclass(frozen=True)
class Folder:
    """A folder, listed.

    Args:
        files: path below the folder, with slashes → "size:time"; images, captions and metadata.
    """

    settings: GivenSettings
    root: Path
    files: Mapping[str, str]

    @classmethod
    def open(cls, settings: GivenSettings, workspace: Workspace) -> Folder:
        """List the folder that ``settings`` name, relative to the workspace.

        Raises:
            GivenGone: it is not there.
            GivenError: it is no folder, or not one that can be listed.
        """
        name = str(settings.images)
        if not workspace.store.is_local:
            raise GivenError(
                f"{name}: the workspace {workspace.store} has no folders beside it",
                hint="gather into a workspace on a disk, or name a dataset",
            )
        try:
            root = Path(workspace.store.root) / Path(name).expanduser()
            if root.is_file():
                raise GivenError(f"{name} is a file", hint="name the folder of the images")
            if not root.is_dir():
                raise GivenGone(
                    f"{name}: no such folder ({root})", hint="paths are relative to the recipe"
                )
            return cls(settings, root, dict(_list(root)))
        except (OSError, RuntimeError, ValueError) as error:
            raise GivenError(f"{name}: {error}", hint="check the path") from error

    @property
    def what(self) -> str:
        """In the fingerprint: where a folder lies, and what it is called, decides no pixel."""
        return "images"

    @property
    def identity(self) -> dict[str, Any]:
        """Everything that decides what is found; while it is what it was, nothing is read."""
        settings = self.settings.model_dump(exclude={"images"}, exclude_none=True)
        return {"files": ids.fingerprint({"files": self.files}), **settings}

    def find(self, before: pl.DataFrame, listener: Listener | None) -> tuple[pl.DataFrame, str]:
        """Every image, in the order of metadata, else of names; see ``Source.find``."""
        known = {
            file: (stamp, key) for file, stamp, key in before["file", "stamp", "key"].iter_rows()
        }
        wanted = list(islice(self._said(), self.settings.count))
        meter = Meter("find", self.root.name, len(wanted), listener)
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
        if not rows:
            raise GivenError(
                f"{self.settings.images}: no image in this folder",
                hint=f"images are files named {', '.join(ENDINGS)}, or those in metadata.jsonl",
            )
        found = pl.DataFrame(rows, schema=FOUND, orient="row")
        held = ids.sha256("\n".join(sorted(found["key"].unique())).encode())
        return found, f"{self.root.resolve().name}@{ids.short(held)}"

    def reader(self) -> FolderReader:
        """What reads its files."""
        return FolderReader(self.root)

    def _said(self) -> Iterator[Said]:
        """What the metadata say, then the images that they do not name."""
        told: set[str] = set()
        for path in self.files:
            if PurePosixPath(path).name in METADATA:
                for one in parse_metadata(path, self._metadata(path), self.settings):
                    told.add(one.file)
                    yield one
        for path in self.files:
            if path not in told and path.lower().endswith(ENDINGS):
                yield self._beside(path)

    def _metadata(self, path: str) -> bytes:
        try:
            return (self.root / path).read_bytes()
        except OSError as error:
            raise GivenError(
                f"{path}: {error.strerror}", hint="check who may read it, and the disk"
            ) from error

    def _beside(self, path: str) -> Said:
        """An image with the caption of its ``.txt``."""
        beside = PurePosixPath(path).with_suffix(_CAPTION).as_posix()
        if beside not in self.files:
            return said(path, None, {}, self.settings)
        try:
            data = (self.root / beside).read_bytes()
            text = decode(data, beside, error=GivenError).strip("\r\n")
        except OSError as error:
            return Said(path, None, None, f"its caption cannot be read: {error.strerror}")
        except GivenError as error:
            return Said(path, None, None, f"its caption is refused: {error.message}")
        return said(path, text, {}, self.settings)

    def _key(self, file: str, known: Mapping[str, tuple[str, str]]) -> tuple[str, str | None]:
        """What an image is known by, and what is wrong with it."""
        if file not in self.files:
            return f"file:{file}", "there is no such image file"
        if known.get(file, ("", ""))[0] == self.files[file]:
            return known[file][1], None
        try:
            with (self.root / file).open("rb") as stream:
                return ids.sha256(stream.read()), None
        except OSError as error:
            return f"file:{file}", f"it cannot be read: {error.strerror}"

    def _row(self, one: Said, key: str, problem: str | None) -> tuple[Any, ...]:
        stamp = self.files.get(one.file, "") if problem is None else ""
        size = int(stamp.partition(":")[0] or 0)
        problem = one.problem or problem
        return (
            *(key, one.prompt, one.label, one.file, one.file, None, None, None),
            *(size, stamp, problem),
        )


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
            data = (self._root / row["file"]).read_bytes()
        except OSError:
            return None
        return data if ids.sha256(data) == row["key"] else None


def _list(root: Path) -> Iterator[tuple[str, str]]:
    """Every image, caption and metadata file below ``root``, in order, hidden ones left out."""
    paths: list[Path] = []
    for folder, inner, names in os.walk(root):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        paths += [
            Path(folder) / name
            for name in names
            if not name.startswith(".")
            and (name.lower().endswith((*ENDINGS, _CAPTION)) or name in METADATA)
        ]
    for name, path in sorted((path.relative_to(root).as_posix(), path) for path in paths):
        try:
            stat = path.stat()
        except OSError:  # a link to nothing
            continue
        if not S_ISREG(stat.st_mode):  # a pipe, say, from which reading might never end
            continue
        yield name, f"{stat.st_size}:{stat.st_mtime_ns}"
