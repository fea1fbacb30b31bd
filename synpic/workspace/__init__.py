"""The folder that holds what has been made, the tables in it, and how they are read and written."""

from __future__ import annotations

from synpic.workspace.workspace import RECIPE, SET_ASIDE, LockEntry, Workspace

__all__ = ["RECIPE", "SET_ASIDE", "LockEntry", "Workspace"]
