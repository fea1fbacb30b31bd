"""An evaluation from its recipe: what is missing is drawn, scored and judged, then compared."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path

from synpic.engine.progress import Listener
from synpic.engine.report import Report
from synpic.engine.workers.engines import HERE, Engine
from synpic.errors import EvaluationError, Stopped
from synpic.pipeline.steps import generate_candidates, score_candidates
from synpic.workspace import RECIPE, Snapshot, Workspace

__all__ = ["HowToRun", "begin_evaluation", "make_what_is_missing"]


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
        RecipeError: the recipe is not valid.
    """
    if not workspace.store.exists(RECIPE):
        workspace.begin(recipe)
        return workspace
    if workspace.snapshot().recipe_text != recipe:
        raise EvaluationError(
            f"{workspace.store} holds an evaluation with another recipe",
            hint="name another folder: --into FOLDER; or go on with the one that is there: "
            f"synpic eval -C {Path(str(workspace.store)).name}",
        )
    return workspace


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
