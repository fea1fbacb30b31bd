"""The folder that holds what has been made: what is there, and (by anti-join) what is missing.

    my-set/
      recipe.toml          what is wanted
      recipe.lock          what names resolved to
      prompts.parquet
      candidates/<model>-<fp8>/part-<id>.parquet
      scores/<reward>-<fp8>/part-<id>.parquet
      failures/part-<id>.parquet

There is no database and no lock file to go stale. Parts are written whole and never changed, so any
number of processes may work on one workspace at once; what two of them made twice is resolved when
it is read, the same way by everyone (docs/architecture.md, "Workspaces").
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from synpic import tables
from synpic.errors import CorruptPart, WorkspaceError
from synpic.recipe import Recipe, parse_recipe
from synpic.store import Store

__all__ = ["ImageReader", "LockEntry", "Workspace"]

RECIPE = "recipe.toml"
LOCK = "recipe.lock"
PROMPTS = "prompts.parquet"
SET_ASIDE = "set-aside"

T = TypeVar("T")


@dataclass(frozen=True)
class LockEntry:
    """What one name in the recipe resolved to.

    Args:
        kind: "model" or "dataset" (a repository on the Hub), or "folder".
        source: the name as the recipe has it.
        revision: the branch, tag or commit that was asked for, if any.
        identity: the commit of a repository; the hash of a folder's contents.
        bytes: a folder's size, by which a later change of it is noticed.
    """

    kind: str
    source: str
    revision: str | None
    identity: str
    bytes: int | None = None

    @property
    def key(self) -> tuple[str, str, str | None]:
        """What the lock finds it by: everything but the answer."""
        return (self.kind, self.source, self.revision)


class Workspace:
    """One workspace, local or on any fsspec file system.

    Args:
        root: its folder or address. Use :meth:`open` for one that must exist.
    """

    def __init__(self, root: str | os.PathLike[str] = ".") -> None:
        self.store = Store(root)

    @classmethod
    def open(cls, root: str | os.PathLike[str] = ".") -> Workspace:
        """The workspace at ``root``.

        Raises:
            WorkspaceError: there is no recipe in it.
        """
        workspace = cls(root)
        if not workspace.store.exists(RECIPE):
            raise WorkspaceError(
                f"{workspace.store} is not a workspace: it has no {RECIPE}",
                hint="cd into one, name it with -C DIR, or make one with `synpic init NAME`",
            )
        return workspace

    @classmethod
    def create(cls, root: str | os.PathLike[str], recipe: str) -> Workspace:
        """Begin a workspace at ``root`` with the text of a recipe.

        Raises:
            WorkspaceError: there is one already.
            RecipeError: the text is no recipe.
        """
        workspace = cls(root)
        if workspace.store.exists(RECIPE):
            raise WorkspaceError(
                f"{workspace.store} has a {RECIPE} already",
                hint="edit it and run the commands again: growing a set is editing its recipe",
            )
        parse_recipe(recipe)
        workspace.store.write(RECIPE, recipe.encode())
        return workspace

    # -- the want --------------------------------------------------------------------------------

    @cached_property
    def recipe_text(self) -> str:
        """The recipe as it is written."""
        return self.store.read(RECIPE).decode("utf-8", errors="surrogateescape")

    @cached_property
    def recipe(self) -> Recipe:
        """The recipe as it was when first asked for.

        Raises:
            RecipeError: it cannot be followed.
        """
        return parse_recipe(self.store.read(RECIPE), self.store.path(RECIPE))

    def lock(self) -> dict[tuple[str, str, str | None], LockEntry]:
        """What names resolved to, so far.

        Raises:
            NewerSchema, WorkspaceError: the lock is not ours to read.
        """
        if not self.store.exists(LOCK):
            return {}
        where = self.store.path(LOCK)
        try:
            data = json.loads(self.store.read(LOCK))
            tables.check_version(data, where)
            entries = [LockEntry(**entry) for entry in data["resolved"]]
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise WorkspaceError(
                f"{where}: damaged: {error}",
                hint="restore it; or delete it, and branches are resolved to their newest commits",
            ) from error
        return {entry.key: entry for entry in entries}

    def remember(self, entry: LockEntry) -> LockEntry:
        """Put ``entry`` into the lock, unless it holds one for that name, which then stands."""
        known = self.lock()
        if entry.key in known:
            return known[entry.key]
        known[entry.key] = entry
        rows = [vars(known[key]) for key in sorted(known, key=str)]
        text = json.dumps({"schema_version": tables.SCHEMA_VERSION, "resolved": rows}, indent=2)
        self.store.write(LOCK, (text + "\n").encode())
        return entry

    def prompts(self) -> pl.DataFrame:
        """``prompts.parquet`` in the order of its source; empty before anything was read."""
        if not self.store.exists(PROMPTS):
            return pl.DataFrame(_frame(tables.PROMPTS.empty_table()))
        return _frame(self._read_part(PROMPTS, None))

    def prompts_note(self) -> dict[str, Any]:
        """What ``write_prompts`` was given as metadata."""
        if not self.store.exists(PROMPTS):
            return {}
        return tables.decode_metadata(self._open_part(PROMPTS).schema_arrow)

    def write_prompts(self, table: pa.Table, note: Mapping[str, Any]) -> None:
        """Replace ``prompts.parquet``; nothing made for a prompt that is gone is lost."""
        self.store.write(PROMPTS, tables.encode_part(table, note))

    # -- what is there ---------------------------------------------------------------------------

    def write_part(self, folder: str, table: pa.Table, note: Mapping[str, Any]) -> str:
        """Add a part to ``folder`` ("candidates/sdxl-1a2b3c4d") and say its name.

        Raises:
            StorageError: nothing was written.
        """
        name = f"{folder}/part-{uuid.uuid4().hex[:16]}.parquet"
        self.store.write(name, tables.encode_part(table, note))
        return name

    def folders(self, kind: str) -> list[str]:
        """Folders of ``kind`` ("candidates" or "scores") that exist, whether wanted or not."""
        return [f"{kind}/{name}" for name in self.store.list(kind)]

    def parts(self, folder: str) -> list[str]:
        """The names of the parts in ``folder``."""
        names = self.store.list(folder)
        return [f"{folder}/{n}" for n in names if n.startswith("part-") and n.endswith(".parquet")]

    def read(
        self, parts: Sequence[str], schema: pa.Schema, columns: Sequence[str] | None = None
    ) -> pl.DataFrame:
        """Rows of all ``parts``, of ``columns`` or of all columns but the pixels.

        Raises:
            CorruptPart: naming the first part that cannot be read.
            NewerSchema: naming the first part that a later synpic wrote.
        """
        chosen = list(columns) if columns else [n for n in schema.names if n != "image"]
        empty = pa.schema([schema.field(name) for name in chosen]).empty_table()
        with ThreadPoolExecutor(8) as pool:
            tables_ = list(pool.map(lambda part: self._read_part(part, chosen), parts))
        return _frame(pa.concat_tables([empty, *tables_]))

    def candidates(self, folders: Iterable[str]) -> pl.DataFrame:
        """Candidates of ``folders`` without their pixels, one row each.

        Two rows of one candidate_id (two machines raced) resolve to the smallest sha256.
        """
        parts = [part for folder in folders for part in self.parts(folder)]
        rows = self.read(parts, tables.CANDIDATES)
        return rows.sort("candidate_id", "sha256").unique(
            "candidate_id", keep="first", maintain_order=True
        )

    def scores(self, folder: str) -> pl.DataFrame:
        """Scores of one reward, one row per (candidate_id, sha256); the smaller of two values."""
        rows = self.read(self.parts(folder), tables.SCORES)
        keys = ["candidate_id", "sha256"]
        return rows.sort(*keys, "score").unique(keys, keep="first", maintain_order=True)

    def failures(self, stage: str) -> pl.DataFrame:
        """Failures of ``stage``, the one with most attempts for each (candidate, fingerprint)."""
        rows = self.read(self.parts("failures"), tables.FAILURES)
        keys = ["candidate_id", "fingerprint"]
        return (
            rows.filter(pl.col("stage") == stage)
            .sort(*keys, "attempts", "reason", descending=[False, False, True, False])
            .unique(keys, keep="first", maintain_order=True)
        )

    def images(self, folders: Iterable[str]) -> ImageReader:
        """A reader of encoded images by candidate id."""
        return ImageReader(self, [part for folder in folders for part in self.parts(folder)])

    def part_note(self, part: str) -> dict[str, Any]:
        """The metadata a part carries."""
        return tables.decode_metadata(self._open_part(part).schema_arrow)

    # -- damage ----------------------------------------------------------------------------------

    def corrupt_parts(self) -> list[str]:
        """Parts that cannot be read to their end, found by reading every one."""
        folders = [*self.folders("candidates"), *self.folders("scores"), "failures"]
        parts = [part for folder in folders for part in self.parts(folder)]
        if self.store.exists(PROMPTS):
            parts.append(PROMPTS)
        with ThreadPoolExecutor(8) as pool:
            whole = pool.map(self._is_whole, parts)
        return [part for part, good in zip(parts, whole, strict=True) if not good]

    def set_aside(self, part: str) -> str:
        """Move a damaged part out of the way; what it held counts as missing from then on."""
        target = f"{SET_ASIDE}/{part}"
        self.store.move(part, target)
        return target

    def _is_whole(self, part: str) -> bool:
        try:
            self._read_part(part, None)
        except CorruptPart:
            return False
        return True

    def _read_part(self, part: str, columns: Sequence[str] | None) -> pa.Table:
        file = self._open_part(part)
        return self._or_corrupt(part, lambda: file.read(columns=columns)).replace_schema_metadata()

    def _open_part(self, part: str) -> pq.ParquetFile:
        file = self._or_corrupt(part, lambda: pq.ParquetFile(self.store.open(part)))
        tables.check_version(tables.decode_metadata(file.schema_arrow), self.store.path(part))
        return file

    def _or_corrupt(self, part: str, read: Callable[[], T]) -> T:
        try:
            return read()
        except (pa.ArrowException, OSError, ValueError, KeyError) as error:
            raise CorruptPart(
                f"{self.store.path(part)}: truncated or damaged ({_first_line(error)})",
                hint="`synpic repair` sets it aside; the next run makes again what it held",
            ) from error


class ImageReader:
    """Encoded images by candidate id, read in the order asked for and never all at once.

    The index holds one row per candidate; opened files are kept while they are asked for.
    """

    _OPEN_FILES = 256

    def __init__(self, workspace: Workspace, parts: Sequence[str]) -> None:
        self._workspace = workspace
        self._parts = list(parts)
        self._open: dict[int, pq.ParquetFile] = {}
        frames = [self._index(number) for number in range(len(self._parts))]
        self._where: dict[tuple[str, str], tuple[int, int, int]] = {
            (row[0], row[1]): (row[2], row[3], row[4])
            for frame in frames
            for row in frame.iter_rows()
        }

    def read(self, wanted: Sequence[tuple[str, str]]) -> list[bytes]:
        """Images for (candidate_id, sha256) pairs, in that order, as encoded bytes.

        Raises:
            WorkspaceError: naming a candidate whose pixels are not there.
        """
        return self._gather(wanted, lambda column: column)

    def sizes(self, wanted: Sequence[tuple[str, str]]) -> list[int]:
        """Sizes in bytes of what :meth:`read` would give, with one row group in memory at a time.

        Raises:
            WorkspaceError: naming a candidate whose pixels are not there.
        """
        return self._gather(wanted, pc.binary_length)

    def _gather(
        self, wanted: Sequence[tuple[str, str]], of: Callable[[pa.Array], pa.Array]
    ) -> list[Any]:
        groups: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for position, key in enumerate(wanted):
            if key not in self._where:
                raise WorkspaceError(
                    f"candidate {key[0]}: its image is gone",
                    hint="run `synpic generate` again: it makes what is missing",
                )
            part, group, row = self._where[key]
            groups.setdefault((part, group), []).append((position, row))
        found: dict[int, Any] = {}
        for (part, group), rows in sorted(groups.items()):
            column = of(self._group(part, group))
            for position, row in rows:
                found[position] = column[row].as_py()
        return [found[position] for position in range(len(wanted))]

    def _index(self, number: int) -> pl.DataFrame:
        file = self._file(number)
        rows = self._workspace._or_corrupt(
            self._parts[number], lambda: file.read(columns=["candidate_id", "sha256"])
        )
        sizes = [file.metadata.row_group(g).num_rows for g in range(file.num_row_groups)]
        return _frame(rows.replace_schema_metadata()).with_columns(
            part=pl.lit(number),
            group=pl.Series([g for g, n in enumerate(sizes) for _ in range(n)], dtype=pl.Int64),
            row=pl.Series([r for n in sizes for r in range(n)], dtype=pl.Int64),
        )

    def _group(self, part: int, group: int) -> pa.ChunkedArray:
        file = self._file(part)
        table = self._workspace._or_corrupt(
            self._parts[part], lambda: file.read_row_group(group, columns=["image.bytes"])
        )
        return table.column("image").combine_chunks().field("bytes")

    def _file(self, number: int) -> pq.ParquetFile:
        if number not in self._open:
            if len(self._open) >= self._OPEN_FILES:
                self._open.pop(next(iter(self._open))).close()
            self._open[number] = self._workspace._open_part(self._parts[number])
        return self._open[number]


def _frame(table: pa.Table) -> pl.DataFrame:
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
