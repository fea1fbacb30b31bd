"""From the recipe's ``[suite]`` to its items."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from synpic import ids
from synpic.errors import EvaluationError
from synpic.prompts.files import content_hash, require_file
from synpic.prompts.source import PromptSource
from synpic.prompts.suites.fetching import content_of, fetch_data
from synpic.prompts.suites.folded import SourcedItem, folded
from synpic.prompts.suites.own_file import read_own
from synpic.prompts.suites.selection import chosen
from synpic.prompts.suites.suite import Suite, SuiteContent, SuiteItem
from synpic.readers.arrow import texts
from synpic.readers.tables import ENDINGS
from synpic.recipe.suite import SuiteSettings
from synpic.registry import SUITES
from synpic.registry.own_code import naming_own_errors
from synpic.workspace import Snapshot, Workspace, tables
from synpic.workspace.suite_images import load_suite

__all__ = ["SUITE_SPLIT", "OpenedSuite", "find_suite", "open_suite"]

SUITE_SPLIT = "test"
"""Of the prompts of a suite."""


@dataclass(frozen=True)
class OpenedSuite:
    """A suite that a recipe asks for; its items are read when they are asked for.

    Args:
        suite: what it is.
        settings: what the recipe asks of it.
        fingerprint_inputs: what decides all of its items: content of lists, edition, code.
        load: reads them.
    """

    suite: Suite
    settings: SuiteSettings
    fingerprint_inputs: Mapping[str, Any]
    load: Callable[[], SuiteContent]

    @cached_property
    def content(self) -> SuiteContent:
        """All items.

        Raises:
            SynpicError: they cannot be fetched, or are no suite.
        """
        return self.load()

    @cached_property
    def items(self) -> list[SuiteItem]:
        """Those that the recipe asks for.

        Raises:
            SynpicError: as :attr:`content`, or no item has a tag that is asked for.
        """
        settings = self.settings
        return chosen(self.content.items, settings.tags, settings.limit, self.suite.name)

    @cached_property
    def version(self) -> str:
        """64 hex digits of all items, whichever the recipe asks for."""
        found = [[one.item, one.prompt, one.tag, one.spec] for one in self.content.items]
        return ids.fingerprint({"items": found})

    @property
    def images(self) -> int:
        """Of each model, for each prompt."""
        return self.settings.images or self.suite.protocol.images

    @property
    def identity(self) -> dict[str, Any]:
        """What decides the items that the recipe asks for; plain JSON values."""
        asked = self.settings.model_dump(include={"limit", "tags", "quirks"}, exclude_none=True)
        return {"suite": self.suite.name, **self.fingerprint_inputs, **asked}

    @property
    def source(self) -> PromptSource:
        """Its prompts, as any other source has them."""
        short = ids.short(ids.fingerprint(self.fingerprint_inputs))
        return PromptSource(f"suite:{self.suite.name}@{short}", self.identity, self._batches)

    def _batches(self) -> Iterator[pa.Table]:
        items = self.items
        columns = {
            "prompt": texts([item.prompt for item in items]),
            "meta_item": texts([item.item for item in items]),
        }
        if any(item.tag for item in items):
            columns["meta_tag"] = texts([item.tag for item in items])
        yield pa.table(columns)

    def table(self) -> pa.Table:
        """The rows of ``suite.parquet``.

        Raises:
            SynpicError: as :attr:`items`.
        """
        items = self.items
        columns = {
            "prompt_id": [ids.prompt_id(item.prompt) for item in items],
            "suite": [self.suite.name] * len(items),
            "version": [self.version] * len(items),
            "item": [item.item for item in items],
            "tag": [item.tag for item in items],
            "spec": [
                json.dumps(item.spec, ensure_ascii=False, sort_keys=True, allow_nan=False)
                for item in items
            ],
        }
        arrays = [texts(columns[name]) for name in tables.SUITE.names]
        return pa.Table.from_arrays(arrays, schema=tables.SUITE)


def find_suite(name: str, beside: Path | None = None) -> Suite:
    """The suite registered as ``name``, or written as package.module:object.

    Args:
        beside: a folder in which modules of one's own are looked for too: the workspace's.

    Raises:
        UnknownName: nothing is called so.
        EvaluationError: what is called so is no suite.
    """
    found = load_suite(name, beside)
    if not isinstance(found, Suite):
        raise EvaluationError(
            f"suite {name!r} is of type {type(found).__name__}, not a Suite",
            hint="name a synpic.prompts.suites.Suite, or a function that gives one",
        )
    return found


def open_suite(settings: SuiteSettings, snapshot: Snapshot) -> OpenedSuite:
    """Find the suite and what decides its items, without reading them.

    Raises:
        UnknownName, EvaluationError: there is no such suite.
        PromptsGone, PromptError: there is no such file.
        CheckpointError: a dataset of it is not on the Hub, or the Hub cannot be reached.
    """
    if settings.file is not None:
        return _own(settings, settings.file, snapshot.workspace)
    name = str(settings.name)
    suite = find_suite(name, snapshot.workspace.folder)
    if settings.quirks is not None and not suite.quirks:
        raise EvaluationError(
            f"suite.quirks: synpic knows of no fault in the official program of {suite.name}",
            hint="take the key out",
        )
    lock, quirks = snapshot.lock, settings.quirks is not None

    def load() -> SuiteContent:
        return _read(suite, fetch_data(suite.places, lock, suite.name, quirks=quirks))

    fingerprint_inputs = {
        "edition": suite.edition,
        "places": content_of(suite.places, lock),
        "code": SUITES.provenance(name, suite.read, whole=True),
    }
    return OpenedSuite(suite, settings, fingerprint_inputs, load)


def _own(settings: SuiteSettings, name: str, workspace: Workspace) -> OpenedSuite:
    stem, suffix = posixpath.splitext(posixpath.basename(name))
    if suffix.lower() not in ENDINGS:
        raise EvaluationError(
            f"{name}: cannot tell what kind of file {suffix or 'this'} is",
            hint="suites are read from .csv, .tsv, .jsonl, .json and .parquet",
        )
    store, path = workspace.store, require_file(workspace, name)

    def load() -> SuiteContent:
        stream: Any
        with store.open(path) as stream:
            return folded(read_own(stream, name))

    suite = Suite(stem, "items of one's own", lambda data: load())
    content = content_hash(store, path)
    return OpenedSuite(suite, settings, {"file": content, "suffix": suffix.lower()}, load)


def _read(suite: Suite, data: Any) -> SuiteContent:
    """What a suite reads of its lists, checked."""
    what = f"suite {suite.name}: its lists cannot be read"
    hint = "a suite reads SuiteData and gives SuiteContent (docs/suites-own.md)"
    with naming_own_errors(what, EvaluationError, hint):
        content = suite.read(data)
        found = [
            SourcedItem(one, f"suite {suite.name}: item {one.item!r}") for one in content.items
        ]
    if not found:
        raise EvaluationError(
            f"suite {suite.name}: no item", hint="a suite has at least one item with a prompt"
        )
    return folded(found, content.remarks)
