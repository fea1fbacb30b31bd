"""``suite.parquet``: what the suite of a workspace asks, read from its lists when they changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import polars as pl
import pyarrow as pa
from pydantic import BeforeValidator, Field, TypeAdapter

from synpic.errors import CheckpointError, PromptsGone, SynpicError, UnknownName
from synpic.prompts.suites.opening import OpenedSuite, open_suite
from synpic.prompts.suites.suite import Aggregated, Protocol
from synpic.readers.json_models import Record
from synpic.workspace import SUITE, Snapshot, Workspace, tables
from synpic.workspace.cache import read_cache, write_cache

__all__ = [
    "StoredSuite",
    "current_suite",
    "ensure_suite",
    "forget_suite",
    "is_current",
    "stored_suite",
    "write_suite_of",
]


@dataclass(frozen=True)
class StoredSuite:
    """What the suite of a workspace asks.

    Args:
        table: the columns of ``tables.SUITE``; a row for each item that the recipe asks for.
        identity: what decided it.
        whole: how many items the suite has.
        images: of each model, for each prompt.
        remarks: what was mended in the suite's lists, or left out.
        aggregated: what the suite's number is.
        protocol: how its makers draw images.
    """

    table: pa.Table
    identity: dict[str, Any]
    whole: int
    images: int
    remarks: Sequence[str]
    aggregated: Aggregated
    protocol: Protocol

    @property
    def name(self) -> str:
        """Of the suite."""
        return str(self.table.column("suite")[0].as_py())

    @property
    def version(self) -> str:
        """64 hex digits of all its items."""
        return str(self.table.column("version")[0].as_py())

    @property
    def partial(self) -> bool:
        """Whether the recipe asks for some of its items alone."""
        return bool(self.table.num_rows < self.whole)


_PROTOCOL = TypeAdapter(Protocol)


class _Note(Record):
    """The metadata of ``suite.parquet``; see :class:`StoredSuite`."""

    identity: dict[str, Any]
    whole: int = Field(ge=1)
    images: int = Field(ge=1)
    remarks: list[str] = Field(default_factory=list)
    aggregated: Aggregated = "images"
    # A strict model takes no dictionary for a dataclass.
    protocol: Annotated[Protocol, BeforeValidator(_PROTOCOL.validate_python)] = Protocol()


def ensure_suite(snapshot: Snapshot) -> StoredSuite:
    """The suite of a recipe; written to ``suite.parquet`` unless it is up to date there.

    One that cannot be read is made again.

    Raises:
        SynpicError: the recipe has none, its lists cannot be read, or a later synpic wrote the
            file.
    """
    return _up_to_date(snapshot, stored_suite(snapshot.workspace))


def current_suite(snapshot: Snapshot) -> tuple[StoredSuite, SynpicError | None]:
    """:func:`ensure_suite`, or what ``suite.parquet`` holds where the suite's lists are away.

    Returns:
        The suite; and what is wrong with its lists, where it is not read from them.

    Raises:
        SynpicError: as :func:`ensure_suite`, where nothing was ever read, or the lists are there
            and wrong.
    """
    stored = stored_suite(snapshot.workspace)
    try:
        return _up_to_date(snapshot, stored), None
    except (PromptsGone, CheckpointError, UnknownName) as error:
        if stored is None:
            raise
        return stored, error


def stored_suite(workspace: Workspace) -> StoredSuite | None:
    """``suite.parquet`` as it was written; None before that, or where it cannot be read.

    Raises:
        NewerSchema: a later synpic wrote it.
    """
    columns = dict.fromkeys(tables.SUITE.names, pl.String)
    found = read_cache(workspace.store, SUITE, columns, _Note)
    if found is None or not found[0].num_rows:
        return None
    table, note = found
    return StoredSuite(
        table,
        note.identity,
        note.whole,
        note.images,
        note.remarks,
        note.aggregated,
        note.protocol,
    )


def write_suite_of(opened: OpenedSuite, workspace: Workspace) -> StoredSuite:
    """Write ``suite.parquet``, in place of what was there.

    Raises:
        SynpicError: the suite's lists cannot be read.
        StorageError: nothing was written.
    """
    made = StoredSuite(
        opened.table(),
        opened.identity,
        len(opened.content.items),
        opened.images,
        list(opened.content.remarks),
        opened.suite.aggregated,
        opened.suite.protocol,
    )
    note = {name: getattr(made, name) for name in _Note.model_fields}
    note["protocol"] = asdict(made.protocol)
    write_cache(workspace.store, SUITE, made.table, note)
    return made


def forget_suite(workspace: Workspace) -> None:
    """Remove ``suite.parquet``, where it is there: the recipe's prompts are no longer a suite.

    Raises:
        StorageError: it cannot be removed.
    """
    if workspace.store.exists(SUITE):
        workspace.store.remove(SUITE)


def is_current(stored: StoredSuite | None, opened: OpenedSuite) -> bool:
    """Whether ``stored`` is what ``opened`` would be written as."""
    return stored is not None and (
        (stored.identity, stored.images, stored.aggregated, stored.protocol)
        == (opened.identity, opened.images, opened.suite.aggregated, opened.suite.protocol)
    )


def _up_to_date(snapshot: Snapshot, stored: StoredSuite | None) -> StoredSuite:
    settings = snapshot.recipe.suite
    assert settings is not None, "asked of recipes with [suite] alone"
    opened = open_suite(settings, snapshot)
    if stored is not None and is_current(stored, opened):
        return stored
    return write_suite_of(opened, snapshot.workspace)
