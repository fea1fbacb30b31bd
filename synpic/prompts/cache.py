"""``prompts.parquet``: the prompts of a workspace, read from their source when that has changed."""

from __future__ import annotations

from typing import Any

import polars as pl
from pydantic import Field

from synpic.errors import CheckpointError, PromptsGone, SynpicError, UnknownName
from synpic.prompts.fold import PromptTable, fold
from synpic.prompts.read import open_source
from synpic.prompts.suites.opening import SUITE_SPLIT, OpenedSuite, open_suite
from synpic.prompts.suites.stored import forget_suite, is_current, stored_suite, write_suite_of
from synpic.readers.json_models import Record
from synpic.workspace import PROMPTS, Snapshot, Workspace, tables
from synpic.workspace.cache import read_cache

__all__ = ["current_prompts", "ensure_prompts", "stored_prompts"]


class _Note(Record):
    """The metadata of ``prompts.parquet``; see :class:`PromptTable`."""

    read: int = Field(ge=0)
    empty: int = Field(ge=0)
    duplicates: int = Field(ge=0)
    identity: dict[str, Any]


def ensure_prompts(snapshot: Snapshot) -> PromptTable:
    """The prompts of a recipe; reads them into ``prompts.parquet`` unless it is up to date.

    Up to date means: made of the same content (a file's hash, a dataset's commit, a world's
    settings) with the same settings. One that cannot be read is made again. Of a recipe with a
    suite, ``suite.parquet`` is kept up to date too.

    Raises:
        PromptError, CheckpointError, UnknownName: the source cannot be read.
        NewerSchema: a later synpic wrote ``prompts.parquet``.
    """
    return _up_to_date(snapshot, stored_prompts(snapshot.workspace))


def current_prompts(snapshot: Snapshot) -> tuple[PromptTable, SynpicError | None]:
    """:func:`ensure_prompts`, or what ``prompts.parquet`` holds where the source is away.

    A workspace that was moved without its prompt file can still be scored, ranked and published.

    Returns:
        The prompts; and what is wrong with their source, where they are not read from it.

    Raises:
        As :func:`ensure_prompts`: PromptError where the source is there and wrong; the others where
            nothing was ever read, or it can no longer be read.
    """
    stored = stored_prompts(snapshot.workspace)
    try:
        return _up_to_date(snapshot, stored), None
    except (PromptsGone, CheckpointError, UnknownName) as error:
        if stored is None:
            raise
        return stored, error


def stored_prompts(workspace: Workspace) -> PromptTable | None:
    """``prompts.parquet`` as it was written; None before that, or where it cannot be read.

    Raises:
        NewerSchema: a later synpic wrote it.
    """
    columns = dict.fromkeys(tables.PROMPTS.names, pl.String)
    found = read_cache(workspace.store, PROMPTS, columns, _Note)
    if found is None:
        return None
    table, note = found
    return PromptTable(table, note.read, note.empty, note.duplicates, note.identity)


def _up_to_date(snapshot: Snapshot, stored: PromptTable | None) -> PromptTable:
    recipe = snapshot.recipe
    if recipe.suite is not None:
        return _of_suite(open_suite(recipe.suite, snapshot), snapshot.workspace, stored)
    assert recipe.prompts is not None, "a recipe without prompts has images, which bring them"
    source = open_source(recipe.prompts, snapshot)
    if stored is not None and stored.identity == source.identity:
        return stored
    prompts = fold(source, recipe.prompts.split, recipe.prompts.count)
    if stored is not None and "suite" in stored.identity:
        forget_suite(snapshot.workspace)
    snapshot.workspace.write_prompts(prompts.table, prompts.note)
    return prompts


def _of_suite(opened: OpenedSuite, workspace: Workspace, stored: PromptTable | None) -> PromptTable:
    """The prompts of a suite; what it asks of their images is written before them."""
    if not is_current(stored_suite(workspace), opened):
        write_suite_of(opened, workspace)
    if stored is not None and stored.identity == opened.identity:
        return stored
    prompts = fold(opened.source, SUITE_SPLIT, None)
    workspace.write_prompts(prompts.table, prompts.note)
    return prompts
