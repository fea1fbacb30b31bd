"""A dataset of Parquet, Arrow or tars, on the Hub or in a folder, read a row group at a time.

What is found is found from the small columns alone: of a hundred gigabytes of pairs, some ten
megabytes are fetched before the first image. Each image is then known by file, row group and row,
so that going on fetches the row groups in which something is missing, and no others.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import fsspec
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from synpic import ids
from synpic.engine.progress import Listener, Meter
from synpic.errors import CheckpointError, IngestError, SourceMissing
from synpic.hub import checkpoints
from synpic.hub.errors import Subject
from synpic.hub.files import download
from synpic.hub.libraries import naming_hub_errors
from synpic.hub.local_datasets import loadable
from synpic.hub.lock import Lock, LockEntry
from synpic.ingest.arrow_files import ArrowFile, is_saved, saved_files
from synpic.ingest.columns import ImageColumns, choose_columns
from synpic.ingest.labels.forms import LabelLayout
from synpic.ingest.labels.reading import ReadLabels
from synpic.ingest.layouts import HEAD_BYTES, UNREAD_LAYOUT, layout_of
from synpic.ingest.listing import plain_name, shown, spelt
from synpic.ingest.rows import RowReader, TableFile
from synpic.ingest.source import FOUND, FoundImages, Reader
from synpic.ingest.tar_names import ENDING as TAR
from synpic.ingest.tar_shards import TarReader, find_in_tars
from synpic.ingest.unfolding import unfold
from synpic.readers.display import count
from synpic.readers.tables import rows_from
from synpic.recipe import IngestSettings

__all__ = ["Dataset"]

_AT_ONCE = 8
"""Files whose small columns are read at the same time."""

_CONVERTED = (
    "of many datasets the Hub keeps Parquet that it made itself: --revision refs/convert/parquet"
)


@dataclass(frozen=True)
class Dataset:
    """A dataset at a commit, or in a folder that is what it was when it was locked."""

    settings: IngestSettings
    location: str
    commit: str | None
    entry: LockEntry

    @classmethod
    def open(cls, settings: IngestSettings, lock: Lock) -> Dataset:
        """Resolve the dataset that ``settings`` name.

        Raises:
            SourceMissing: its folder is gone.
            CheckpointError: there is none, or the Hub cannot be reached.
        """
        source = str(settings.dataset)
        entry = checkpoints.resolve(lock, source, settings.revision, kind="dataset")
        try:
            location, commit = checkpoints.load_from(lock.folder, entry)
        except CheckpointError as error:
            raise SourceMissing(error.message, hint=error.hint) from error
        return cls(settings, location, commit, entry)

    @property
    def what(self) -> str:
        """In the fingerprint: the repository; of a folder nothing, for its path decides nothing."""
        return self.entry.source if self.commit else "dataset"

    @property
    def identity(self) -> dict[str, Any]:
        """Everything that decides what is found."""
        settings = self.settings.model_dump(exclude={"dataset", "revision"}, exclude_none=True)
        return {"dataset": checkpoints.identity(self.entry), **settings}

    def find(self, before: pl.DataFrame, listener: Listener | None) -> FoundImages:
        """Every image, in the order of rows; see ``Source.find``."""
        files = self._files()
        if files[0].lower().endswith(TAR):
            return self._find_in_tars(files, before, listener)
        meter = Meter("find", self._shown, len(files), listener)
        meter.begin()
        columns: ImageColumns | None = None
        reading: ReadLabels | None = None
        pieces: list[pl.DataFrame] = []
        rows, limit = 0, self.settings.count
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for start in range(0, len(files), _AT_ONCE):
                if limit is not None and rows >= limit:
                    break
                some = files[start : start + _AT_ONCE]
                if columns is None or reading is None:
                    columns, reading = self._columns(some[0])
                find = partial(self._find_in, columns=columns, layout=reading.layout)
                for name, (found, labels) in zip(some, pool.map(find, some), strict=True):
                    kept = found if limit is None else found.filter(pl.col("nth") < limit - rows)
                    reading.add(labels, kept, rows, f"{self._shown}: {name}")
                    rows += found.select(pl.col("nth").max().fill_null(-1)).item() + 1
                    pieces.append(kept.select(*FOUND).cast(FOUND))  # type: ignore[arg-type]
                meter.add(len(some), 0, len(files) - start - len(some))
        meter.end(None)
        if not rows:
            raise IngestError(
                f"{self._shown}: there is no row in split {self.settings.split!r}",
                hint="name another: split in [ingest], or --split",
            )
        assert columns is not None
        assert reading is not None
        named = ", ".join(dict.fromkeys(columns.prompts.values()))
        found = pl.concat(pieces)
        if found["prompt"].is_null().all():
            reasons = found["problem"].value_counts(sort=True).head(3).iter_rows()
            why = "; ".join(f"{number:,} × {reason}" for reason, number in reasons)
            raise IngestError(
                f"{self._shown}: none of {count(found.height, 'image')} of split "
                f"{self.settings.split!r} has a caption (column {named!r}: "
                f"{why})",
                hint='name the column that holds prompts: prompt = "…" in [ingest], or '
                "--prompt-column",
            )
        name = f"{self._shown}@{ids.short(self.entry.identity)}"
        return FoundImages(found, name, reading.notes, reading.found())

    def reader(self) -> Reader:
        """What reads its images."""
        return _TablesOrTars(RowReader(self.open_file, self.naming_errors), TarReader(self._locate))

    def _find_in_tars(
        self, files: Sequence[str], before: pl.DataFrame, listener: Listener | None
    ) -> FoundImages:
        """Every image of tars in the layout of WebDataset."""
        # At a commit, and in a folder that is what was locked, a file does not change.
        stamps = {spelt(name): self.entry.identity for name in files}
        found, notes, labels = find_in_tars(
            stamps, self._locate, self.settings, self._shown, before, listener
        )
        return FoundImages(found, f"{self._shown}@{ids.short(self.entry.identity)}", notes, labels)

    def _locate(self, name: str) -> Path:
        """A tar on this machine: one on the Hub is downloaded whole, into the client's cache."""
        plain = plain_name(name)
        if self.commit is None:
            return Path(self.location).resolve() / plain
        path = download(Subject(self.location, self.commit, "dataset"), plain)
        if path is None:
            raise IngestError(
                f"{self.location}: {shown(plain)} is gone", hint="look at the dataset's files"
            )
        return path

    def address(self, name: str) -> str:
        """Where the file that an index calls ``name`` is."""
        if self.commit is None:
            return (Path(self.location).resolve() / name).as_posix()
        return f"hf://datasets/{self.location}@{self.commit}/{name}"

    @property
    def _shown(self) -> str:
        """For people; a folder's path is no business of those who get a release."""
        return self.location if self.commit else posixpath.basename(self.location.rstrip("/"))

    def _files(self) -> list[str]:
        """The Parquet files of the split, below the dataset's root, in order."""
        from datasets import load_dataset_builder
        from datasets.packaged_modules.parquet.parquet import Parquet
        from datasets.packaged_modules.webdataset.webdataset import WebDataset

        name = str(self.settings.dataset)
        if self.commit is None and is_saved(Path(self.location)):
            return saved_files(Path(self.location), self.settings.split, name)
        with self.naming_errors("its list of files"):
            location = loadable(self.location)
            try:
                builder = load_dataset_builder(location, self.settings.config, revision=self.commit)
            except (ValueError, RuntimeError, FileNotFoundError) as error:
                reason = " ".join(str(error).split()) or type(error).__name__
                raise self._unread_layout() or IngestError(
                    f"{name}: the dataset cannot be read: {reason:.400}",
                    hint=f"check dataset and config; {_CONVERTED}",
                ) from error
        if not isinstance(builder, Parquet | WebDataset):
            raise self._unread_layout() or IngestError(
                f"{name}: its files are neither Parquet nor tars of WebDataset",
                hint=f"download it and name the folder with --images; {_CONVERTED}",
            )
        files = builder.config.data_files
        if self.settings.split not in files:
            raise IngestError(
                f"{name}: there is no split {self.settings.split!r}",
                hint=f"it has: {', '.join(map(str, files))}; name one: split in [ingest], or "
                "--split",
            )
        root = (self.address("") if location == self.location else location).rstrip("/") + "/"
        paths = [str(path).replace("\\", "/") for path in files[self.settings.split]]
        for path in paths:
            if not path.isascii() and any("\ud800" <= sign <= "\udfff" for sign in path):
                raise IngestError(
                    f"{name}: the name of {path.removeprefix(root)} is not UTF-8",
                    hint="rename the file",
                )
        return [path.removeprefix(root) for path in paths]

    def _unread_layout(self) -> IngestError | None:
        """Where it is a list of preferences in JSON: which, and that it is not read."""
        fs, root = fsspec.core.url_to_fs(self.address(""))
        with self.naming_errors("its list of files"):
            for path in sorted(fs.ls(root, detail=False)):
                if path.endswith((".json", ".jsonl")) and fs.isfile(path):
                    with fs.open(path, "rb") as stream:
                        kind = layout_of(stream.read(HEAD_BYTES))
                    if kind is not None:
                        return IngestError(
                            f"{self.settings.dataset}: {posixpath.basename(path)} is in the layout "
                            f"of {kind}",
                            hint=UNREAD_LAYOUT,
                        )
        return None

    def _columns(self, name: str) -> tuple[ImageColumns, ReadLabels]:
        with self.open_file(name) as file:
            if not file.schema_arrow.names:
                raise IngestError(
                    f"{self._shown}: {name}: it has no columns",
                    hint="put a whole file in its place, then run the same command again",
                )
            columns = choose_columns(file.schema_arrow, self.settings, self._shown)
            named = file.schema_arrow.names
        return columns, ReadLabels.of(columns, named, self.settings)

    def _find_in(
        self, name: str, columns: ImageColumns, layout: LabelLayout | None
    ) -> tuple[pl.DataFrame, pl.DataFrame | None]:
        """The images of one file: its small columns, and where each image lies; and its labels."""
        with self.open_file(name) as file:
            try:
                found = unfold(file, name, columns, self._shown, ids.short(self.entry.identity))
                if layout is None:
                    return found, None
                # Where the names of images are the labels, any column has the rows.
                table = file.read(columns=list(layout.columns or columns.small[:1]))
                return found, layout.read(table, rows_from(f"{self._shown}: {name}", 0))
            except KeyError as error:
                raise IngestError(
                    f"{self._shown}: {name} has other columns than the files before it: {error}",
                    hint="name a config whose files are alike",
                ) from error

    @contextmanager
    def open_file(self, name: str) -> Iterator[TableFile]:
        """One of its files, closed at the end.

        Raises:
            IngestError: it is no Parquet, or damaged.
            HubUnreachable, CheckpointError: the Hub did not give it.
        """
        with self.naming_errors(name):
            if self.commit is None and name.endswith(".arrow"):
                yield ArrowFile(Path(self.location).resolve() / name)
                return
            fs, path = fsspec.core.url_to_fs(self.address(name))
            with fs.open(path, "rb") as stream, pq.ParquetFile(stream) as file:
                yield file

    @contextmanager
    def naming_errors(self, name: str) -> Iterator[None]:
        """What goes wrong while ``name`` of it is read, in words that name it."""
        source = str(self.settings.dataset)
        # On a disk an OSError is the file's; on the way from the Hub it is the connection's.
        damage = (pa.ArrowException,) if self.commit else (pa.ArrowException, OSError)
        hub = naming_hub_errors(source, self.commit, "dataset")
        with hub if self.commit else nullcontext():
            try:
                yield
            except damage as error:
                reason = (str(error).splitlines() or [type(error).__name__])[0]
                kind = "Arrow" if name.endswith(".arrow") else "Parquet"
                raise IngestError(
                    f"{source}: {name}: not {kind}, or damaged: {reason:.300}",
                    hint="put a whole file in its place, then run the same command again",
                ) from error


class _TablesOrTars:
    """A reader of a dataset, whose files are all tables or all tars."""

    def __init__(self, tables: Reader, tars: Reader) -> None:
        self._tables, self._tars = tables, tars

    def read(self, rows: Sequence[Mapping[str, Any]]) -> list[bytes | None]:
        """The images of ``rows``."""
        tars = bool(rows) and rows[0]["file"].lower().endswith(TAR)
        return (self._tars if tars else self._tables).read(rows)

    def close(self) -> None:
        """Close what is open."""
        self._tables.close()
        self._tars.close()
