"""A workspace that is merged, as it was when the command began."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from synpic.pipeline.inventory import Inventory, take_inventory
from synpic.pipeline.merge.places import Keys, Named, modules_of, named_places
from synpic.workspace import Snapshot, Workspace

__all__ = ["Clash", "RecipeText", "Source", "edited", "open_source"]


@dataclass(frozen=True)
class Clash:
    """Something of which two workspaces say different things.

    Args:
        kind: "recipe", "lock", "prompts", "ingest", "candidates", "scores",
            "verdicts", "comparisons", "suite", "labels", "marks" or "files".
        what: the name, and what each workspace has.
    """

    kind: str
    what: str


@dataclass(frozen=True)
class RecipeText:
    """A recipe with what it names, in the words of the new workspace.

    Args:
        snapshot: its folder, text and lock.
        places: the files and folders that it names.
        modules: files of code beside it that it names.
    """

    snapshot: Snapshot
    places: Sequence[Named]
    modules: Sequence[str]

    @classmethod
    def of(cls, snapshot: Snapshot, target: Path) -> RecipeText:
        """The recipe of a snapshot, for a workspace in ``target``."""
        return cls(snapshot, named_places(snapshot, target), modules_of(snapshot))

    @property
    def data(self) -> dict[str, Any]:
        """The recipe as TOML reads it, with places as the new workspace calls them."""
        parsed = tomllib.loads(self.snapshot.recipe_text.removeprefix("\ufeff"))
        return edited(parsed, {one.keys: one.moved for one in self.places})

    def files(self, *, prompts: bool) -> list[str]:
        """Files of the workspace that go along, by name.

        Args:
            prompts: whether the file of prompts is one.
        """
        along = [one.value for one in self.places if one.along]
        own = [one.value for one in self.places if one.along and one.keys[0] == "prompts"]
        return [name for name in [*along, *self.modules] if prompts or name not in own]


@dataclass(frozen=True)
class Source:
    """One of the workspaces.

    Args:
        name: as the caller calls it.
        inventory: what it wants and has.
        recipe: its recipe for the new workspace.
        held: ``candidate_id`` and ``model`` of every image that it wants and has.
        scored: names of rewards, comparers and judges that it wants and has something of, each with
            its folder.
    """

    name: str
    inventory: Inventory
    recipe: RecipeText
    held: pl.DataFrame
    scored: Mapping[str, str]

    @property
    def workspace(self) -> Workspace:
        """Where its parts are."""
        return self.inventory.workspace

    @property
    def snapshot(self) -> Snapshot:
        """Its recipe and lock."""
        return self.inventory.snapshot


def open_source(name: str, workspace: Workspace, target: Path) -> Source:
    """Take stock of one workspace.

    Args:
        target: the folder of the new one.

    Raises:
        SynpicError: its recipe, lock, prompts or parts cannot be read.
    """
    inventory = take_inventory(workspace)
    # Before parts are listed: what another command writes meanwhile is not asked for.
    held = inventory.candidates().select("candidate_id", "model")
    making = [*inventory.rewards, *inventory.comparers, *inventory.judges]
    rewards = {one.name: one.folder for one in making if workspace.parts(one.folder)}
    return Source(name, inventory, RecipeText.of(inventory.snapshot, target), held, rewards)


def edited(data: dict[str, Any], changes: dict[Keys, Any]) -> dict[str, Any]:
    """``data`` with other values at some keys, all of which are there."""
    for keys, value in changes.items():
        table: Any = data
        for key in keys[:-1]:
            table = table[key]
        table[keys[-1]] = value
    return data
