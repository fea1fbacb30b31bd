"""The folder that holds what has been made: what is there, and (by anti-join) what is missing.

    my-set/
      recipe.toml          what is wanted
      recipe.lock          what names resolved to
      prompts.parquet
      suite.parquet        of prompts that are a suite: what each asks of its images
      candidates/<model>-<fp8>/part-<hash>-<hash>.parquet
      scores/<reward>-<fp8>/part-<hash>-<hash>.parquet
      verdicts/<judge>-<fp8>/part-<hash>-<hash>.parquet
      comparisons/<comparer>-<fp8>/part-<hash>-<hash>.parquet
      labels/<source>-<fp8>/part-<hash>-<hash>.parquet
      failures/part-<hash>-<hash>.parquet

There is no database and no lock file to go stale. Parts are written whole and never changed, so any
number of processes may work on one workspace at once; what two of them made twice is resolved when
it is read, the same way by everyone (docs/parts.md).
"""

from __future__ import annotations

import copy
import os
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from synpic.errors import StorageError, WorkspaceError
from synpic.recipe import Recipe, parse_recipe
from synpic.workspace import parts as parquet
from synpic.workspace import tables
from synpic.workspace.cache import SET_ASIDE, write_cache
from synpic.workspace.images import ImageReader
from synpic.workspace.lock import RecipeLock
from synpic.workspace.naming import list_parts
from synpic.workspace.parts import frame
from synpic.workspace.sealing import is_sealed
from synpic.workspace.storage import Store
from synpic.workspace.suite_images import with_images_of_suite
from synpic.workspace.unwritten import UnwrittenStore
from synpic.workspace.verification import Verification, verify_files

__all__ = ["Snapshot", "Workspace"]

RECIPE = "recipe.toml"
PROMPTS = "prompts.parquet"
SUITE = "suite.parquet"
INGEST = "ingest.parquet"
OLD_INGEST = "given.parquet"
"""What an earlier synpic called it."""
JOINED = "joined-prompts.parquet"
"""Prompts of workspaces that were merged: a source, which the recipe names."""
JOINED_NOTE = "joined prompts"
"""What its metadata say that it holds."""

_SIZED_PARTS = 32
"""Enough for a mean: a part holds hundreds of images."""


class Workspace:
    """One workspace, local or on any fsspec file system.

    Args:
        root: its folder or address. Use :meth:`open` for one that must exist.
    """

    def __init__(self, root: str | os.PathLike[str] = ".") -> None:
        self.store = Store(root)

    def __repr__(self) -> str:
        return f"Workspace({str(self.store)!r})"

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
        workspace.begin(recipe)
        return workspace

    def begin(self, recipe: str) -> None:
        """Write the first recipe, with which this is a workspace; raises as :meth:`create`."""
        if self.store.exists(RECIPE):
            raise WorkspaceError(
                f"{self.store} has a {RECIPE} already",
                hint="edit it and run the commands again: growing a set is editing its recipe",
            )
        parse_recipe(recipe)
        self.store.write(RECIPE, recipe.encode())

    def without_writing(self) -> Workspace:
        """This workspace, on which what is written stays in memory and goes with the process."""
        unwritten = copy.copy(self)
        unwritten.store = UnwrittenStore(self.store)
        return unwritten

    # -- the want --------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """The recipe and its lock as they are now, for one command: edited, the next follows.

        Raises:
            RecipeError: the recipe cannot be followed.
            NewerSchema, WorkspaceError: recipe.lock is damaged, or a later synpic wrote it.
            StorageError: there is no recipe, or it cannot be read.
        """
        data = self.store.read(RECIPE)
        recipe = parse_recipe(data, self.store.path(RECIPE))
        return Snapshot(
            workspace=self,
            recipe=with_images_of_suite(recipe, self.store, SUITE),
            recipe_text=data.decode("utf-8", errors="surrogateescape"),
            lock=RecipeLock.read(self.store),
        )

    def write_prompts(self, table: pa.Table, note: Mapping[str, Any]) -> None:
        """Replace ``prompts.parquet``; nothing made for a prompt that is gone is lost."""
        write_cache(self.store, PROMPTS, table, note)

    # -- what is there ---------------------------------------------------------------------------

    def write_part(self, folder: str, table: pa.Table, note: Mapping[str, Any]) -> str:
        """Add a part to ``folder`` ("candidates/sdxl-1a2b3c4d") and return its name.

        Raises:
            StorageError: nothing was written.
        """
        return parquet.write_part(self.store, folder, table, note)

    def folders(self, kind: str) -> list[str]:
        """Folders of ``kind`` that exist, wanted or not.

        Args:
            kind: "candidates", "scores", "verdicts", "comparisons" or "labels".
        """
        return [f"{kind}/{name}" for name in self.store.list(kind)]

    def parts(self, folder: str) -> list[str]:
        """The names of the parts in ``folder``.

        Raises:
            OlderSchema: a version of synpic wrote them that was never released.
        """
        return list_parts(self.store, folder)

    def read(
        self, parts: Sequence[str], schema: pa.Schema, columns: Sequence[str] | None = None
    ) -> pl.DataFrame:
        """Rows of all ``parts``, of ``columns`` or of all columns but the pixels.

        Of parts with pixels, the columns that are read are verified; of others, every byte.

        Raises:
            CorruptPart: naming the first part that does not hold what was written, or whose rows
                are not of its folder.
            NewerSchema, OlderSchema: naming the first part that another version of synpic wrote.
        """
        chosen = list(columns) if columns else [n for n in schema.names if n != "image"]
        # Not schema.empty_table(): it makes arrays of lists, for which pyarrow imports pandas.
        empty = pa.Table.from_batches([], pa.schema([schema.field(name) for name in chosen]))
        read = parquet.read_part_columns if "image" in schema.names else parquet.read_part
        with ThreadPoolExecutor(8) as pool:
            rows = list(pool.map(lambda part: read(self.store, part, empty.schema), parts))
        return frame(pa.concat_tables([empty, *rows]))

    def candidates(self, folders: Iterable[str]) -> pl.DataFrame:
        """Candidates of ``folders`` without their pixels, one row each.

        Two rows of one candidate_id (two machines raced) resolve to the smallest sha256; of those
        with the same pixels, to one that is flagged, else to one that was checked.
        """
        parts = [part for folder in folders for part in self.parts(folder)]
        rows = self.read(parts, tables.CANDIDATES).sort(
            "candidate_id", "sha256", "flagged", descending=[False, False, True], nulls_last=True
        )
        return _first_of_equals(rows, ["candidate_id"])

    def scores(self, folder: str, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """Scores of one reward, one row per (candidate_id, sha256); the smaller of two values.

        Args:
            columns: candidate_id, sha256, score and what else is wanted; all if None.
        """
        rows = self.read(self.parts(folder), tables.SCORES, columns)
        keys = ["candidate_id", "sha256"]
        return _first_of_equals(rows.sort(*keys, "score"), keys)

    def verdicts(self, folder: str) -> pl.DataFrame:
        """Verdicts of one judge, one row per (candidate_id, sha256); of two, the harsher one."""
        rows = self.read(self.parts(folder), tables.VERDICTS)
        keys = ["candidate_id", "sha256"]
        return _first_of_equals(rows.sort(*keys, "correct", "score", "reason"), keys)

    def comparisons(self, folder: str) -> pl.DataFrame:
        """What one comparer says: one row per pair and pixels; of two, the smaller probability."""
        rows = self.read(self.parts(folder), tables.COMPARISONS)
        keys = ["left", "right", "sha256_left", "sha256_right"]
        return _first_of_equals(rows.sort(*keys, "probability", "p_forward"), keys)

    def failures(self, stage: str) -> pl.DataFrame:
        """Failures of ``stage``: of each candidate and model or reward, the latest attempt.

        Args:
            stage: "generate" and "ingest" are one: failures of candidates; or "score",
                "judge"; or "compare", whose candidate_id is of two: ``<left>+<right>``.
        """
        rows = self.read(self.parts("failures"), tables.FAILURES)
        keys = ["candidate_id", "name", "fingerprint"]
        return (
            rows.filter(pl.col("stage").is_in(tables.stages_like(stage)))
            .sort(*keys, "attempts", "reason", descending=[False, False, False, True, False])
            .unique(keys, keep="first", maintain_order=True)
        )

    def images(self, folders: Iterable[str]) -> ImageReader:
        """A reader of encoded images by candidate id."""
        return ImageReader(self.store, [part for folder in folders for part in self.parts(folder)])

    def image_sizes(self, folder: str) -> tuple[int, int]:
        """How many images parts of ``folder`` hold, and their bytes in all; no image is read.

        Of many parts some are looked at. A part's name is a hash, so that the first are any.

        Raises:
            CorruptPart, NewerSchema, OlderSchema: as :meth:`read`, of their footers.
        """

        def sizes(part: str) -> tuple[int, int]:
            with parquet.open_part(self.store, part) as opened:
                opened.check_folder()
                return sum(opened.rows_of_groups), opened.image_bytes

        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(sizes, self.parts(folder)[:_SIZED_PARTS]))
        return sum(images for images, _ in found), sum(held for _, held in found)

    def part_metadata(self, part: str) -> tables.PartMetadata:
        """The metadata that a part carries.

        Raises:
            CorruptPart, NewerSchema, OlderSchema: as :meth:`read`, of its footer.
        """
        with parquet.open_part(self.store, part) as opened:
            return opened.metadata

    # -- damage ----------------------------------------------------------------------------------

    def verify(self, on_progress: Callable[[int, int], None] | None = None) -> Verification:
        """Read everything to its last byte, and find what is not what was written.

        Args:
            on_progress: called with the files read so far, and all of them.

        Raises:
            StorageError: a file cannot be read at all.
            NewerSchema, OlderSchema: another version of synpic wrote one.
        """
        kinds = {
            "candidates": tables.CANDIDATES,
            "scores": tables.SCORES,
            "verdicts": tables.VERDICTS,
            "comparisons": tables.COMPARISONS,
            "labels": tables.LABELS,
        }
        expected = {
            part: schema
            for kind, schema in kinds.items()
            for folder in self.folders(kind)
            for part in self.parts(folder)
        }
        expected |= dict.fromkeys(self.parts("failures"), tables.FAILURES)
        sealed = [name for name in (PROMPTS, SUITE, INGEST, OLD_INGEST) if self.store.exists(name)]
        if self._has_joined():
            sealed.append(JOINED)
        return verify_files(self.store, expected, sealed, on_progress)

    def _has_joined(self) -> bool:
        """Whether there are joined prompts, and not a table of others with that name."""
        if not self.store.exists(JOINED):
            return False
        try:
            with self.store.raising_storage_errors(JOINED), self.store.open(JOINED) as stream:
                return is_sealed(stream, JOINED_NOTE)
        except StorageError:  # the next command that reads it names it
            return True

    def set_aside(self, part: str) -> str:
        """Move a damaged part out of the way; what it held counts as missing from then on.

        Made again, it may get the same name and be damaged again: nothing that was set aside is
        replaced.
        """
        target = f"{SET_ASIDE}/{part}"
        if self.store.exists(target):
            target = f"{target}.{uuid.uuid4().hex[:8]}"
        self.store.move(part, target)
        return target


def _first_of_equals(rows: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """Of rows that are next to each other and have equal ``keys``, the first.

    Of sorted rows what ``unique`` gives; that encodes all keys, in several times their memory.
    """
    return rows.filter(
        pl.any_horizontal(pl.col(key).ne_missing(pl.col(key).shift()) for key in keys)
    )


@dataclass(frozen=True, eq=False)
class Snapshot:
    """What a command works from, read once.

    A recipe that is edited while the command runs counts for the next command.

    Args:
        workspace: where parts are read and written.
        recipe: what is wanted; where its prompts are a suite, models draw the suite's number of
            images for each.
        recipe_text: the same, as it was written.
        lock: what its names resolved to; names that are resolved for the first time are added.
    """

    workspace: Workspace
    recipe: Recipe
    recipe_text: str = field(repr=False)
    lock: RecipeLock = field(repr=False)

    def snapshot(self) -> Snapshot:
        """Itself: a function that takes a workspace or a snapshot asks either for this."""
        return self
