"""The steps of the main job, each a function of a workspace. The commands call these."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence

from synpic.engine.progress import Listener
from synpic.engine.report import Report
from synpic.engine.shard import WHOLE, Shard
from synpic.errors import RecipeError, WorkspaceError
from synpic.generate.loop import generate_candidates
from synpic.inventory import take_inventory
from synpic.prompts import current_prompts
from synpic.recipes import preset
from synpic.score.loop import run_rewards
from synpic.workspace import Workspace

__all__ = ["generate_candidates", "init_workspace", "score_candidates"]


def init_workspace(
    root: str | os.PathLike[str], recipe: str | None = None, *, from_preset: str = "shapes"
) -> Workspace:
    """Begin a workspace at ``root``.

    Args:
        recipe: the text of a recipe; the preset's if None.
        from_preset: "shapes" or "syn-pic".

    Raises:
        WorkspaceError: there is one already.
        RecipeError, UnknownName: there is no such recipe.
    """
    return Workspace.create(root, preset(from_preset) if recipe is None else recipe)


def score_candidates(
    workspace: Workspace,
    *,
    only: Sequence[str] | None = None,
    shard: Shard = WHOLE,
    device: str | None = None,
    retry_failed: bool = False,
    listener: Listener | None = None,
    stop: threading.Event | None = None,
) -> Report:
    """Score every candidate that is there and wanted, with every reward of the recipe.

    Args and returns are those of :func:`synpic.score.loop.run_rewards`.

    Raises:
        RecipeError, UnknownName, CheckpointError: it names no reward, or one that is not to be had.
        WorkspaceError: nothing has been drawn yet.
    """
    current_prompts(workspace)
    inventory = take_inventory(workspace)
    inventory.require(only or inventory.recipe.rewards)
    if not inventory.rewards:
        raise RecipeError(
            "the recipe names no reward", hint="add [rewards.NAME]; see `synpic list rewards`"
        )
    candidates = inventory.candidates()
    if candidates.is_empty():
        raise WorkspaceError(
            f"{workspace.store} holds no image the recipe wants", hint="run `synpic generate` first"
        )
    return run_rewards(
        workspace,
        candidates,
        workspace.images(inventory.image_folders()),
        inventory.rewards,
        only=only,
        shard=shard,
        device=device,
        retry_failed=retry_failed,
        listener=listener,
        stop=stop,
    )
