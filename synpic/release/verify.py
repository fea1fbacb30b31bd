"""Is a release whole, and what it says it is? Everything that is wrong is listed.

Files are read in pieces, and a shard's pixels one row group at a time. On the Hub each file is
fetched once, and a shard lies on the disk while it is looked at.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from typing import IO, Any, BinaryIO, cast

import polars as pl
import pyarrow.parquet as pq

from synpic.errors import ReleaseError, StorageError
from synpic.readers.display import count
from synpic.release.checks import (
    Problem,
    check_card,
    check_features,
    check_pixels,
    hash_images,
    led_to,
)
from synpic.release.consistency import check_consistency, scored_images
from synpic.release.manifest import CARD, MANIFEST, Manifest
from synpic.release.rule import missing_aggregation
from synpic.release.source import Published

__all__ = ["Problem", "ReleaseVerification", "verify"]

_PIECE = 8 << 20


@dataclass(frozen=True, eq=False)
class ReleaseVerification:
    """What was looked at, and what was found.

    Args:
        release, revision: whose; the commit, or None for a folder.
        deep: whether contents were read; else sizes, counts and columns alone.
        files, bytes: that the manifest names.
        rows: of all configs.
        images: how many were hashed.
        edited: files that people may change and did: the card.
        others: files that are there and are no part of the release; hidden ones aside.
        problems: everything that is wrong.
        notes: what could not be checked here.
    """

    release: str
    revision: str | None
    deep: bool
    files: int
    bytes: int
    rows: int
    images: int
    edited: list[str]
    others: list[str]
    problems: list[Problem]
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def as_dict(self) -> dict[str, Any]:
        """The same as JSON-like data."""
        return {"ok": self.ok, **asdict(self)}


def verify(
    release: Published,
    *,
    deep: bool = True,
    on_progress: Callable[[int, int], None] | None = None,
) -> ReleaseVerification:
    """Check a release against its own manifest, and its tables against one another.

    Always: every file is there with its size; each shard opens and has the manifest's columns and
    rows; the card leads to every shard, and to nothing else. With ``deep`` also every hash; ranks,
    preferences and pairs follow from the scores; images are the scored ones. A card of another hash
    was edited, which is no problem in itself; nor are files of other origin beside the release.

    Args:
        release: from ``open_release``.
        deep: read everything; on the Hub, download it.
        on_progress: called with bytes read and bytes in all, with ``deep``.

    Raises:
        HubUnreachable: the Hub did not answer.
        StorageError: there is no room for a copy of a file of the Hub.
    """
    manifest = release.manifest
    work = _Work(release, manifest, deep, on_progress)
    work.look()
    return ReleaseVerification(
        release=release.name,
        revision=release.revision,
        deep=deep,
        files=len(manifest.files),
        bytes=sum(file.bytes for file in manifest.files.values()),
        rows=sum(sum(splits.values()) for splits in manifest.records.values()),
        images=work.images,
        edited=work.edited,
        others=work.others,
        problems=work.problems,
        notes=_notes(manifest) if deep else [],
    )


def _notes(manifest: Manifest) -> list[str]:
    missing = missing_aggregation(manifest.ranking)
    held = {"scores", "images"} & manifest.records.keys()
    if manifest.ranking.comparisons and not held:
        missing = "what people compared is in `scores` and `images`, which were not published"
    return [f"preferences and ranks were not computed again: {missing}"] if missing else []


@dataclass(eq=False)
class _Work:
    """A verification under way."""

    release: Published
    manifest: Manifest
    deep: bool
    on_progress: Callable[[int, int], None] | None
    problems: list[Problem] = field(default_factory=list)
    edited: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    images: int = 0
    done: int = 0

    def look(self) -> None:
        present = self.release.present()
        self._look_for_files(present)
        known = self._scored_images(present) if self.deep else None
        shards = {
            path: (config, split)
            for config in self.manifest.records
            for split, paths in self.release.shards(config).items()
            for path in paths
        }
        rows: dict[tuple[str, str], int] = {}
        for path in self.manifest.files:
            if path in present:
                with self._noting(path):
                    self._look_at(path, shards.get(path), known, rows)
        self._count(shards, rows)
        self._look_at_card(present)
        # The tables of a split whose rows are not all there cannot be read as one.
        wrong = {problem.path for problem in self.problems}
        if self.deep and not wrong & {*shards, *self.manifest.records}:
            with self._noting(MANIFEST):
                self.problems += check_consistency(self.release)

    def _look_for_files(self, present: Mapping[str, int]) -> None:
        for path, file in self.manifest.files.items():
            if path not in present:
                self.problems.append(Problem(path, f"is missing; {MANIFEST} lists it"))
            elif present[path] != file.bytes and path != CARD:
                text = f"has {count(present[path], 'byte')}; {MANIFEST} says {file.bytes:,}"
                self.problems.append(Problem(path, text))
            elif present[path] != file.bytes:
                self.edited.append(path)
        for path in present:
            hidden = any(part.startswith(".") for part in path.split("/"))
            if path not in self.manifest.files and path != MANIFEST and not hidden:
                self.others.append(path)

    def _look_at_card(self, present: Mapping[str, int]) -> None:
        if CARD not in present:
            return
        with self._noting(CARD):
            with self.release.reading(CARD), self.release.open(CARD) as stream:
                text = stream.read().decode(errors="replace")
            own = [path for path in present if path in self.manifest.files]
            self.problems += check_card(text, self.manifest.records, own)
            for path, config in led_to(text, self.others).items():
                said = f"is no part of the release, and the card leads to it: `{config}` is read"
                self.problems.append(Problem(path, f"{said} with it"))

    def _scored_images(self, present: Mapping[str, int]) -> pl.DataFrame | None:
        try:
            return scored_images(self.release)
        except ReleaseError:  # what is wrong with the table is said where its shards are looked at
            return None

    def _look_at(
        self,
        path: str,
        shard: tuple[str, str] | None,
        known: pl.DataFrame | None,
        rows: dict[tuple[str, str], int],
    ) -> None:
        if not self.deep and shard is None:
            return
        with self.release.reading(path), self._opened(path) as (stream, digest):
            if digest is not None and digest != self.manifest.files[path].sha256:
                self._note_content(path)
            if shard is None:
                return
            file = pq.ParquetFile(stream)
            rows[shard] = rows.get(shard, 0) + file.metadata.num_rows
            config = shard[0]
            found = check_features(path, file.schema_arrow, self.manifest.features[config])
            self.problems += found
            if found:
                return
            if self.deep and config != "scores":
                images = hash_images(config, stream)
                self.images += images["sha256"].count()
                self.problems += check_pixels(path, images, known)

    def _note_content(self, path: str) -> None:
        if path != CARD:
            self.problems.append(Problem(path, "has another content: its SHA-256 differs"))
        elif path not in self.edited:
            self.edited.append(path)

    @contextmanager
    def _opened(self, path: str) -> Iterator[tuple[BinaryIO, str | None]]:
        """A file, open at its beginning, and its SHA-256 if contents are read."""
        with self.release.open(path) as stream:
            if not self.deep:
                yield stream, None
            elif self.release.revision is None:
                digest = self._digest(stream)
                stream.seek(0)
                yield stream, digest
            else:
                with ExitStack() as kept:
                    with _storing():
                        copy = kept.enter_context(tempfile.TemporaryFile())
                    # What is fetched to be hashed stays here to be looked at.
                    digest = self._digest(stream, copy)
                    with _storing():
                        copy.seek(0)
                    yield cast(BinaryIO, copy), digest

    def _digest(self, stream: BinaryIO, copy: IO[bytes] | None = None) -> str:
        """SHA-256 of ``stream``, which is read to its end, and written to ``copy``."""
        digest = hashlib.sha256()
        while piece := stream.read(_PIECE):
            digest.update(piece)
            if copy is not None:
                with _storing():
                    copy.write(piece)
            self._tell(len(piece))
        return digest.hexdigest()

    def _tell(self, read: int) -> None:
        self.done += read
        if self.on_progress:
            total = sum(file.bytes for file in self.manifest.files.values())
            self.on_progress(min(self.done, total), total)

    def _count(
        self, shards: Mapping[str, tuple[str, str]], rows: Mapping[tuple[str, str], int]
    ) -> None:
        unread = {shards[problem.path] for problem in self.problems if problem.path in shards}
        for config, splits in self.manifest.records.items():
            for split in splits:
                text = self.release.wrong_rows(config, split, rows.get((config, split), 0))
                if text and (config, split) not in unread:
                    self.problems.append(Problem(config, text))

    @contextmanager
    def _noting(self, path: str) -> Iterator[None]:
        try:
            yield
        except ReleaseError as error:
            text = error.message.removeprefix(f"{self.release.name}: ")
            self.problems.append(Problem(path, text.removeprefix(f"{path} ")))


@contextmanager
def _storing() -> Iterator[None]:
    """Tell a disk that is full from a Hub that does not answer: both are an ``OSError``."""
    try:
        yield
    except OSError as error:
        where = tempfile.tempdir or "a temporary folder"
        raise StorageError(
            f"a file of the release cannot be kept in {where}: {error.strerror or error}",
            hint="name a folder with room for the largest shard in TMPDIR; --quick needs none",
        ) from error
