"""Several workers make what one makes; what breaks or kills some costs the others nothing."""

from __future__ import annotations

import errno
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from synpic import Workspace, generate_candidates, score_candidates, status
from synpic.engine.progress import Event
from synpic.engine.report import Report
from synpic.engine.shard import Shard
from synpic.engine.task import Work
from synpic.engine.workers.scheduler import run_workers
from synpic.engine.workers.worker import Progress
from synpic.errors import RewardError, StorageError, Unfinished
from synpic.generate import drawing_task as drawing
from synpic.pipeline.ingesting import ingest_workspace
from synpic.pipeline.inventory import take_inventory
from synpic.pipeline.tasks import drawing_tasks, scoring_tasks
from synpic.workspace.storage import Store
from tests.conftest import MakeRecipe, corrupt_parts
from tests.engine.threads import Dies, Threads
from tests.fakes import Painter


class Mortal(Painter):
    """Dies of a prompt; of any, if its settings say so."""

    def draw(self, prompts: Sequence[str], *rest: object) -> np.ndarray:
        if any(prompt in self.settings.call.get("dies_of", []) for prompt in prompts):
            raise Dies
        return super().draw(prompts, *rest)  # type: ignore[arg-type]


class Stillborn(Painter):
    def __init__(self, *arguments: object) -> None:
        raise Dies


def mortal(text: str, family: str = "Mortal") -> str:
    """Model a drawn by a family of this module."""
    return text.replace("tests.fakes:Painter", f"tests.engine.test_workers:{family}", 1)


def generate(
    workspace: Workspace,
    slots: int = 2,
    stop: threading.Event | None = None,
    retry_failed: bool = False,
    shard: str = "1/1",
    events: list[Event] | None = None,
) -> tuple[Report, Threads]:
    share = Shard.parse(shard)
    tasks, _ = drawing_tasks(workspace, retry_failed=retry_failed, shard=share)
    pool = Threads(tasks, slots)
    listener = None if events is None else events.append
    return run_workers(pool, "generate", tasks, listener, stop), pool


def score(workspace: Workspace, together: bool, slots: int = 2) -> Report:
    tasks, _ = scoring_tasks(workspace)
    return run_workers(Threads(tasks, slots), "score", tasks, None, None, together)


def table(workspace: Workspace) -> pl.DataFrame:
    rows = take_inventory(Workspace.open(workspace.store.root)).scored()
    found = [name for name in rows.columns if name.startswith("score_")]
    columns = ["candidate_id", "prompt_id", "model", "sample", "seed", "sha256", "batch_size"]
    return rows.select(*columns, *found).sort("candidate_id")


def nothing_twice(workspace: Workspace) -> bool:
    counts = status(Workspace.open(workspace.store.root)).counts
    return not any(count.doubled for count in counts) and corrupt_parts(workspace) == []


def made(report: Report) -> list[tuple[str, int, int, int]]:
    return [(o.name, o.made, o.failed, o.left) for o in report.outcomes]


@pytest.fixture
def alone(tmp_path: Path, recipe: MakeRecipe) -> Workspace:
    """What one process makes."""
    workspace = Workspace.create(tmp_path / "alone", recipe(prompts=30, samples=2))
    generate_candidates(workspace)
    score_candidates(workspace)
    return workspace


@pytest.mark.parametrize("together", [True, False])
def test_three_workers_make_what_one_makes(
    tmp_path: Path, recipe: MakeRecipe, alone: Workspace, together: bool
) -> None:
    workspace = Workspace.create(tmp_path / "set", recipe(prompts=30, samples=2))
    report, pool = generate(workspace, 3)
    assert made(report) == [("a", 60, 0, 0), ("b", 30, 0, 0)]
    assert sorted(pool.started) == [0, 1, 2]
    assert made(score(workspace, together, 3)) == [("red", 90, 0, 0), ("blue", 90, 0, 0)]
    assert table(workspace).equals(table(alone))
    assert table(workspace).null_count().sum_horizontal().item() == 0
    assert nothing_twice(workspace)


def test_given_images_are_gathered_by_several(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for n in range(200):
        noise = np.random.default_rng(n).integers(0, 256, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"{n:03}.png")
        (folder / f"{n:03}.txt").write_text(f"prompt {n // 2}")
    workspace = ingest_workspace(tmp_path / "set", ["tests.fakes:redness"], images=str(folder))
    report, _ = generate(workspace, 2)
    assert [(o.made, o.left) for o in report.outcomes] == [(200, 0)]
    assert made(score(workspace, together=False)) == [("redness", 200, 0, 0)]
    assert nothing_twice(workspace)


def test_shares_of_several_workers_are_the_whole(
    tmp_path: Path, recipe: MakeRecipe, alone: Workspace
) -> None:
    workspace = Workspace.create(tmp_path / "set", recipe(prompts=30, samples=2))
    first, _ = generate(workspace, 2, shard="1/2")
    assert all(left > 0 for *_, left in made(first))
    second, _ = generate(workspace, 2, shard="2/2")
    assert all(left == 0 for *_, left in made(second))
    score(workspace, together=True)
    assert table(workspace).equals(table(alone))
    assert nothing_twice(workspace)


def test_what_was_begun_is_finished_in_the_same_company(
    tmp_path: Path, recipe: MakeRecipe, alone: Workspace
) -> None:
    workspace = Workspace.create(tmp_path / "set", recipe(prompts=30, samples=2))
    generate_candidates(workspace, shard=Shard(1, 3))
    workspace.store.fs.rm_file(
        workspace.store.path(workspace.parts(workspace.folders("candidates")[0])[0])
    )
    report, _ = generate(workspace)
    assert all(left == 0 for *_, left in made(report))
    score(workspace, together=False)
    assert table(workspace).equals(table(alone))
    assert nothing_twice(workspace)


def test_a_prompt_that_kills_three_workers_gets_a_reason_and_the_rest_is_made(
    tmp_path: Path, recipe: MakeRecipe
) -> None:
    text = mortal(recipe(prompts=40, a='call = { dies_of = ["prompt 0-21"] }'))
    workspace = Workspace.create(tmp_path / "set", text)
    report, pool = generate(workspace)
    assert made(report) == [("a", 36, 4, 0), ("b", 40, 0, 0)]
    assert len(pool.started) in (4, 5), "the last death may have left nothing to do"
    ((_, name, reason, number),) = status(workspace).failures
    assert (name, number) == ("a", 4)
    assert reason == "3 workers died while they ran it, the last one by exit code -9"
    assert nothing_twice(workspace)
    again, pool = generate(workspace)
    assert made(again) == [("a", 0, 0, 0), ("b", 0, 0, 0)]
    assert again.outcomes[0].already == 40


def test_a_model_that_kills_whoever_opens_it_is_broken_and_the_other_is_made(
    tmp_path: Path, recipe: MakeRecipe
) -> None:
    workspace = Workspace.create(tmp_path / "set", mortal(recipe(prompts=12), "Stillborn"))
    events: list[Event] = []
    report, _ = generate(workspace, events=events)
    a, b = report.outcomes
    assert (b.made, b.broken) == (12, None)
    assert str(a.broken) == "4 workers in a row died at it, the last one by exit code -9"
    assert (a.made, a.failed, a.left) == (0, 0, 12)
    assert {e.name: e.state for e in events} == {"a": "broken", "b": "done"}
    assert any("another takes its place" in remark for remark in report.remarks)
    assert report.as_dict()["remarks"] == report.remarks
    assert {f"a: {e.news}" for e in events if e.news} == set(report.remarks)
    with pytest.raises(Unfinished, match="4 workers in a row died at it"):
        report.raise_if_unfinished()


def test_a_model_that_does_not_open_is_told_once_and_the_other_is_made(
    tmp_path: Path, recipe: MakeRecipe
) -> None:
    text = recipe(prompts=12).replace("fakes:Painter", "fakes:Raises", 1)
    workspace = Workspace.create(tmp_path / "set", text)
    report, pool = generate(workspace)
    a, b = report.outcomes
    assert (b.made, b.broken) == (12, None)
    assert "model 'a' cannot be opened: FileNotFoundError: no weights here" in str(a.broken)
    assert len(pool.started) == 2, "none died of it"


def test_a_model_that_fails_everywhere_condemns_nothing(tmp_path: Path, recipe: MakeRecipe) -> None:
    text = recipe(prompts=120, a='call = { refuse = ["prompt"] }')
    workspace = Workspace.create(tmp_path / "set", text)
    report, _ = generate(workspace)
    a, b = report.outcomes
    assert (b.made, b.broken) == (120, None)
    assert "batches in a row failed in every image" in str(a.broken)
    assert (a.made, a.failed, a.left) == (0, 0, 120)
    assert workspace.failures("generate").is_empty()


def test_a_stretch_that_fails_breaks_nothing_and_the_rest_is_made(
    tmp_path: Path, recipe: MakeRecipe
) -> None:
    """Neighbours may have a fault in common: each worker tries one from elsewhere, in time."""
    refused = [f"prompt 0-{n}" for n in range(200, 300)]
    text = recipe(prompts=600, a=f"call = {{ refuse = {refused} }}")
    workspace = Workspace.create(tmp_path / "set", text)
    report, _ = generate(workspace, 3)
    a, _ = report.outcomes
    assert a.broken is None
    assert (a.made + a.failed, a.left) == (600, 0)
    assert a.failed >= 100
    assert a.failed == status(workspace).counts[0].failed
    assert nothing_twice(workspace)


def test_parts_that_a_listing_does_not_show_yet_are_not_made_again(
    tmp_path: Path, recipe: MakeRecipe
) -> None:
    """On NFS it may be a minute old."""
    text = recipe(prompts=40, a='call = { refuse = ["prompt 0-21"] }')
    workspace = Workspace.create(tmp_path / "set", text)
    tasks, _ = drawing_tasks(workspace)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Workspace, "parts", lambda self, folder: [])
        report = run_workers(Threads(tasks, 2), "generate", tasks)
    assert made(report) == [("a", 39, 1, 0), ("b", 40, 0, 0)]
    assert nothing_twice(workspace)


def test_a_disk_that_is_away_for_a_moment_ends_nobody_for_good(
    tmp_path: Path, recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = Workspace.create(tmp_path / "set", recipe(prompts=40))
    tasks, _ = drawing_tasks(workspace)
    write, failures = Store.write, [errno.ESTALE]

    def stale(self: Store, name: str, data: bytes) -> None:
        with self.raising_storage_errors(name):
            if name.startswith("candidates") and failures:
                raise OSError(failures.pop(), "Stale file handle")
        write(self, name, data)

    monkeypatch.setattr(Store, "write", stale)
    pool = Threads(tasks, 1)
    report = run_workers(pool, "generate", tasks)
    assert pool.started == [0, 0]
    assert made(report) == [("a", 40, 0, 0), ("b", 40, 0, 0)]
    (remark,) = report.remarks
    assert "Stale file handle; another takes its place" in remark
    assert nothing_twice(workspace)


def test_a_reward_that_breaks_leaves_its_work_to_others_at_once(
    tmp_path: Path, recipe: MakeRecipe
) -> None:
    workspace = Workspace.create(tmp_path / "set", recipe(prompts=200))
    generate_candidates(workspace)
    tasks, _ = scoring_tasks(workspace)
    broken = next(number for number, task in enumerate(tasks) if task.name == "blue")
    tasks[broken].opener = replace(tasks[broken].opener, open=_breaks)
    pool = Threads(tasks, 1)
    report = run_workers(pool, "score", tasks, together=True)
    red, blue = sorted(report.outcomes, key=lambda outcome: -outcome.made)
    assert (red.made, blue.made) == (400, 0)
    assert "no such reward" in str(blue.broken)
    results = [result for *_, result in pool.calls if isinstance(result, Progress)]
    ended = [result.ended for result in results if result.ended]
    assert ended[0][0].task == broken
    assert results.index(next(r for r in results if r.ended)) < len(results) - 1


def _breaks(device: str, environment: str) -> Work:
    raise RewardError("no such reward")


def test_a_prompt_that_fails_has_a_reason_and_can_be_tried_again(
    tmp_path: Path, recipe: MakeRecipe
) -> None:
    text = recipe(prompts=40, a='call = { refuse = ["prompt 0-21", "prompt 0-3"] }')
    workspace = Workspace.create(tmp_path / "set", text)
    report, _ = generate(workspace)
    assert report.outcomes[0].failed == status(workspace).counts[0].failed > 1
    assert all(left == 0 for *_, left in made(report))
    again, _ = generate(workspace, retry_failed=True)
    assert again.outcomes[0].failed == report.outcomes[0].failed
    assert set(workspace.failures("generate")["attempts"]) == {2}


def test_a_model_that_kills_everyone_leaves_what_was_made_and_the_other_is_made(
    tmp_path: Path, recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawing, "PART_IMAGES", 4)  # a part holds a batch: some are written
    every = [f"prompt 0-{n}" for n in range(12, 60)]
    text = mortal(recipe(prompts=60, a=f"call = {{ dies_of = {every} }}"))
    workspace = Workspace.create(tmp_path / "set", text)
    report, _ = generate(workspace)
    a, b = report.outcomes
    assert (b.made, b.broken) == (60, None)
    assert a.left > 0
    assert str(a.broken) == "4 workers in a row died at it, the last one by exit code -9"
    assert status(workspace).counts[0].done == a.made > 0
    with pytest.raises(Unfinished, match="4 workers in a row died"):
        report.raise_if_unfinished()


def test_a_stop_keeps_whole_batches_and_the_next_run_goes_on(
    tmp_path: Path, recipe: MakeRecipe, alone: Workspace
) -> None:
    workspace = Workspace.create(tmp_path / "set", recipe(prompts=30, samples=2))
    stop = threading.Event()
    tasks, _ = drawing_tasks(workspace)

    def listen(event: Event) -> None:
        if event.state == "working":
            stop.set()

    report = run_workers(Threads(tasks, 2), "generate", tasks, listener=listen, stop=stop)
    assert report.stopped
    assert sum(left for *_, left in made(report)) > 0
    assert all(outcome.broken is None for outcome in report.outcomes)
    done = sum(count.done for count in status(workspace).counts if count.stage == "generate")
    assert done == sum(number for _, number, *_ in made(report))
    generate(workspace)
    score(workspace, together=True)
    assert table(workspace).equals(table(alone))
    assert nothing_twice(workspace)


def test_a_full_disk_ends_the_run_for_all_and_says_so(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks, _ = drawing_tasks(workspace)

    def full(self: Store, name: str, data: bytes) -> None:
        with self.raising_storage_errors(name):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Store, "write", full)
    pool = Threads(tasks, 2)
    with pytest.raises(StorageError, match="No space left on device"):
        run_workers(pool, "generate", tasks)
    assert len(pool.started) == 2


def test_progress_is_of_all_and_ends_at_the_whole(tmp_path: Path, recipe: MakeRecipe) -> None:
    workspace = Workspace.create(tmp_path / "set", recipe(prompts=40))
    events: list[Event] = []
    generate(workspace, events=events)
    for name in "ab":
        mine = [event for event in events if event.name == name]
        assert mine[0].state == "opening"
        assert [event.state for event in mine].count("done") == 1
        assert (mine[-1].state, mine[-1].done, mine[-1].total) == ("done", 40, 40)
        assert {event.total for event in mine} == {40}
        assert all(event.done <= 40 for event in mine)
