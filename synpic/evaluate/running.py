"""An evaluation from its recipe: what is missing is drawn, scored and judged, then compared."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass, field

from synpic.engine.progress import Listener
from synpic.engine.report import Report
from synpic.engine.workers.engines import HERE, Engine
from synpic.errors import CheckpointError, EvaluationError, Stopped
from synpic.pipeline.steps import generate_candidates, score_candidates
from synpic.score.judges.wanted import resolve_judge
from synpic.score.reward import resolve_reward
from synpic.workspace import RECIPE, Snapshot, Workspace

__all__ = [
    "HowToRun",
    "begin_evaluation",
    "make_what_is_missing",
    "require_known",
]


@dataclass(frozen=True)
class HowToRun:
    """How missing images are drawn and judged; see :func:`~synpic.pipeline.generate_candidates`."""

    device: str | None = None
    engine: Engine = field(default=HERE)
    retry_failed: bool = False


def begin_evaluation(workspace: Workspace, recipe: str) -> Workspace:
    """A workspace with that recipe: begun, or gone on with.

    Raises:
        EvaluationError: it has another recipe.
        RecipeError, UnknownName, RewardError: the recipe is not valid, or names what is not there;
            then no workspace is left behind.
    """
    if not workspace.store.exists(RECIPE):
        trial = workspace.without_writing()
        trial.begin(recipe)
        require_known(trial.snapshot())
        workspace.begin(recipe)
        return workspace
    if workspace.snapshot().recipe_text != recipe:
        raise EvaluationError(
            f"{workspace.store} holds an evaluation with another recipe",
            hint="name another folder: --into FOLDER; or go on with the one that is there: "
            f"synpic eval -C {workspace.folder}",
        )
    return workspace


def require_known(snapshot: Snapshot) -> None:
    """Refuse unknown judges and rewards; weights that are not found now may be found later."""
    recipe = snapshot.recipe
    for name, reward in recipe.scoring.items():
        with suppress(CheckpointError):
            resolve_reward(name, reward, snapshot.lock)
    for name, judge in recipe.judges.items():
        with suppress(CheckpointError):
            resolve_judge(name, judge, snapshot.lock)


def make_what_is_missing(
    snapshot: Snapshot,
    how: HowToRun,
    *,
    listener: Listener | None = None,
    stop: threading.Event | None = None,
) -> list[Report]:
    """Draw, score and judge what the recipe wants and the workspace lacks.

    Returns:
        What each step came to. Something may be missing still: it is counted in the evaluation.

    Raises:
        Stopped: ``stop`` was set; what was made is kept.
        SynpicError: as the steps do.
    """
    reports = []
    for step in (generate_candidates, score_candidates):
        report = step(
            snapshot,
            device=how.device,
            engine=how.engine,
            retry_failed=how.retry_failed,
            listener=listener,
            stop=stop,
        )
        if report.stopped:
            raise Stopped(
                "stopped; everything finished so far is kept", hint="the same command goes on"
            )
        reports.append(report)
    return reports
