"""A dataset of Parquet files, on the Hub or in a folder, read a row group at a time.

What is found is found from the small columns alone: of a hundred gigabytes of pairs, some ten
megabytes are fetched before the first image. Each image is then known by file, row group and row,
so that going on fetches the row groups in which something is missing, and no others.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
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
from synpic.hub.errors import naming_hub_errors
from synpic.hub.local_datasets import loadable
from synpic.hub.lock import Lock, LockEntry
from synpic.ingest.captions import caption_problem
from synpic.ingest.columns import ImageColumns, choose_columns
from synpic.ingest.layouts import HEAD_BYTES, UNREAD_LAYOUT, layout_of
from synpic.ingest.rows import RowReader
from synpic.ingest.source import FOUND, FoundImages
from synpic.readers.arrow import plain_texts
from synpic.readers.display import count
from synpic.readers.tables import rows_from
from synpic.recipe import IngestSettings
from synpic.workspace.parts import frame

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
        meter = Meter("find", self._shown, len(files), listener)
        meter.begin()
        columns: ImageColumns | None = None
        pieces: list[pl.DataFrame] = []
        rows, limit = 0, self.settings.count
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for start in range(0, len(files), _AT_ONCE):
                if limit is not None and rows >= limit:
                    break
                some = files[start : start + _AT_ONCE]
                columns = columns or self._columns(some[0])
                read = pool.map(self._find_in, some, [columns] * len(some))
                for name, found in zip(some, read, strict=True):
                    kept = found if limit is None else found.head(max(0, limit - rows))
                    rows += kept.height
                    pieces.append(self._unfold(kept, columns, name))
                meter.add(len(some), 0, len(files) - start - len(some))
        meter.end(None)
        if not rows:
            raise IngestError(
                f"{self._shown}: there is no row in split {self.settings.split!r}",
                hint="name another: split in [ingest], or --split",
            )
        found = pl.concat(pieces)
        if found["prompt"].is_null().all():
            reasons = found["problem"].value_counts(sort=True).head(3).iter_rows()
            why = "; ".join(f"{number:,} × {reason}" for reason, number in reasons)
            raise IngestError(
                f"{self._shown}: none of {count(found.height, 'image')} of split "
                f"{self.settings.split!r} has a caption (column {columns and columns.prompt!r}: "
                f"{why})",
                hint='name the column that holds prompts: prompt = "…" in [ingest], or '
                "--prompt-column",
            )
        return FoundImages(found, f"{self._shown}@{ids.short(self.entry.identity)}")

    def reader(self) -> RowReader:
        """What reads its images."""
        return RowReader(self.open_file, self.naming_errors)

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

        name = str(self.settings.dataset)
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
        if not isinstance(builder, Parquet):
            raise self._unread_layout() or IngestError(
                f"{name}: its files are not Parquet",
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

    def _columns(self, name: str) -> ImageColumns:
        with self.open_file(name) as file:
            return choose_columns(file.schema_arrow, self.settings, self._shown)

    def _find_in(self, name: str, columns: ImageColumns) -> pl.DataFrame:
        """The rows of one file: its small columns, and where each row lies."""
        with self.open_file(name) as file:
            strings = pa.schema([pa.field(column, pa.string()) for column in columns.small])
            try:
                table = file.read(columns=columns.small).select(columns.small).cast(strings)
            except KeyError as error:
                raise IngestError(
                    f"{self._shown}: {name} has other columns than the files before it: {error}",
                    hint="name a config whose files are alike",
                ) from error
            groups = [file.metadata.row_group(number) for number in range(file.num_row_groups)]
        places = [
            (number, row, size)
            for number, group in enumerate(groups)
            for size in [_mean_bytes(group, columns)]
            for row in range(group.num_rows)
        ]
        schema = {"_group": pl.Int32, "_row": pl.Int64, "_bytes": pl.Int64}
        at = rows_from(f"{self._shown}: {name}", 0)
        texts = plain_texts(table.replace_schema_metadata(), at, error=IngestError)
        problems = map(caption_problem, texts.column(columns.prompt).to_pylist())
        return frame(texts).hstack(
            pl.DataFrame(places, schema=schema, orient="row").with_columns(
                _problem=pl.Series(problems, dtype=pl.String)
            )
        )

    def _unfold(self, rows: pl.DataFrame, columns: ImageColumns, name: str) -> pl.DataFrame:
        """A row per image, those of one row beside each other."""
        held = ids.short(self.entry.identity)
        null = pl.lit(None, pl.String)
        sides = []
        for number, (column, leaf) in enumerate(columns.images.items()):
            place = pl.format("{}#{}.{}:{}", pl.lit(name), "_group", "_row", pl.lit(column))
            key, model = columns.keys.get(column), columns.models.get(column)
            side = rows.select(
                # Without an id an image is its place, and a place is one only at its commit.
                pl.coalesce(
                    pl.format("id:{}", key) if key else null,
                    pl.format("{}:{}", pl.lit(held), place),
                ).alias("key"),
                pl.when(pl.col("_problem").is_null()).then(columns.prompt).alias("prompt"),
                (pl.col(model) if model else null).alias("label"),
                pl.coalesce(key or null, place).alias("place"),
                pl.lit(name).alias("file"),
                pl.col("_group").alias("group"),
                pl.col("_row").alias("row"),
                pl.lit(leaf).alias("column"),
                pl.col("_bytes").alias("bytes"),
                null.alias("stamp"),
                pl.lit(number).alias("side"),
                pl.col("_problem").alias("problem"),
                pl.lit(None, pl.Int32).alias("element"),
                null.alias("meta"),
            )
            sides.append(side.with_columns(label=pl.when(pl.col("label") != "").then("label")))
        both = pl.concat(sides).sort("group", "row", "side", maintain_order=True)
        return both.select(*FOUND).cast(FOUND)  # type: ignore[arg-type]

    @contextmanager
    def open_file(self, name: str) -> Iterator[pq.ParquetFile]:
        """One of its files, closed at the end.

        Raises:
            IngestError: it is no Parquet, or damaged.
            HubUnreachable, CheckpointError: the Hub did not give it.
        """
        with self.naming_errors(name):
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
                raise IngestError(
                    f"{source}: {name}: not Parquet, or damaged: {reason:.300}",
                    hint="put a whole file in its place, then run the same command again",
                ) from error


def _mean_bytes(group: pq.RowGroupMetaData, columns: ImageColumns) -> int:
    """About how many bytes an image of a row group takes."""
    paths = set(columns.images.values())
    chunks = [group.column(number) for number in range(group.num_columns)]
    held = sum(one.total_uncompressed_size for one in chunks if one.path_in_schema in paths)
    return int(held // max(1, group.num_rows * len(paths)))
