"""What there is to do: a task for each model, reward, comparer or judge, of what is missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from synpic.engine.report import Outcome
from synpic.engine.shard import WHOLE, Shard
from synpic.engine.task import Task
from synpic.errors import (
    CheckpointError,
    EvaluationError,
    RecipeError,
    SynpicError,
    WorkspaceError,
)
from synpic.generate.drawing_task import drawing_task
from synpic.generate.image_model import sizes_of
from synpic.ingest import ensure_index, ingest_task
from synpic.pipeline.inventory import Inventory, take_inventory
from synpic.pipeline.pairs import wanted_pairs
from synpic.prompts import ensure_prompts
from synpic.prompts.suites import find_suite
from synpic.readers.display import count
from synpic.recipe.toml import toml_value
from synpic.score.comparing_task import comparing_task
from synpic.score.judging_task import judging_task, require_judgeable
from synpic.score.prefetch import PrefetchedImages
from synpic.score.scoring_task import scoring_task
from synpic.workspace import Snapshot, Workspace

__all__ = [
    "chosen_scorers",
    "comparing_tasks",
    "drawing_tasks",
    "judging_tasks",
    "scoring_tasks",
]


def drawing_tasks(
    workspace: Workspace | Snapshot,
    *,
    only: Sequence[str] | None = None,
    shard: Shard = WHOLE,
    retry_failed: bool = False,
) -> tuple[list[Task], list[Outcome]]:
    """What :func:`~.steps.generate_candidates` would do, and the models that it could not."""
    snapshot = workspace.snapshot()
    recipe = snapshot.recipe
    if recipe.ingest is not None:
        ensure_index(snapshot)
    else:
        ensure_prompts(snapshot)
    inventory = take_inventory(snapshot)
    known = dict.fromkeys([*recipe.models, *(model.name for model in inventory.models)])
    names = _chosen(inventory, dict.fromkeys(known, "models"), only)
    make: Callable[..., Task] = drawing_task if recipe.ingest is None else ingest_task
    return [
        make(snapshot, model, model.wanted(recipe, inventory.prompts), shard, retry_failed)
        for model in inventory.found_models
        if model.name in names
    ], [
        Outcome(name, _images_of(inventory, name), broken=error)
        for name, error in _unresolved(inventory, "models", names)
    ]


def scoring_tasks(
    workspace: Workspace | Snapshot,
    *,
    only: Sequence[str] | None = None,
    shard: Shard = WHOLE,
    retry_failed: bool = False,
) -> tuple[list[Task], list[Outcome]]:
    """What :func:`~.steps.score_candidates` would do, and what it could not.

    That is rewards, and models that are not found and have no image here to score. A warning is
    logged for each model, or source, of which only what was made before can be read.
    """
    inventory = take_inventory(workspace)
    there = inventory.workspace
    names = chosen_scorers(inventory, only)
    inventory.require_readable([])
    inventory.log_remarks(leave_out="rewards")  # the outcomes name these
    candidates = inventory.candidates()
    if candidates.is_empty():
        raise WorkspaceError(
            f"{there.store} holds no image the recipe wants", hint="run `synpic generate` first"
        )
    images = PrefetchedImages(there.images(inventory.image_folders()))
    tasks: list[Task] = []
    broken: list[Outcome] = []
    prompts = dict(candidates.select("prompt_id", "prompt").iter_rows())
    for reward in inventory.found_rewards:
        if reward.name not in names:
            continue
        try:
            if reward.judge is not None:
                require_judgeable(reward, there, prompts, inventory.suite)
        except EvaluationError as error:
            broken.append(Outcome(reward.name, candidates.height, broken=error))
            continue
        tasks.append(
            scoring_task(there, reward, candidates, images, shard, retry_failed, inventory.suite)
        )
    return tasks, [
        *broken,
        *(
            Outcome(name, _images_of(inventory, name), broken=error)
            for name, error in inventory.absent_models.items()
        ),
        *(
            Outcome(name, candidates.height, broken=error)
            for name, error in _unresolved(inventory, "rewards", names)
            if name in inventory.recipe.scoring
        ),
    ]


def comparing_tasks(
    workspace: Workspace | Snapshot,
    *,
    only: Sequence[str] | None = None,
    shard: Shard = WHOLE,
    retry_failed: bool = False,
) -> tuple[list[Task], list[Outcome], list[str]]:
    """What :func:`~.steps.score_candidates` has comparers do once images are scored.

    Returns:
        The tasks; the comparers that could not begin; and a line for each of which some prompts
        wait for scores.
    """
    snapshot = workspace.snapshot()
    if not snapshot.recipe.comparers:
        return [], [], []
    inventory = take_inventory(snapshot)
    names = chosen_scorers(inventory, only)
    scored = inventory.scored()
    there = inventory.workspace
    images = PrefetchedImages(there.images(inventory.image_folders()))
    tasks: list[Task] = []
    remarks: list[str] = []
    broken = [
        Outcome(name, 0, broken=error)
        for name, error in _unresolved(inventory, "rewards", names)
        if name in inventory.recipe.comparers
    ]
    for comparer in inventory.found_comparers:
        if comparer.name not in names:
            continue
        try:
            wanted = wanted_pairs(inventory, comparer.settings, scored)
            if shard == WHOLE:
                wanted.require_any(comparer.name)
        except SynpicError as error:
            broken.append(Outcome(comparer.name, 0, broken=error))
            continue
        if wanted.waiting:
            then = (
                "they are compared when scored"
                if shard == WHOLE
                else "run it once more when every shard has scored"
            )
            remarks.append(
                f"{comparer.name}: scores of {count(wanted.waiting, 'prompt')} are missing, so "
                f"that it is not known which of their images are neighbours; {then}"
            )
        tasks.append(comparing_task(there, comparer, wanted.table, images, shard, retry_failed))
    return tasks, broken, remarks


def judging_tasks(
    workspace: Workspace | Snapshot,
    *,
    only: Sequence[str] | None = None,
    shard: Shard = WHOLE,
    retry_failed: bool = False,
) -> tuple[list[Task], list[Outcome]]:
    """What :func:`~.steps.score_candidates` has judges do, and the judges that could not begin."""
    snapshot = workspace.snapshot()
    if not snapshot.recipe.judges:
        return [], []
    inventory = take_inventory(snapshot)
    names = chosen_scorers(inventory, only)
    candidates = inventory.judged(inventory.candidates())
    there = inventory.workspace
    images = PrefetchedImages(there.images(inventory.image_folders()))
    tasks: list[Task] = []
    broken = [
        Outcome(name, candidates.height, broken=error)
        for name, error in _unresolved(inventory, "judges", names)
    ]
    for judge in inventory.found_judges:
        if judge.name not in names:
            continue
        try:
            tasks.append(
                judging_task(there, judge, candidates, inventory.suite, images, shard, retry_failed)
            )
        except EvaluationError as error:
            broken.append(Outcome(judge.name, candidates.height, broken=error))
    return tasks, broken


def chosen_scorers(inventory: Inventory, only: Sequence[str] | None) -> list[str]:
    """The names of the rewards to score with, the comparers to compare with, the judges to judge.

    Raises:
        RecipeError, UnknownName, RewardError: the recipe names none, or what is none.
        SynpicError: ``only`` names what is not in the recipe.
    """
    recipe = inventory.recipe
    known = dict.fromkeys([*recipe.scoring, *recipe.comparers], "rewards")
    known |= dict.fromkeys(recipe.judges, "judges")
    if not known:
        people = ", ".join(recipe.labelled)
        raise RecipeError(
            "the recipe names no reward"
            + (f" that scores images: {people} ranks by labels" if people else " and no judge"),
            hint=_judges_of_suite(inventory)
            + "add [rewards.NAME]; see `synpic list rewards`"
            + ("; or leave scores out: `synpic generate`, then `synpic rank`" if people else ""),
        )
    for name in only or ():
        if name in recipe.labelled:
            raise RecipeError(
                f"rewards.{name} ranks by labels of pairs, and scores no image",
                hint="`synpic rank` reads labels; leave it out of --only",
            )
    return _chosen(inventory, known, only)


def _judges_of_suite(inventory: Inventory) -> str:
    """What judges the suite of a recipe, as the beginning of a hint; "" without."""
    settings = inventory.recipe.suite
    if settings is None or settings.name is None:
        return ""
    suite = find_suite(settings.name, inventory.workspace.folder)
    tables = [
        f"[judges.{judge}]" + (f" with options = {toml_value(dict(options))}" if options else "")
        for judge, options in suite.judges.items()
    ]
    return f"the suite {suite.name} is judged by {' or '.join(tables)}; else " if tables else ""


def _chosen(
    inventory: Inventory, known: Mapping[str, str], only: Sequence[str] | None
) -> list[str]:
    """The names to work on: mistakes among them end the run before it costs anything.

    Args:
        known: names → the recipe's tables they are in: "models", "rewards" or "judges".
    """
    kinds = [kind.removesuffix("s") for kind in dict.fromkeys(known.values())]
    for name in only or ():
        if name not in known:
            raise SynpicError(
                f"the recipe has no {' or '.join(kinds)} {name!r}",
                hint=f"it has: {', '.join(known)}",
            )
    chosen = list(only) if only else list(known)
    for name in chosen:
        kind = known[name]
        if not isinstance(inventory.unresolved.get(f"{kind}.{name}"), CheckpointError | None):
            inventory.require(kind, [name])
    return chosen


def _unresolved(
    inventory: Inventory, kind: str, names: Sequence[str]
) -> list[tuple[str, SynpicError]]:
    """Weights that are not found now may be found later; they do not stop the others."""
    found = inventory.unresolved_of(kind)
    return [(name, found[name]) for name in dict.fromkeys(names) if name in found]


def _images_of(inventory: Inventory, name: str) -> int:
    settings = inventory.wanted_settings(name)
    return inventory.prompts.height * settings.samples * len(list(sizes_of(settings)))
