"""``suite.parquet``: what a suite asks of the images of each prompt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from synpic.workspace import tables
from synpic.workspace.naming import damaged
from synpic.workspace.sealing import read_sealed, write_sealed
from synpic.workspace.workspace import SUITE, Workspace

__all__ = ["NO_SUITE", "AskedItem", "SuiteItems", "read_suite", "suite_items", "write_suite"]


@dataclass(frozen=True)
class AskedItem:
    """What a suite asks of the images of one prompt.

    Args:
        item: the suite's own name for it.
        tag: its group; "" without groups.
        spec: JSON, which the judge reads.
    """

    item: str = ""
    tag: str = ""
    spec: str = "{}"


@dataclass(frozen=True)
class SuiteItems:
    """What a workspace's suite asks.

    Args:
        name: of the suite; "" where there is none, and each prompt says all that is asked.
        version: of its items.
        items: prompt id → what is asked.
    """

    name: str
    version: str
    items: Mapping[str, AskedItem]

    @property
    def identity(self) -> dict[str, str] | None:
        """What of it decides a verdict; None where there is no suite."""
        return {"name": self.name, "version": self.version} if self.name else None

    def of(self, prompt_id: str) -> AskedItem:
        """What is asked of a prompt's images; of one that is no item, what it says alone."""
        return self.items.get(prompt_id, _PROMPT_ALONE)


_PROMPT_ALONE = AskedItem()
NO_SUITE = SuiteItems("", "", {})


def read_suite(workspace: Workspace) -> SuiteItems:
    """What the prompts of ``workspace`` ask; :data:`NO_SUITE` where they are no suite.

    Raises:
        CorruptPart: the file is not what was written, holds two suites, or asks two things of one
            prompt.
        NewerSchema, OlderSchema: another version of synpic wrote it.
    """
    store = workspace.store
    if not store.exists(SUITE):
        return NO_SUITE
    table, _ = read_sealed(store, SUITE)
    if table.schema.names != tables.SUITE.names:
        raise damaged(store, SUITE, f"its columns are {', '.join(table.schema.names)}")
    try:
        return suite_items(table)
    except ValueError as error:
        raise damaged(store, SUITE, str(error)) from error


def suite_items(table: pa.Table) -> SuiteItems:
    """What a table of items asks.

    Args:
        table: with the columns of :data:`synpic.workspace.tables.SUITE`.

    Raises:
        ValueError: it holds no suite or two, or asks two things of one prompt.
    """
    named: set[tuple[str, str]] = set()
    items: dict[str, AskedItem] = {}
    for row in table.cast(tables.SUITE).to_pylist():
        named.add((row["suite"], row["version"]))
        asked = AskedItem(row["item"], row["tag"], row["spec"])
        before = items.setdefault(row["prompt_id"], asked)
        if (before.tag, before.spec) != (asked.tag, asked.spec):
            raise ValueError(f"items {before.item!r} and {asked.item!r} ask two things of a prompt")
    if len(named) != 1:
        raise ValueError(f"it holds {len(named)} suites, expected one")
    return SuiteItems(*named.pop(), items)


def write_suite(workspace: Workspace, table: pa.Table) -> None:
    """Replace ``suite.parquet``.

    Args:
        table: with the columns of :data:`synpic.workspace.tables.SUITE`, a row for each item.

    Raises:
        StorageError: nothing was written.
    """
    write_sealed(workspace.store, SUITE, table.cast(tables.SUITE), {})
