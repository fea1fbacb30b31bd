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

import os
import uuid
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from synpic import ids
from synpic.errors import CorruptPart, WorkspaceError
from synpic.recipe import parse_recipe
from synpic.workspace import tables
from synpic.workspace.cache import SET_ASIDE, write_cache
from synpic.workspace.images import ImageReader
from synpic.workspace.lock import RecipeLock
from synpic.workspace.parts import frame, open_part, read_part
from synpic.workspace.snapshot import Snapshot
from synpic.workspace.storage import Store

__all__ = ["Workspace"]

RECIPE = "recipe.toml"
PROMPTS = "prompts.parquet"


class Workspace:
    """One workspace, local or on any fsspec file system.

    Args:
        root: its folder or address. Use :meth:`open` for one that must exist.
    """

    def __init__(self, root: str | os.PathLike[str] = ".") -> None:
        self.store = Store(root)

    @property
    def folder(self) -> Path:
        """Where the recipe's relative paths start."""
        return self.store.folder

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

    def snapshot(self) -> Snapshot:
        """The recipe and its lock as they are now, for one command: edited, the next follows.

        Raises:
            RecipeError: the recipe cannot be followed.
            NewerSchema, WorkspaceError: recipe.lock is damaged, or a later synpic wrote it.
            StorageError: there is no recipe, or it cannot be read.
        """
        data = self.store.read(RECIPE)
        return Snapshot(
            workspace=self,
            recipe=parse_recipe(data, self.store.path(RECIPE)),
            recipe_text=data.decode("utf-8", errors="surrogateescape"),
            lock=RecipeLock.read(self.store),
        )

    def prompts(self) -> pl.DataFrame:
        """``prompts.parquet`` in the order of its source; empty before anything was read."""
        if not self.store.exists(PROMPTS):
            return frame(tables.PROMPTS.empty_table())
        return frame(read_part(self.store, PROMPTS))

    def write_prompts(self, table: pa.Table, note: Mapping[str, Any]) -> None:
        """Replace ``prompts.parquet``; nothing made for a prompt that is gone is lost."""
        write_cache(self.store, PROMPTS, table, note)

    # -- what is there ---------------------------------------------------------------------------

    def write_part(self, folder: str, table: pa.Table, note: Mapping[str, Any]) -> str:
        """Add a part to ``folder`` ("candidates/sdxl-1a2b3c4d") and say its name.

        Raises:
            StorageError: nothing was written.
        """
        name = self.new_part(folder)
        self.write(name, table, note)
        return name

    def new_part(self, folder: str) -> str:
        """A name for a part of ``folder`` that nobody else will choose."""
        return f"{folder}/part-{uuid.uuid4().hex[:16]}.parquet"

    def write(self, name: str, table: pa.Table, note: Mapping[str, Any]) -> None:
        """Write the part that :meth:`new_part` named.

        Raises:
            StorageError: nothing was written.
        """
        self.store.write(name, tables.encode_part(table, note))

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
            rows = list(pool.map(lambda part: read_part(self.store, part, empty.schema), parts))
        return frame(pa.concat_tables([empty, *rows]))

    def candidates(self, folders: Iterable[str]) -> pl.DataFrame:
        """Candidates of ``folders`` without their pixels, one row each.

        Two rows of one candidate_id (two machines raced) resolve to the smallest sha256; of those
        with the same pixels, to one that is flagged, else to one that was checked.
        """
        parts = [part for folder in folders for part in self.parts(folder)]
        rows = self.read(parts, tables.CANDIDATES)
        return rows.sort(
            "candidate_id", "sha256", "flagged", descending=[False, False, True], nulls_last=True
        ).unique("candidate_id", keep="first", maintain_order=True)

    def scores(self, folder: str) -> pl.DataFrame:
        """Scores of one reward, one row per (candidate_id, sha256); the smaller of two values."""
        rows = self.read(self.parts(folder), tables.SCORES)
        keys = ["candidate_id", "sha256"]
        return rows.sort(*keys, "score").unique(keys, keep="first", maintain_order=True)

    def failures(self, stage: str) -> pl.DataFrame:
        """Failures of ``stage``: of each candidate and model or reward, the latest attempt."""
        rows = self.read(self.parts("failures"), tables.FAILURES)
        keys = ["candidate_id", "name", "fingerprint"]
        return (
            rows.filter(pl.col("stage") == stage)
            .sort(*keys, "attempts", "reason", descending=[False, False, False, True, False])
            .unique(keys, keep="first", maintain_order=True)
        )

    def images(self, folders: Iterable[str]) -> ImageReader:
        """A reader of encoded images by candidate id."""
        return ImageReader(self.store, [part for folder in folders for part in self.parts(folder)])

    def part_note(self, part: str) -> dict[str, Any]:
        """The metadata a part carries."""
        return tables.decode_metadata(open_part(self.store, part).schema_arrow)

    # -- damage ----------------------------------------------------------------------------------

    def corrupt_parts(self) -> list[str]:
        """Parts that do not hold what they should, found by reading every one to its last byte."""
        kinds = {"candidates": tables.CANDIDATES, "scores": tables.SCORES}
        expected = {
            part: schema
            for kind, schema in kinds.items()
            for folder in self.folders(kind)
            for part in self.parts(folder)
        }
        expected |= dict.fromkeys(self.parts("failures"), tables.FAILURES)
        if self.store.exists(PROMPTS):
            expected[PROMPTS] = tables.PROMPTS
        with ThreadPoolExecutor(4) as pool:
            whole = pool.map(self._is_whole, expected, expected.values())
        return [part for part, good in zip(expected, whole, strict=True) if not good]

    def set_aside(self, part: str) -> str:
        """Move a damaged part out of the way; what it held counts as missing from then on."""
        target = f"{SET_ASIDE}/{part}"
        self.store.move(part, target)
        return target

    def _is_whole(self, part: str, schema: pa.Schema) -> bool:
        try:
            rows = read_part(self.store, part, schema)
        except CorruptPart:
            return False
        if "image" not in schema.names:
            return True
        pixels = rows.column("image").combine_chunks().field("bytes")
        return all(
            data is not None and ids.sha256(data) == sha256
            for data, sha256 in zip(
                pixels.to_pylist(), rows.column("sha256").to_pylist(), strict=True
            )
        )
