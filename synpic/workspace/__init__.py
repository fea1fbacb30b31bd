"""The folder that holds what has been made, the tables in it, and how they are read and written."""

from __future__ import annotations

from synpic.workspace.cache import SET_ASIDE
from synpic.workspace.lock import LOCK, RecipeLock
from synpic.workspace.workspace import PROMPTS, RECIPE, SUITE, Snapshot, Workspace

__all__ = [
    "LOCK",
    "PROMPTS",
    "RECIPE",
    "SET_ASIDE",
    "SUITE",
    "RecipeLock",
    "Snapshot",
    "Workspace",
]
