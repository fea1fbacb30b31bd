"""Another run on the same workspace, while a batch is in hand here: each image counts once."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from PIL.Image import Image

from synpic import Workspace, generate_candidates, score_candidates, status
from synpic.engine.progress import Event
from synpic.engine.report import Report
from synpic.engine.shard import Shard
from synpic.engine.workers.scheduler import run_workers
from synpic.generate import drawing_task as drawing
from synpic.pipeline.tasks import drawing_tasks, scoring_tasks
from synpic.score import scoring_task as scoring
from tests.conftest import MakeRecipe, edit
from tests.engine.threads import Threads
from tests.fakes import Painter, redness

IMAGES, BATCH, PART = 40, 4, 8


class Meanwhile:
    """Something that happens once, when a number of batches have begun."""

    batches: ClassVar[int] = 0
    act: ClassVar[Callable[[], object] | None] = None

    @classmethod
    def turn(cls) -> bool:
        """Whether it happened now."""
        cls.batches -= 1
        if cls.batches >= 0 or cls.act is None:
            return False
        act, cls.act = cls.act, None
        act()
        return True


class Interrupted(Painter):
    """Fails of the current batch, if its settings say so, after the other run."""

    def draw(self, prompts: Sequence[str], *rest: object) -> np.ndarray:
        happened = Meanwhile.turn()
        images = super().draw(prompts, *rest)  # type: ignore[arg-type]
        if happened and self.settings.call.get("spoils"):
            images[:] = np.nan
        return images


def interrupted(prompt: str, image: Image) -> float:
    Meanwhile.turn()
    return redness(prompt, image)


@pytest.fixture
def site(
    workspace: Workspace, recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Workspace]:
    """A workspace whose model a and reward red are interrupted; parts are small."""
    monkeypatch.setattr(drawing, "PART_IMAGES", PART)
    monkeypatch.setattr(scoring, "PART_SCORES", PART)

    def make(stage: str, spoils: bool = False) -> Workspace:
        call = "call = { spoils = true }" if spoils else ""
        text = recipe(prompts=IMAGES, a=call).replace("batch_size = 8", f"batch_size = {BATCH}")
        if stage == "score":
            generate_candidates(edit(workspace, text), only=["a"], device="cpu")
            return edit(workspace, text.replace("tests.fakes:redness", f"{__name__}:interrupted"))
        return edit(workspace, text.replace("tests.fakes:Painter", f"{__name__}:Interrupted", 1))

    return make


def run(workspace: Workspace, stage: str, **options: object) -> Report:
    there = Workspace.open(workspace.store.root)
    if stage == "score":
        return score_candidates(there, only=["red"], device="cpu", **options)  # type: ignore[arg-type]
    return generate_candidates(there, only=["a"], device="cpu", **options)  # type: ignore[arg-type]


def another_run(workspace: Workspace, stage: str) -> Callable[[], object]:
    """Make everything, and take it away; what is returned puts it back, as another run would."""
    run(workspace, stage)
    kind = "scores" if stage == "score" else "candidates"
    made, away = Path(workspace.store.path(kind)), Path(workspace.store.path("away"))
    made.rename(away)
    return lambda: shutil.copytree(away, made, dirs_exist_ok=True)


def meanwhile(monkeypatch: pytest.MonkeyPatch, batches: int, act: Callable[[], object]) -> None:
    monkeypatch.setattr(Meanwhile, "batches", batches)
    monkeypatch.setattr(Meanwhile, "act", act)


def sound(report: Report, events: Sequence[Event], images: int = IMAGES) -> None:
    (outcome,) = report.outcomes
    assert (outcome.left, report.stopped, outcome.failed) == (0, False, 0)
    assert outcome.made + outcome.by_others == images
    report.raise_if_unfinished()
    assert all(0 <= event.done <= event.total for event in events)


@pytest.mark.parametrize("stage", ["generate", "score"])
@pytest.mark.parametrize("batches", [1, 4, 8])
def test_what_both_made_is_counted_once(
    site: Callable[..., Workspace], monkeypatch: pytest.MonkeyPatch, stage: str, batches: int
) -> None:
    workspace = site(stage)
    images = BATCH if stage == "score" else 1
    meanwhile(monkeypatch, batches * images, another_run(workspace, stage))
    events: list[Event] = []
    sound(run(workspace, stage, listener=events.append), events)
    kind = "generate" if stage == "generate" else "score"
    counts = {count.name: count for count in status(workspace).counts if count.stage == kind}
    assert counts["a" if stage == "generate" else "red"].done == IMAGES


@pytest.mark.parametrize("stage", ["generate", "score"])
@pytest.mark.parametrize("batches", [0, 3])
def test_a_stop_after_others_made_the_rest_is_no_stop(
    site: Callable[..., Workspace], monkeypatch: pytest.MonkeyPatch, stage: str, batches: int
) -> None:
    workspace, stop = site(stage), threading.Event()
    images = BATCH if stage == "score" else 1

    others = another_run(workspace, stage)

    def act() -> None:
        others()
        stop.set()

    meanwhile(monkeypatch, batches * images, act)
    events: list[Event] = []
    sound(run(workspace, stage, listener=events.append, stop=stop), events)
    assert events[-1].done == events[-1].total


def test_a_stop_after_our_shard_is_no_stop(
    site: Callable[..., Workspace], monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, stop = site("generate"), threading.Event()
    meanwhile(monkeypatch, IMAGES // BATCH // 2 - 1, stop.set)
    report = run(workspace, "generate", stop=stop, shard=Shard.parse("1/2"))
    (outcome,) = report.outcomes
    assert (outcome.made, outcome.left, outcome.other_shards) == (20, 20, 20)
    assert not report.stopped


@pytest.mark.parametrize("workers", [1, 2])
def test_what_fails_here_and_others_made_has_not_failed(
    site: Callable[..., Workspace], monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    workspace = site("generate", spoils=True)
    meanwhile(monkeypatch, 1, another_run(workspace, "generate"))
    events: list[Event] = []
    if workers == 1:
        report = run(workspace, "generate", listener=events.append)
    else:
        tasks, _ = drawing_tasks(workspace, only=["a"])
        report = run_workers(Threads(tasks, workers), "generate", tasks, events.append)
    sound(report, events)


@pytest.mark.parametrize("stage", ["generate", "score"])
@pytest.mark.parametrize("batches", [3])
def test_several_workers_count_each_image_once(
    site: Callable[..., Workspace], monkeypatch: pytest.MonkeyPatch, stage: str, batches: int
) -> None:
    workspace = site(stage)
    images = BATCH if stage == "score" else 1
    meanwhile(monkeypatch, batches * images, another_run(workspace, stage))
    tasks_of = scoring_tasks if stage == "score" else drawing_tasks
    tasks, _ = tasks_of(workspace, only=["red" if stage == "score" else "a"])
    events: list[Event] = []
    report = run_workers(Threads(tasks, 2), stage, tasks, events.append)
    sound(report, events)
