"""The steps of the main job, each a function of a workspace. The commands call these.

Ranking and publishing have rooms of their own (``rankings``, ``publish``).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Sequence

from synpic.engine.device import pick_device
from synpic.engine.progress import Listener
from synpic.engine.report import Outcome, Report
from synpic.engine.run import run_tasks
from synpic.engine.shard import WHOLE, Shard
from synpic.engine.task import Task
from synpic.errors import CheckpointError, RecipeError, SynpicError, WorkspaceError
from synpic.generate.loop import drawing_task
from synpic.generate.model import wanted
from synpic.inventory import Inventory, take_inventory
from synpic.prompts import ensure_prompts
from synpic.recipes import preset
from synpic.score.loop import scoring_task
from synpic.score.ready import ReadyImages
from synpic.workspace import Workspace

__all__ = [
    "drawing_tasks",
    "generate_candidates",
    "init_workspace",
    "score_candidates",
    "scoring_tasks",
]


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


def generate_candidates(
    workspace: Workspace,
    *,
    only: Sequence[str] | None = None,
    shard: Shard = WHOLE,
    device: str | None = None,
    retry_failed: bool = False,
    listener: Listener | None = None,
    stop: threading.Event | None = None,
) -> Report:
    """Draw every image the recipe wants and the workspace lacks.

    Killed at any moment and called again, it goes on; called twice at once, it shares the work.

    Args:
        only: names of models; all of the recipe's if None.
        shard: the share of the work that is ours.
        device: as torch names it; the first accelerator, else the CPU, if None.
        retry_failed: take up again what has a failure row.
        listener: is told of progress.
        stop: when set, the batch in hand is finished and kept, and the rest left.

    Returns:
        What came of each model. One whose weights are not to be had, or that cannot be opened, is
        named in its outcome and does not stop the others.

    Raises:
        RecipeError, UnknownName, PromptError: the recipe cannot be followed.
        StorageError: the disk is full; what was drawn before is kept.
    """
    tasks, broken = drawing_tasks(workspace, only=only, shard=shard, retry_failed=retry_failed)
    report = run_tasks("generate", tasks, pick_device(device), listener, stop)
    report.outcomes += broken
    return report


def score_candidates(
    workspace: Workspace,
    *,
    only: Sequence[str] | None = None,
    shard: Shard = WHOLE,
    device: str | None = None,
    retry_failed: bool = False,
    together: bool | None = None,
    listener: Listener | None = None,
    stop: threading.Event | None = None,
) -> Report:
    """Give every image that is there and wanted the score of every reward.

    Args:
        only: names of rewards; all of the recipe's if None.
        shard, device, retry_failed, listener, stop: as for :func:`generate_candidates`.
        together: open all rewards at once, so that each image is decoded once for all of them. If
            None, where there is an accelerator: one that has no room for it there waits its turn,
            while a host that runs out of memory kills whoever asked.

    Returns:
        What came of each reward. One whose weights are not to be had, that cannot be opened, or
        whose scores cannot be trusted, is named in its outcome and does not stop the others.

    Raises:
        RecipeError, UnknownName, RewardError: the recipe names no reward, or what is none.
        WorkspaceError: nothing has been drawn yet.
        StorageError: the disk is full; what was scored before is kept.
    """
    tasks, broken = scoring_tasks(workspace, only=only, shard=shard, retry_failed=retry_failed)
    device = pick_device(device)
    if together is None:
        together = device != "cpu"
    report = run_tasks("score", tasks, device, listener, stop, together)
    report.outcomes += broken
    return report


def drawing_tasks(
    workspace: Workspace,
    *,
    only: Sequence[str] | None = None,
    shard: Shard = WHOLE,
    retry_failed: bool = False,
) -> tuple[list[Task], list[Outcome]]:
    """What :func:`generate_candidates` would do, and the models that it could not."""
    ensure_prompts(workspace)
    inventory = take_inventory(workspace)
    names = _chosen(inventory, "models", inventory.recipe.models, only)
    return [
        drawing_task(
            workspace,
            model,
            wanted(inventory.recipe, model, inventory.prompts),
            shard,
            retry_failed,
        )
        for model in inventory.models
        if model.name in names
    ], _broken(inventory, "models", names)


def scoring_tasks(
    workspace: Workspace,
    *,
    only: Sequence[str] | None = None,
    shard: Shard = WHOLE,
    retry_failed: bool = False,
) -> tuple[list[Task], list[Outcome]]:
    """What :func:`score_candidates` would do, and the rewards that it could not."""
    inventory = take_inventory(workspace)
    if not inventory.recipe.rewards:
        raise RecipeError(
            "the recipe names no reward", hint="add [rewards.NAME]; see `synpic list rewards`"
        )
    names = _chosen(inventory, "rewards", inventory.recipe.rewards, only)
    candidates = inventory.candidates()
    if candidates.is_empty():
        raise WorkspaceError(
            f"{workspace.store} holds no image the recipe wants", hint="run `synpic generate` first"
        )
    images = ReadyImages(workspace.images(inventory.image_folders()))
    return [
        scoring_task(workspace, reward, candidates, images, shard, retry_failed)
        for reward in inventory.rewards
        if reward.name in names
    ], _broken(inventory, "rewards", names)


def _chosen(
    inventory: Inventory, kind: str, known: Iterable[str], only: Sequence[str] | None
) -> list[str]:
    """The names to work on: mistakes among them end the run before it costs anything."""
    names = list(known)
    for name in only or ():
        if name not in names:
            raise SynpicError(
                f"the recipe has no {kind.removesuffix('s')} {name!r}",
                hint=f"it has: {', '.join(names)}",
            )
    chosen = list(only) if only else names
    for name in chosen:
        if not isinstance(inventory.unresolved.get(f"{kind}.{name}"), CheckpointError | None):
            inventory.require(kind, [name])
    return chosen


def _broken(inventory: Inventory, kind: str, names: Sequence[str]) -> list[Outcome]:
    """Weights that are not to be had now may be later: nothing that stops the others."""
    return [
        Outcome(name, wanted=0, broken=inventory.unresolved[f"{kind}.{name}"])
        for name in names
        if f"{kind}.{name}" in inventory.unresolved
    ]
