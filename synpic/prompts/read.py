"""From the recipe's ``[prompts]`` to a source of prompts."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from synpic import ids
from synpic.errors import CheckpointError, PromptError, PromptsGone, did_you_mean
from synpic.hub import checkpoints
from synpic.hub.lock import Lock
from synpic.prompts.files import content_hash, require_file
from synpic.prompts.fold import PromptTable, fold
from synpic.prompts.hub import read_dataset
from synpic.prompts.joined import may_be_joined, read_joined
from synpic.prompts.source import PromptSource
from synpic.prompts.suites.opening import SUITE_SPLIT, open_suite
from synpic.prompts.tabular import read_table
from synpic.prompts.text import read_text
from synpic.prompts.world import read_world
from synpic.readers.tables import ENDINGS
from synpic.recipe import PromptSettings
from synpic.recipe.suite import SuiteSettings
from synpic.registry import WORLDS
from synpic.workspace import Snapshot, Workspace

__all__ = ["FILES", "open_source", "read_prompts"]

_TEXT = (".txt", ".text")
FILES = _TEXT + ENDINGS
"""Endings of files of prompts."""
_TAKEN = {
    "world": {"split", "count", "seed", "keep"},
    "dataset": {"config", "revision", "column", "split", "count", "keep"},
    "text file": {"split", "count"},
    "tabular file": {"column", "split", "count", "keep"},
}


def read_prompts(settings: PromptSettings | SuiteSettings, snapshot: Snapshot) -> PromptTable:
    """Read prompts from where ``settings`` say; nothing is written but recipe.lock.

    Raises:
        PromptError, EvaluationError, CheckpointError, UnknownName: the source cannot be read.
    """
    if isinstance(settings, SuiteSettings):
        return fold(open_suite(settings, snapshot).source, SUITE_SPLIT, None)
    return fold(open_source(settings, snapshot), settings.split, settings.count)


def open_source(settings: PromptSettings, snapshot: Snapshot) -> PromptSource:
    """Find the source and what identifies it, without reading its rows.

    Raises:
        PromptError: there is no such file, or a setting that its kind does not take.
        CheckpointError: there is no such dataset, or the Hub cannot be reached.
        UnknownName: there is no such world.
    """
    if settings.world is not None:
        return _world(settings, settings.world, snapshot.workspace.folder)
    if settings.dataset is not None:
        return _dataset(settings, settings.dataset, snapshot.lock)
    assert settings.file is not None, "PromptSettings holds exactly one of the three"
    return _file(settings, settings.file, snapshot.workspace)


def _world(settings: PromptSettings, name: str, beside: Path) -> PromptSource:
    _check_taken(settings, "world")
    callable_ = WORLDS.load(name, beside)
    if not callable(callable_) or settings.count is None:
        raise PromptError(
            f"world {name!r} is of type {type(callable_).__name__}, which cannot be called",
            hint="name a function: source(*, count, seed, split)",
        )
    where = f"world:{name}"
    count, seed, split, keep = settings.count, settings.seed, settings.split, settings.keep
    return PromptSource(
        f"{where}@seed={seed}",
        # A function has no version to raise: its own text stands in.
        _identity(settings, world=name, seed=seed, code=ids.source_hash(callable_)),
        lambda: read_world(callable_, where, count=count, seed=seed, split=split, keep=keep),
    )


def _dataset(settings: PromptSettings, name: str, lock: Lock) -> PromptSource:
    _check_taken(settings, "dataset")
    entry = checkpoints.resolve(lock, name, settings.revision, kind="dataset")
    try:
        location, commit = checkpoints.load_from(lock.folder, entry)
    except CheckpointError as error:
        raise PromptsGone(error.message, hint=error.hint) from error
    # A folder's path is no business of those who get the dataset.
    shown = name if commit else posixpath.basename(location.rstrip("/"))
    return PromptSource(
        f"{shown}@{entry.identity if commit else ids.short(entry.identity)}",
        _identity(settings, dataset=checkpoints.identity(entry), config=settings.config),
        lambda: read_dataset(
            location,
            commit,
            name,
            config=settings.config,
            split=settings.split,
            column=settings.column,
            keep=settings.keep,
        ),
    )


def _file(settings: PromptSettings, name: str, workspace: Workspace) -> PromptSource:
    suffix = posixpath.splitext(name)[1].lower()
    if suffix not in FILES:
        raise PromptError(
            f"{name}: cannot tell what kind of file {suffix or 'this'} is."
            f"{did_you_mean(suffix, FILES)}",
            hint="prompts are read from .txt (one a line), .csv, .tsv, .jsonl, .json and .parquet",
        )
    _check_taken(settings, "text file" if suffix in _TEXT else "tabular file")
    store, path = workspace.store, require_file(workspace, name)
    content = content_hash(store, path)
    column, keep = settings.column, settings.keep
    plain = column is None and keep is None
    sealed = False
    if suffix == ".parquet":
        with store.open(path) as stream:
            sealed = may_be_joined(stream)

    def batches() -> Iterator[pa.Table]:
        if suffix in _TEXT:
            yield from read_text(store.read(path), name)
            return
        # Every byte is verified, whatever is taken of it.
        joined = read_joined(store, path) if sealed else None
        if plain and joined is not None:
            yield joined
            return
        with store.open(path) as stream:
            yield from read_table(stream, name, column, keep)

    return PromptSource(
        f"{posixpath.basename(path)}@{ids.short(content)}",
        _identity(settings, file=content, suffix=suffix),
        batches,
    )


def _identity(settings: PromptSettings, **source: Any) -> dict[str, Any]:
    """``source`` with every setting that decides rows, whatever the kind; without the unset."""
    inputs = {
        "column": settings.column,
        "split": settings.split,
        "count": settings.count,
    }
    everything = {**source, **inputs, "keep": settings.keep}
    return {key: value for key, value in everything.items() if value is not None}


def _check_taken(settings: PromptSettings, kind: str) -> None:
    given = settings.model_fields_set - {"world", "dataset", "file"} - _TAKEN[kind]
    if given:
        raise PromptError(
            f"prompts.{min(given)}: a {kind} takes no such setting",
            hint=f"it takes: {', '.join(sorted(_TAKEN[kind]))}",
        )
