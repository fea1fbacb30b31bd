"""Whatever workers do and whenever they die: all is done once, and each task ends as it should."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synpic.engine.progress import Event
from synpic.engine.task import Key
from synpic.engine.workers import leases, task_queue
from synpic.engine.workers.leases import IN_A_ROW, Leases
from synpic.engine.workers.worker import Ended, Progress, Unable, WorkerDied
from synpic.errors import ModelError, StorageError
from tests.engine.workers.simulated import Simulation, Worker, task

DIED = WorkerDied("exit code -9")


@settings(max_examples=150)
@given(
    sizes=st.lists(st.integers(0, 9), min_size=1, max_size=3),
    slots=st.integers(1, 4),
    together=st.booleans(),
    steps=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 12))),
)
def test_all_is_done_once_whatever_happens(
    sizes: list[int], slots: int, together: bool, steps: list[tuple[int, int]]
) -> None:
    order = itertools.chain((slot for slot, _ in steps), itertools.count())
    fates = iter([fate for _, fate in steps])

    def fate(slot: int, method: str, worker: Worker) -> WorkerDied | None:
        return DIED if next(fates, 1) == 0 else None

    run = Simulation(
        [task("abc"[n], size) for n, size in enumerate(sizes)],
        slots,
        together,
        fate,
        lambda: next(order),
    )
    outcomes = run.run()
    deserted = all(slot.empty for slot in run.leases.slots)
    for outcome, disk in zip(outcomes, run.disks, strict=True):
        assert disk.twice == []
        assert outcome.by_others == 0
        assert outcome.made == len(disk.there)
        assert outcome.failed == len(disk.failed)
        # Where a worker is left, only what killed workers time and again is not done.
        assert deserted or "no worker is left" not in str(outcome.broken)
        assert (outcome.broken is None) == (outcome.left == 0)
        for name in disk.failed:
            assert run.died_with[name] >= task_queue.DEATHS
    done = {event.name for event in run.events if event.state == "done"}
    assert done >= {o.name for o in outcomes if not o.left}


def test_towards_the_end_chunks_are_small_and_all_workers_have_some() -> None:
    order = itertools.count()
    run = Simulation([task("a", 40)], 4, order=lambda: next(order))
    run.run()
    sizes = [len(chunk.batches) for *_, chunk in run.leased]
    assert max(sizes) == 2, "a sixteenth of 160 images is two batches of four"
    assert sizes[-8:] == [1] * 8
    assert {slot for slot, *_ in run.leased} == {0, 1, 2, 3}


def test_a_chunk_is_some_parts_and_one_once_a_worker_has_died() -> None:
    run = Simulation([task("a", 400)], 1)
    run.run()
    sizes = [len(chunk.batches) for *_, chunk in run.leased]
    assert max(sizes) == 4 * task_queue.PARTS, "16 rows in a part"
    fates = iter([None, None, DIED])
    run = Simulation([task("a", 400)], 1, fate=lambda *call: next(fates, None))
    run.run()
    first, *others = [len(chunk.batches) for *_, chunk in run.leased]
    assert first > 4
    assert max(others) == 4


def test_batches_from_anywhere_leave_the_others_in_order() -> None:
    queue = Leases([task("a", 100)[0]], 1).queues[0]
    queue.next_chunk(1)
    before = list(queue.waiting)
    samples = queue.samples(2)
    assert len(samples) == 2
    chunk = queue.next_chunk(1)
    assert chunk == [number for number in before if number not in samples][: len(chunk)]


@pytest.mark.parametrize(("sizes", "first"), [((30, 10), [0, 0]), ((15, 10), [0, 1])])
def test_a_worker_stays_with_its_task_and_an_idle_one_goes_where_most_is_left(
    sizes: tuple[int, int], first: list[int]
) -> None:
    order = itertools.count()
    tasks = [task(name, size) for name, size in zip("ab", sizes, strict=True)]
    run = Simulation(tasks, 2, order=lambda: next(order))
    run.run()
    assert [number for _, number, _ in run.leased[:2]] == first
    for slot in (0, 1):
        mine = [number for one, number, _ in run.leased if one == slot]
        assert len(list(itertools.groupby(mine))) <= 2, "each task is opened once"


@pytest.mark.parametrize(("size", "shared"), [(4, 1.0), (6, 0.7)])
def test_together_a_worker_has_every_task_of_the_same_images(size: int, shared: float) -> None:
    order = itertools.count()
    tasks = [task("a", 96, size=4), task("b", 384 // size, size=size)]
    run = Simulation(tasks, 3, together=True, order=lambda: next(order))
    run.run()
    who = [
        {
            row.position: slot
            for slot, number, chunk in run.leased
            if number == t
            for batch in chunk.batches
            for row in batch
        }
        for t in (0, 1)
    ]
    assert len(who[0]) == len(who[1]) == 384
    same = sum(who[1][position] == slot for position, slot in who[0].items())
    # Batches that do not end at the same images are cut at the edges of chunks.
    assert same / 384 >= shared


def test_a_death_while_opening_is_not_blamed_on_the_batches() -> None:
    def fate(slot: int, method: str, worker: Worker) -> WorkerDied | None:
        opens_a = method == "open" and run.leased[-1][1] == 0
        return DIED if opens_a else None

    run = Simulation([task("a", 4), task("b", 4)], 1, fate=fate)
    a, b = run.run()
    assert (b.made, b.broken) == (16, None)
    assert (a.made, a.failed) == (0, 0)
    assert str(a.broken) == "4 workers in a row died at it, the last one by exit code -9"


def test_deaths_now_and_then_give_nothing_up() -> None:
    openings = itertools.count()

    def fate(slot: int, method: str, worker: Worker) -> WorkerDied | None:
        """Dies at every other opening, and else after some work."""
        if method == "open":
            return DIED if next(openings) % 2 else None
        return DIED if worker.turns == 5 else None

    run = Simulation([task("a", 60)], 1, fate=fate)
    (outcome,) = run.run()
    assert next(openings) > 2 * IN_A_ROW
    assert (outcome.made + outcome.failed, outcome.broken) == (240, None)


def test_what_kills_three_workers_is_tried_alone_and_then_has_a_failure_row() -> None:
    poison = ("a5.0",)

    def fate(slot: int, method: str, worker: Worker) -> WorkerDied | None:
        following = (worker.queue.get(0) or [worker.coming])[0]
        return DIED if method == "work" and poison in following else None

    run = Simulation([task("a", 12)], 2, fate=fate)
    (outcome,) = run.run()
    assert (outcome.made, outcome.failed, outcome.left) == (44, 4, 0)
    last = run.events[-1]
    assert (last.state, last.done, last.total, last.failed) == ("done", 48, 48, 4)
    assert run.disks[0].failed == dict.fromkeys(
        [f"a5.{i}" for i in range(4)],
        "3 workers died while they ran it, the last one by exit code -9",
    )
    alone = [chunk for *_, chunk in run.leased if poison in chunk.todo][-1]
    assert len(alone.batches) == 1


def test_a_slot_whose_workers_die_before_they_have_work_is_left_empty() -> None:
    run = Simulation([task("a", 40)], 1, fate=lambda *call: DIED)
    (outcome,) = run.run()
    assert outcome.left == 160
    assert "no worker is left to do the rest: exit code -9" in str(outcome.broken)
    assert len(run.leases.remarks) == IN_A_ROW
    assert run.events[-1].state == "broken"


def test_a_task_at_which_workers_die_in_a_row_is_broken_there_and_others_go_on() -> None:
    def fate(slot: int, method: str, worker: Worker) -> WorkerDied | None:
        return DIED if method == "work" and 0 in worker.queue else None

    run = Simulation([task("a", 40), task("b", 10)], 1, fate=fate)
    a, b = run.run()
    assert str(a.broken) == "4 workers in a row died at it, the last one by exit code -9"
    assert (b.made, b.broken) == (40, None)


def test_what_breaks_in_one_slot_is_reported_though_the_others_do_it_all() -> None:
    def fate(slot: int, method: str, worker: Worker) -> Progress | WorkerDied | None:
        if method == "open" and slot == 0:
            return Progress(ended=[Ended(0, broken=ModelError("a: no room here"))])
        return DIED if slot == 1 and method == "work" and next(once, None) else None

    once, order = iter([1]), itertools.count()
    run = Simulation([task("a", 8)], 2, fate=fate, order=lambda: next(order))
    assert [outcome.broken for outcome in run.run()] == [None]
    assert run.leases.remarks == [
        "a: worker 1 left it: a: no room here",
        "a: worker 2 ended: exit code -9; another takes its place",
    ]
    assert [e.news for e in run.events if e.news] == [
        remark.removeprefix("a: ") for remark in run.leases.remarks
    ]


def test_a_task_that_broke_everywhere_is_broken_after_a_stop_too() -> None:
    def fate(slot: int, method: str, worker: Worker) -> Progress | None:
        if method != "open":
            return None
        run.scheduler.stop()
        run.fate = lambda *call: None  # in place of its kill: it ends by itself
        return Progress(ended=[Ended(0, broken=ModelError("a: no room here"))])

    run = Simulation([task("a", 8)], 1, fate=fate)
    (outcome,) = run.run()
    assert str(outcome.broken) == "a: no room here"


def test_one_without_room_beside_others_is_done_alone() -> None:
    opened: list[tuple[int, ...]] = []

    def fate(slot: int, method: str, worker: Worker) -> Progress | None:
        if method == "open":
            number = run.leased[-1][1]
            if worker.queue:
                return Progress(ended=[Ended(number, put_off=True)], wants=worker.wants())
            opened.append((number,))
        return None

    run = Simulation([task("a", 4), task("b", 4)], 1, together=True, fate=fate)
    assert [outcome.left for outcome in run.run()] == [0, 0]
    assert opened == [(0,), (1,)]


def test_after_a_stop_nothing_is_leased_and_what_was_made_is_written() -> None:
    calls = itertools.count()

    def fate(slot: int, method: str, worker: Worker) -> None:
        if next(calls) == 8:
            run.scheduler.stop()
            run.leased.clear()

    run = Simulation([task("a", 40)], 2, fate=fate, order=lambda: next(order))
    order = itertools.count()
    (outcome,) = run.run()
    assert run.leased == []
    assert 0 < outcome.made < 160
    assert outcome.broken is None


def test_a_full_disk_ends_it_for_all() -> None:
    def fate(slot: int, method: str, worker: Worker) -> Unable | None:
        return Unable(StorageError("full"), everywhere=True) if method == "work" else None

    order = itertools.count()
    run = Simulation([task("a", 40)], 2, fate=fate, order=lambda: next(order))
    with pytest.raises(StorageError, match="full"):
        run.run()


def test_what_others_made_is_not_leased_and_is_counted_as_theirs() -> None:
    run = Simulation([task("a", 10, done=4)], 1)
    others = {(row.candidate_id,) for batch in run.tasks[0].batches[6:] for row in batch}
    run.disks[0].write(others)
    run.leases.look_around()
    (outcome,) = run.run()
    assert (outcome.already, outcome.made, outcome.by_others, outcome.left) == (4, 20, 16, 0)
    assert run.events[-1].total == 20


def test_what_the_dead_wrote_elsewhere_is_waited_for_and_not_made_again() -> None:
    """A shared file system shows it to the command's machine a while later."""
    now, held = 0.0, set[Key]()
    fates = iter([None, None, DIED])

    def fate(slot: int, method: str, worker: Worker) -> WorkerDied | None:
        died = next(fates, None)
        if died is not None:
            held.update(key for _, key in worker.holds)
        return died

    run = Simulation([task("a", 8)], 1, fate=fate, clock=lambda: now, late=60.0)
    run.scheduler.start()
    for _ in range(20):
        run.scheduler.turn()
    assert held
    assert run.leases.busy
    assert run.in_flight == {}, "no other takes its place yet"
    run.disks[0].write(held)  # seen only now
    now = 61.0
    (outcome,) = run.run_on()
    assert (outcome.made, outcome.by_others, outcome.left) == (32, 0, 0)
    assert run.disks[0].twice == []


@pytest.mark.parametrize("back", [True, False])
def test_a_disk_that_is_away_is_asked_again_and_ends_the_run_after_half_a_minute(
    monkeypatch: pytest.MonkeyPatch, back: bool
) -> None:
    """One that is away is away for all tasks: it is waited for once."""
    tasks = [task(name, 40) for name in "abc"]
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        for _, disk in tasks if back and len(slept) == 3 else ():
            disk.away = False

    monkeypatch.setattr("time.sleep", sleep)
    run = Simulation(tasks, 2)
    run.scheduler.start()
    run.scheduler.turn()
    for _, disk in tasks:
        disk.away = True
    if back:
        assert [outcome.left for outcome in run.run_on()] == [0, 0, 0]
        assert slept == [leases.PAUSE] * 3
    else:
        with pytest.raises(StorageError, match="away"):
            run.run_on()
        assert 20 < sum(slept) <= 30
        assert not any(worker.holds for worker in run.workers.values())


def test_what_was_read_before_the_disk_went_away_is_not_made_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rows of parts are shown once; failures, which are read next, may not be there."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    run = Simulation([task("a", 40)], 2)
    disk, looks = run.disks[0], itertools.count()

    def since(named: object = ()) -> set[str]:
        if next(looks) % 2 == 0:
            raise StorageError("away")
        return set()

    monkeypatch.setattr(disk, "since", since)
    (outcome,) = run.run()
    assert (outcome.made, outcome.left, disk.twice) == (160, 0, [])


def test_a_failure_row_that_cannot_be_written_ends_the_run_in_order() -> None:
    """The others finish, and what they made is kept."""
    finished: list[int] = []

    def fate(slot: int, method: str, worker: Worker) -> WorkerDied | None:
        if method == "finish":
            finished.append(slot)
        following = (worker.queue.get(0) or [worker.coming])[0]
        return DIED if method == "work" and ("a5.0",) in following else None

    def full(failed: dict[str, str]) -> None:
        raise StorageError("full")

    order = itertools.chain(range(40), itertools.repeat(0))  # one is slow: it holds work to the end
    run = Simulation([task("a", 400)], 3, fate=fate, order=lambda: next(order))
    run.disks[0].write_now = full  # type: ignore[method-assign]
    with pytest.raises(StorageError, match="full"):
        run.run()
    assert finished
    assert not any(worker.holds for worker in run.workers.values())
    assert run.disks[0].there


def test_events_of_several_workers_become_one() -> None:
    events: list[Event] = []
    board = Leases([task("a", 40)[0]], 2, listener=events.append)
    for slot in (0, 1):
        board.assign(slot)

    def note(slot: int, state: str, done: int, **what: object) -> Event:
        event = Event("generate", "a", state, done, 16, **what)  # type: ignore[arg-type]
        board.progress.note(slot, 0, event)
        return events[-1]

    assert note(0, "opening", 0).state == "opening"
    note(0, "working", 8, rate=2.0, memory=5)
    event = note(1, "working", 4, failed=1, rate=1.0, memory=7)
    assert event == Event("generate", "a", "working", 12, 160, 1, 3.0, None, 7)
    assert event.seconds_left == pytest.approx(148 / 3)
    board.leave(0, 0, died=True, how="exit code -9")
    assert note(1, "working", 4).done == 4, "nothing of the other was kept"
