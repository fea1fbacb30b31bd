"""A release, wherever it lies: its manifest, its files and its tables.

A name is resolved once. On the Hub a branch or tag becomes a commit, and everything is read at that
commit, a range at a time: a table costs its own columns, and never the pixels beside them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem

from synpic.errors import NoRelease, ReleaseError, SynpicError, did_you_mean
from synpic.hub.client import dataset, resolve
from synpic.hub.files import RepositoryFiles
from synpic.hub.names import parse_name
from synpic.readers.display import count
from synpic.release.checks import check_features
from synpic.release.manifest import (
    MANIFEST,
    ExportManifest,
    Manifest,
    decode_manifest,
    open_manifest,
)
from synpic.workspace.parts import frame
from synpic.workspace.tables import IMAGE

__all__ = ["Published", "open_release", "parse_name"]

_SHARD = re.compile(r"(?P<config>\w+)/(?P<split>[\w.]+)-\d{5}-of-\d{5}\.parquet")


@dataclass(frozen=True, eq=False)
class Published:
    """A release in a folder, or in a dataset repository at a commit.

    Args:
        name: as it was asked for: "user/name@v1.2.0", "out/dataset".
        revision: the commit on the Hub; None for a folder.
        manifest: ``manifest.json``.
        token: of an account that may read it; the one that is logged in if None.
    """

    name: str
    revision: str | None
    manifest: Manifest = field(repr=False)
    _files: Any = field(repr=False)
    _root: str = field(repr=False)
    token: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return self.name

    @property
    def repository(self) -> str | None:
        """ "user/name" on the Hub; None for a folder."""
        return None if self.revision is None else parse_name(self.name)[0]

    @property
    def location(self) -> str:
        """What ``datasets.load_dataset`` takes: the repository, or the folder's full path."""
        return self.repository or self._root

    @property
    def records(self) -> Mapping[str, Mapping[str, int]]:
        """Config → split → rows."""
        return self.manifest.records

    def open(self, path: str) -> BinaryIO:
        """A file of the release, opened for reading; on the Hub what is read is fetched, in ranges.

        Raises:
            ReleaseError: there is no such file.
            HubUnreachable: the Hub did not answer.
        """
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
            raise ReleaseError(
                f"{self.name}: {path!r} leads out of the release",
                hint="its manifest was not written by synpic; do not trust it",
            )
        with self.reading(path):
            return cast(BinaryIO, self._files.open(f"{self._root}/{path}", "rb"))

    def present(self) -> Mapping[str, int]:
        """The files that are there, in the manifest or not: path → bytes, in order of path.

        Raises:
            HubUnreachable: the Hub did not answer.
        """
        with self.reading(""):
            found = self._files.find(self._root, detail=True)
        prefix = f"{self._root}/"
        sizes = {path.removeprefix(prefix): int(info["size"]) for path, info in found.items()}
        return dict(sorted(sizes.items()))

    def shards(self, config: str) -> Mapping[str, list[str]]:
        """Split → paths of the shards of ``config``, in the manifest's order of splits.

        Raises:
            ReleaseError: the release has no such config.
        """
        if config not in self.records:
            raise ReleaseError(
                f"{self.name} has no config {config!r}.{did_you_mean(config, self.records)}",
                hint=f"it has: {', '.join(self.records)}; `synpic publish --config` chooses them",
            )
        found: dict[str, list[str]] = {split: [] for split in self.records[config]}
        for path in sorted(self.manifest.files):
            shard = _SHARD.fullmatch(path)
            if shard and shard["config"] == config and shard["split"] in found:
                found[shard["split"]].append(path)
        return found

    def table(self, config: str, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """The rows of ``config``, of all splits, with a first column ``split``.

        Args:
            columns: all but images if None; an image is read only where it is named.

        Raises:
            ReleaseError: there is no such config or column, or a shard is missing or damaged.
            HubUnreachable: the Hub did not answer.
        """
        frames: list[pl.DataFrame] = []
        for split, paths in self.shards(config).items():
            found = 0
            for path in paths:
                with self.open(path) as stream, self.reading(path):
                    # Coalesces the reads of neighbouring columns: on the Hub, each is a request.
                    file = pq.ParquetFile(stream, pre_buffer=True)
                    chosen = self._choose(config, path, file.schema_arrow, columns)
                    # Arrow's threads hold the stream for longer: see workspace/parts.py.
                    rows = file.read(columns=chosen, use_threads=False).replace_schema_metadata()
                shown = frame(rows).select(chosen)
                frames.append(shown.select(pl.lit(split).alias("split"), pl.all()))
                found += rows.num_rows
            self.check_rows(config, split, found)
        if not frames:
            raise ReleaseError(
                f"{self.name}: its manifest names no file of config {config!r}",
                hint="it is damaged; publish it again",
            )
        return pl.concat(frames)

    def _choose(
        self, config: str, path: str, schema: pa.Schema, columns: Sequence[str] | None
    ) -> list[str]:
        """The columns to read of the shard at ``path``."""
        self.check_columns(config, path, schema)
        if columns is None:
            return [field.name for field in schema if not _is_image(field.type)]
        chosen = [name for name in dict.fromkeys(columns) if name != "split"]
        for name in chosen:
            if name not in schema.names:
                raise ReleaseError(
                    f"{self.name}: config {config!r} has no column {name!r}."
                    f"{did_you_mean(name, schema.names)}",
                    hint=f"it has: {', '.join(schema.names)}",
                )
        return chosen

    def check_columns(self, config: str, path: str, schema: pa.Schema) -> None:
        """Hold the columns that the shard at ``path`` has to those of the manifest.

        Raises:
            ReleaseError: they have other names, types or another order.
        """
        for problem in check_features(path, schema, self.manifest.features[config]):
            raise ReleaseError(
                f"{self.name}: {path}: {problem.text}", hint="download it again, or publish again"
            )

    def check_rows(self, config: str, split: str, found: int) -> None:
        """Hold the rows that a split has to the number that the manifest gives.

        Raises:
            ReleaseError: they are others.
        """
        wrong = self.wrong_rows(config, split, found)
        if wrong:
            raise ReleaseError(
                f"{self.name}: {wrong}",
                hint=f"`synpic verify {self.name}` says which file is damaged; download it again",
            )

    def wrong_rows(self, config: str, split: str, found: int) -> str | None:
        """What is wrong with ``found`` rows in the shards of a split; None if they are right."""
        expected = self.records[config][split]
        if found == expected:
            return None
        shards = self.shards(config)[split]
        if not shards:
            return (
                f"{MANIFEST}: key `files` lists no shard of {config}/{split}, and key `records` "
                f"says that it has {count(expected, 'row')}"
            )
        others = f" and {count(len(shards) - 1, 'more file')}" if len(shards) > 1 else ""
        return f"{shards[0]}{others}: {count(found, 'row')}, where {MANIFEST} says {expected:,}"

    @contextmanager
    def reading(self, path: str) -> Iterator[None]:
        """Turn what readers say while they read the file ``path`` into one clear error.

        Raises:
            ReleaseError: it is missing, or not what it should be.
            HubUnreachable: the Hub did not answer.
        """
        try:
            yield
        except Exception as error:  # readers and the Hub's client; no other ancestor is common
            explained = self._explain(error, path)
            if explained is None:
                raise
            raise explained from error

    def _explain(self, error: Exception, path: str) -> SynpicError | None:
        """What a reader raised, in words; None if it is no reader's."""
        if isinstance(error, FileNotFoundError):
            return ReleaseError(
                f"{self.name}: {path or 'the folder'} is missing",
                hint=f"`synpic verify {self.name}` lists everything that is; then publish again",
            )
        if isinstance(error, OSError) and error.errno is not None:
            return ReleaseError(
                f"{self.name}: {path or 'the folder'} cannot be read: {error.strerror}",
                hint="check who may read it",
            )
        # pyarrow says OSError, without a number, where a page cannot be decoded.
        if isinstance(error, pa.ArrowException | OSError | ValueError | KeyError | EOFError):
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            return ReleaseError(
                f"{self.name}: {path} is truncated or damaged ({reason})",
                hint="download it again, or publish again",
            )
        return None


def open_release(
    where: str | os.PathLike[str], *, revision: str | None = None, token: str | None = None
) -> Published:
    """The release at ``where``.

    Args:
        where: a folder with a ``manifest.json``; else a dataset repository, "user/name" or
            "user/name@v1.2.0". A folder that is there is never looked for on the Hub. The Hub is
            the one that ``HF_ENDPOINT`` names now.
        revision: a branch, tag or commit; the default branch if neither names one.
        token: of an account that may read it; the one that is logged in if None.

    Raises:
        ReleaseError: there is no such folder, repository or revision, it may not be read, or it
            holds no release.
        NewerSchema: a later synpic wrote it.
        HubUnreachable: the Hub did not answer.
    """
    given = os.fspath(where)
    folder = _folder(given)
    if folder is not None:
        return _open_folder(given, folder, revision)
    name, named = parse_name(given)
    if named and revision and named != revision:
        raise ReleaseError(
            f"{given}: revision={revision!r} names another revision",
            hint="give one of the two",
        )
    asked = revision or named
    return _open_repository(f"{name}@{asked}" if asked else name, name, asked, token)


def _folder(given: str) -> Path | None:
    """The folder that ``given`` names; None where nothing of that name is there."""
    try:
        path = Path(given).expanduser()
        return path if path.exists() else None
    except (OSError, RuntimeError, ValueError):  # too long; no such user; a NUL in it
        return None


def _open_folder(given: str, folder: Path, revision: str | None) -> Published:
    if revision is not None:
        raise ReleaseError(
            f"{given} is a folder, and revision={revision!r} is asked for",
            hint="a folder is one release; leave revision out, or name a repository",
        )
    try:
        manifest = open_manifest(folder)
    except NoRelease as error:
        is_workspace = (folder / "recipe.toml").exists()
        raise NoRelease(
            f"{given} is no release, and is a workspace"
            if is_workspace
            else f"{given} is no release: {error.message}",
            hint="`synpic publish --to DIR` makes a release of a workspace"
            if is_workspace
            else "name the folder that `synpic publish --to` wrote",
        ) from error
    # Copies from the Hub's cache are links.
    root = os.path.realpath(folder)
    return Published(given, None, _require_release(given, manifest), LocalFileSystem(), root)


def _open_repository(
    name: str, repository: str, revision: str | None, token: str | None
) -> Published:
    commit = resolve(repository, revision, token)
    files = RepositoryFiles(dataset(repository, commit, token))
    try:
        with files.open(f"{files.root}/{MANIFEST}") as stream:
            data = stream.read()
    except FileNotFoundError as error:
        raise NoRelease(
            f"{name} is no release: it has no {MANIFEST}",
            hint="datasets.load_dataset may still open it",
        ) from error
    try:
        manifest = decode_manifest(data, f"{name}: {MANIFEST}")
    except NoRelease as error:
        raise NoRelease(
            f"{name} is no release: {error.message}",
            hint="datasets.load_dataset may still open it",
        ) from error
    return Published(name, commit, _require_release(name, manifest), files, files.root, token)


def _require_release(name: str, manifest: Manifest | ExportManifest) -> Manifest:
    if isinstance(manifest, ExportManifest):
        raise NoRelease(
            f"{name} is an export, which is no release: it has pairs and no rankings",
            hint="name the release or the workspace that it was made from",
        )
    return manifest


def _is_image(kind: pa.DataType) -> bool:
    return bool(kind == IMAGE or pa.types.is_binary(kind))
