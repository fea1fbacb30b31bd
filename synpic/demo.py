"""``synpic demo``: the main job on the embedded world, from prompts to a published folder.

With ``train`` the folder is put to use: a model learns from it, and is measured before and after.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from synpic.engine.progress import Listener
from synpic.engine.report import Report
from synpic.errors import Stopped, WorkspaceError
from synpic.evaluate.evaluation import Evaluation, evaluate_models
from synpic.evaluate.report import record_evaluation
from synpic.pipeline.steps import generate_candidates, init_workspace, score_candidates
from synpic.publish import Release, publish_to
from synpic.recipe import parse_recipe
from synpic.recipe.presets import preset
from synpic.shapes.after import before_after_sheet, examination_recipe
from synpic.shapes.selection import Share, judged, verdict
from synpic.workspace import RECIPE, Workspace

__all__ = ["Demo", "run_demo"]

QUICK_PROMPTS = 48

MODEL = "shapes_mmdit_small"
STEPS, QUICK_STEPS = 400, 4
QUICK_PICTURES = 12
"""Of the model before training, and as many of it after: too few to show a difference."""


_WORDS = """\
purpose = "To try synpic, and to test methods where right and wrong can be computed. A model that \
learns from it draws coloured shapes and nothing else."
made = "By synpic demo: a program makes the prompts, and models of a few megabytes draw them."
limits = "A few shapes and colours in 32×32 pixels. What holds here need not hold for photographs, \
or for taste."
personal_data = "None: no prompt names a person, and the models have seen rendered shapes alone."
terms = "Code and weights of the embedded world are under Apache-2.0."
"""
"""What the author says of the demo's dataset, in its card."""


@dataclass(frozen=True)
class Demo:
    """What a demo made.

    Args:
        verdict: what the ranking selects, according to the world's judge, which is no reward:
            rule → how often the image that it picks of a prompt shows just what was asked for.
        model: the fine-tuned pipeline; None if nothing was to be trained.
        trained: the model after training compared with the model that it was, by the judge.
        picture: prompts with what it drew of them before and after; None without training.
        examination: the workspace of these pictures; None without training.
    """

    workspace: Workspace
    release: Release
    verdict: Mapping[str, Share]
    model: Path | None = None
    trained: Evaluation | None = None
    picture: Path | None = None
    examination: Workspace | None = None


def run_demo(
    folder: str | Path = "synpic-demo",
    *,
    quick: bool = False,
    train: bool = False,
    listener: Listener | None = None,
    stop: threading.Event | None = None,
) -> Demo:
    """Make ``folder/workspace`` and ``folder/dataset``. Stopped and called again, it goes on.

    Args:
        quick: fewer prompts, and next to no training.
        train: fine-tune the smallest model on the dataset into ``folder/training``, have it draw
            the suite ``shapes`` before and after, into ``folder/examination``, and compare.

    Raises:
        WorkspaceError: ``folder`` holds a demo of another size.
        Stopped: ``stop`` was set; what was made is kept.
        SynpicError: as the steps do.
    """
    folder = Path(folder)
    workspace = _workspace(folder / "workspace", _recipe(quick))
    snapshot = workspace.snapshot()
    for step in (generate_candidates, score_candidates):
        _done(step(snapshot, listener=listener, stop=stop))
    release = publish_to(snapshot, folder / "dataset")
    made = Demo(workspace, release, verdict(judged(release.ranked)))
    if not train:
        return made
    model = _train(folder, QUICK_STEPS if quick else STEPS, listener, stop)
    limit = QUICK_PICTURES if quick else None
    asked = examination_recipe(MODEL, "../training/model", limit)
    examination = _workspace(folder / "examination", asked)
    drawn = examination.snapshot()
    for step in (generate_candidates, score_candidates):
        _done(step(drawn, listener=listener, stop=stop))
    trained = evaluate_models(drawn)
    record_evaluation(trained, examination)
    picture = before_after_sheet(drawn, folder / "before-after.png")
    return Demo(workspace, release, made.verdict, model, trained, picture, examination)


def _train(
    folder: Path, steps: int, listener: Listener | None, stop: threading.Event | None
) -> Path:
    """The model, fine-tuned on ``folder/dataset``; one that is there stays."""
    from synpic.release.cards.training import FACTS
    from synpic.train.presets import preset as training_recipe
    from synpic.train.settings import parse_train_recipe
    from synpic.train.training_loop import train

    dataset = json.dumps((folder / "dataset").as_posix(), ensure_ascii=False)
    changes = [
        f"data.dataset={dataset}",
        f'model.model="{MODEL}"',
        f"run.steps={steps}",
        f"optimizer.warmup_steps={min(20, steps // 5)}",
    ]
    recipe = parse_train_recipe(training_recipe("shapes"), "the preset shapes", changes=changes)
    out = folder / "training"
    if (out / "model" / FACTS).exists():
        return out / "model"
    return train(recipe, out, cache=out / "cache", listener=listener, stop=stop).folder


def _workspace(root: Path, text: str) -> Workspace:
    workspace = Workspace(root)
    if not workspace.store.exists(RECIPE):
        return init_workspace(root, text)
    if workspace.snapshot().recipe_text != text:
        raise WorkspaceError(
            f"{root} was made from another recipe", hint="name another folder for this demo"
        )
    return workspace


def _done(report: Report) -> None:
    if report.stopped:
        raise Stopped("stopped; everything finished so far is kept", hint="run the demo again")
    report.raise_if_unfinished()


def _recipe(quick: bool) -> str:
    text = preset("shapes").replace("[publish]\n", f"[publish]\n{_WORDS}")
    if not quick:
        return text
    prompts = parse_recipe(text).prompts
    assert prompts is not None
    count = f"count = {prompts.count}\n"
    assert text.count(count) == 1
    return text.replace(count, f"count = {QUICK_PROMPTS}\n")
