"""Progress of tasks that several workers share."""

from __future__ import annotations

from synpic import Workspace
from synpic.engine.progress import Event
from synpic.engine.workers.scheduler import run_workers
from synpic.pipeline.tasks import drawing_tasks
from tests.conftest import MakeRecipe, edit
from tests.engine.threads import Threads


def test_two_sizes_of_a_model_are_two_things_to_several_workers(
    workspace: Workspace, recipe: MakeRecipe
) -> None:
    edit(workspace, recipe(a="sizes = ['16x8', '24x24']"))
    events: list[Event] = []
    for already in (0, 10):
        tasks, _ = drawing_tasks(workspace)
        report = run_workers(Threads(tasks, 2), "generate", tasks, events.append)
        assert [(o.name, o.size, o.already, o.left) for o in report.outcomes] == [
            ("a", "16x8", already, 0),
            ("a", "24x24", already, 0),
            ("b", None, already, 0),
        ]
    last = {event.key: event for event in events if event.total}
    assert {key: (event.state, event.done) for key, event in last.items()} == {
        ("generate", "a", "16x8"): ("done", 10),
        ("generate", "a", "24x24"): ("done", 10),
        ("generate", "b", None): ("done", 10),
    }


def test_what_failed_before_is_counted_by_several_workers_as_by_one(
    workspace: Workspace, recipe: MakeRecipe
) -> None:
    edit(workspace, recipe(a="call = { nan = ['0-3'] }"))
    found = []
    for _ in range(2):
        tasks, _ = drawing_tasks(workspace)
        report = run_workers(Threads(tasks, 2), "generate", tasks)
        found.append([(o.failed, o.failed_before) for o in report.outcomes])
    assert found == [[(1, 0), (0, 0)], [(0, 1), (0, 0)]]
