"""A workspace with its recipe and its lock, as they were when a command began."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from synpic.recipe import Recipe
from synpic.workspace.lock import RecipeLock

if TYPE_CHECKING:
    from synpic.workspace.workspace import Workspace

__all__ = ["Snapshot"]


@dataclass(frozen=True, eq=False)
class Snapshot:
    """What a command works from, read once.

    A recipe that is edited while the command runs counts for the next command.

    Args:
        workspace: where parts are read and written.
        recipe: what is wanted.
        recipe_text: the same, as it was written.
        lock: what its names resolved to; names that are resolved for the first time are added.
    """

    workspace: Workspace
    recipe: Recipe
    recipe_text: str
    lock: RecipeLock

    def snapshot(self) -> Snapshot:
        """Itself: a function that takes a workspace or a snapshot asks either for this."""
        return self
