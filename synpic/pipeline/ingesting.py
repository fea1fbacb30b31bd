"""A workspace for images that exist already, begun by options in the place of a recipe."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from synpic.engine.bars import progress_bars
from synpic.engine.progress import Listener
from synpic.errors import CheckpointError, RecipeError, SynpicError
from synpic.ingest import ensure_index, ingest_recipe
from synpic.recipe import parse_recipe
from synpic.score.reward import resolve_reward
from synpic.workspace import RECIPE, Snapshot, Workspace

__all__ = ["ingest_snapshot", "ingest_workspace"]


def ingest_workspace(
    root: str | os.PathLike[str],
    rewards: Sequence[str] = (),
    listener: Listener | None = None,
    *,
    progress: bool = False,
    **ingest: Any,
) -> Workspace:
    """A workspace at ``root`` for images that exist already: begun, or gone on with.

    Args:
        rewards: names in the registry, or ``package.module:callable``.
        listener: receives progress, while images are found.
        progress: draw a bar meanwhile, as a widget in a notebook, elsewhere on stderr.
        ingest: the keys of a recipe's ``[ingest]``; those that are None are left out.

    Raises:
        RecipeError: they make no recipe; or there is one already, and it says something else.
        IngestError, CheckpointError, UnknownName, RewardError: they name what is not there; then no
            recipe is left behind.
    """
    with progress_bars(progress, listener) as shown:
        return ingest_snapshot(Workspace(root), rewards, shown, **ingest).workspace


def ingest_snapshot(
    workspace: Workspace,
    rewards: Sequence[str] = (),
    listener: Listener | None = None,
    **ingest: Any,
) -> Snapshot:
    """What :func:`ingest_workspace` gives, with its recipe and lock as they were read for that."""
    if not workspace.store.exists(RECIPE):
        workspace.begin(ingest_recipe(rewards, ingest))
        try:
            snapshot = workspace.snapshot()
            _check_rewards(snapshot)
            ensure_index(snapshot, listener)
        except SynpicError:
            # After an option is corrected, the recipe of the mistake must not be in the way.
            workspace.store.remove(RECIPE)
            raise
        return snapshot
    snapshot = workspace.snapshot()
    existing = snapshot.recipe
    if existing.ingest is None:
        raise RecipeError(
            f"{workspace.store} has a {RECIPE} whose images are drawn, not ingested",
            hint="choose another folder for the workspace: -C DIR",
        )
    # Of a recipe that is there, its rewards are good enough where none are named.
    asked = parse_recipe(ingest_recipe(rewards or ["any"], ingest), "the options")
    named = {settings.code or name for name, settings in asked.scoring.items()}
    known = {settings.code or name for name, settings in existing.scoring.items()}
    for what, same in (
        ("[ingest]", existing.ingest == asked.ingest),
        ("the rewards", not rewards or named == known),
    ):
        if not same:
            raise RecipeError(
                f"{workspace.store} has a {RECIPE} that says something else: {what}",
                hint="edit it, and run `synpic score` without these options; or choose another "
                "folder: -C DIR",
            )
    return snapshot


def _check_rewards(snapshot: Snapshot) -> None:
    """Refuse unknown rewards; weights that are not found now may be found later."""
    for name, settings in snapshot.recipe.scoring.items():
        with suppress(CheckpointError):
            resolve_reward(name, settings, snapshot.lock)
