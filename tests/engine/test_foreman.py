"""Whatever workers say and whenever they die: all is dealt out, and nothing to two at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synpic.engine import foreman as foreman_module
from synpic.engine import pile
from synpic.engine.foreman import IN_A_ROW, OPENINGS, Foreman
from synpic.engine.messages import Chunk, Ended, Go, Job, More, Next, Told, Unable
from synpic.engine.progress import Event
from synpic.engine.task import Key, Row, Task
from synpic.errors import ModelError, StorageError


@dataclass
class Disk:
    """What a workspace holds of one task."""

    there: set[Key] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)
    twice: list[Key] = field(default_factory=list)
    _seen: set[Key] = field(default_factory=set)

    def write(self, keys: set[Key]) -> None:
        self.twice += keys & self.there
        self.there |= keys

    # as a PartWatcher
    def new_rows(self, columns: object, named: object = ()) -> list[Key]:
        new = self.there - self._seen
        self._seen |= new
        return list(new)

    # as a FailureLog
    def since(self, named: object = ()) -> set[str]:
        return set(self.failed)

    def condemn(self, failed: dict[str, str]) -> None:
        self.failed |= failed


def task(
    name: str, batches: int, size: int = 4, part: int = 16, samples: int = 1, done: int = 0
) -> tuple[Task, Disk]:
    disk = Disk()
    rows = [
        [
            {
                "candidate_id": f"{name}{b}.{i}",
                "prompt_id": f"{b // samples}.{i}",
                "position": b * size + i,
            }
            for i in range(size)
        ]
        for b in range(batches)
    ]
    keys = [(row["candidate_id"],) for batch in rows for row in batch]
    made = Task(
        workspace=None,  # type: ignore[arg-type]
        stage="generate",
        name=name,
        folder="",
        schema=pa.schema([]),
        part_rows=part,
        note={},
        dtype=None,
        key=("candidate_id",),
        wanted=len(keys),
        already=done,
        batches=rows,
        todo=set(keys[done:]),
        watcher=disk,  # type: ignore[arg-type]
        failures=disk,  # type: ignore[arg-type]
        open=lambda device, key: None,  # type: ignore[arg-type, return-value]
        proven=False,
        error=ModelError,
    )
    return made, disk


@dataclass
class Worker:
    """Does what a worker does, in small steps, and forgets what is not written when it dies."""

    state: str = "new"
    job: tuple[int, ...] = ()
    hand: dict[int, list[tuple[list[Row], set[Key]]]] = field(default_factory=dict)
    used_up: set[int] = field(default_factory=set)
    unwritten: dict[int, set[Key]] = field(default_factory=dict)
    opened: bool = False

    @property
    def holds(self) -> set[tuple[int, Key]]:
        held = {(t, key) for t, keys in self.unwritten.items() for key in keys}
        return held | {(t, k) for t, hand in self.hand.items() for _, keys in hand for k in keys}


class Site:
    """A foreman with its workers, and a workspace that they write into."""

    def __init__(self, tasks: list[tuple[Task, Disk]], seats: int, together: bool) -> None:
        self.tasks = [one for one, _ in tasks]
        self.disks = [disk for _, disk in tasks]
        self.events: list[Event] = []
        self.foreman = Foreman(self.tasks, seats, together, self.events.append)
        self.workers = [Worker() for _ in range(seats)]
        self.died_with: dict[str, int] = {}
        self.dealt: list[tuple[int, int, list[list[Row]]]] = []

    def deliver(self) -> None:
        for seat, answer in self.foreman.answers():
            worker = self.workers[seat]
            if isinstance(answer, Go):
                worker.state = "gone"
                self.foreman.lost(seat, "exit code 0")
            elif isinstance(answer, Job):
                assert worker.state == "asking"
                self.workers[seat] = Worker(
                    "working", answer.tasks, {t: [] for t in answer.tasks}, set(),
                    {t: set() for t in answer.tasks},
                )  # fmt: skip
        held: list[tuple[int, Key]] = [one for worker in self.workers for one in worker.holds]
        assert len(held) == len(set(held)), "two workers have the same in hand"

    def step(self, seat: int, choice: int) -> None:
        """One of the things that this worker may do now."""
        worker = self.workers[seat]
        if worker.state == "new":
            self.foreman.hear(seat, Next())
            worker.state = "asking"
        elif worker.state == "working":
            self._work(seat, worker, choice)
        self.deliver()

    def _work(self, seat: int, worker: Worker, choice: int) -> None:
        if choice % 5 == 0:
            worker.opened = True
            for t in worker.job:
                event = Event("generate", self.tasks[t].name, "working", 0, 1)
                self.foreman.hear(seat, Told(t, event))
        ready = [t for t in worker.job if worker.hand[t]]
        asking = [t for t in worker.job if t not in worker.used_up]
        if ready and (choice % 2 or not asking):
            t = ready[choice % len(ready)]
            _, keys = worker.hand[t].pop(0)
            worker.unwritten[t] |= keys
            if choice % 3 == 0:
                self._flush(worker)
        elif asking:
            self._ask(seat, worker, asking[choice % len(asking)])
        else:
            self._flush(worker)
            for t in worker.job:
                self.foreman.hear(seat, Ended(t))
            self.workers[seat] = Worker()

    def _ask(self, seat: int, worker: Worker, t: int) -> None:
        self.foreman.hear(seat, More(t))
        ((to, answer),) = self.foreman.answers() or [(seat, None)]
        assert to == seat
        assert isinstance(answer, Chunk)
        if not answer.batches:
            worker.used_up.add(t)
        self.dealt.append((seat, t, answer.batches))
        for batch in answer.batches:
            keys = {(row["candidate_id"],) for row in batch} & answer.todo
            assert keys, "a batch was dealt out of which nothing is missing"
            assert not keys & self.disks[t].there
            worker.hand[t].append((batch, keys))

    def _flush(self, worker: Worker) -> None:
        for t, keys in worker.unwritten.items():
            self.disks[t].write(keys)
            worker.unwritten[t] = set()

    def die(self, seat: int) -> None:
        worker = self.workers[seat]
        if worker.state == "gone":
            return
        if worker.opened:
            for _, (name,) in worker.holds:
                self.died_with[name] = self.died_with.get(name, 0) + 1
        again = self.foreman.lost(seat, "exit code -9")
        self.workers[seat] = Worker("new" if again else "gone")
        self.deliver()

    def finish(self) -> None:
        """Everybody works on, and nobody dies."""
        for turn in range(10_000):
            if all(worker.state == "gone" for worker in self.workers):
                return
            for seat in range(len(self.workers)):
                self.step(seat, turn)
        raise AssertionError("they wait for each other")


@settings(max_examples=150)
@given(
    sizes=st.lists(st.integers(0, 9), min_size=1, max_size=3),
    seats=st.integers(1, 4),
    together=st.booleans(),
    steps=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 29), st.integers(0, 12))),
)
def test_all_is_done_once_whatever_happens(
    sizes: list[int], seats: int, together: bool, steps: list[tuple[int, int, int]]
) -> None:
    site = Site([task("abc"[n], size) for n, size in enumerate(sizes)], seats, together)
    for seat, choice, fate in steps:
        if fate == 0:
            site.die(seat % seats)
        else:
            site.step(seat % seats, choice)
    deserted = all(worker.state == "gone" for worker in site.workers)
    site.finish()
    outcomes = site.foreman.outcomes()
    for outcome, disk in zip(outcomes, site.disks, strict=True):
        assert disk.twice == []
        assert outcome.by_others == 0
        assert outcome.made == len(disk.there)
        assert outcome.failed == len(disk.failed)
        # Where a worker is left, only what killed workers time and again is not done.
        assert deserted or "no worker is left" not in str(outcome.broken)
        assert (outcome.broken is None) == (outcome.left == 0)
        for name in disk.failed:
            assert site.died_with[name] >= pile.DEATHS
    done = {event.name for event in site.events if event.state == "done"}
    assert done >= {o.name for o in outcomes if not o.left}


def test_towards_the_end_chunks_are_small_and_all_have_some() -> None:
    site = Site([task("a", 40)], 4, False)
    site.finish()
    sizes = [len(batches) for _, _, batches in site.dealt if batches]
    assert max(sizes) == 2, "a sixteenth of 160 images is two batches of four"
    assert sizes[-8:] == [1] * 8
    assert {seat for seat, _, batches in site.dealt if batches} == {0, 1, 2, 3}


def test_a_chunk_is_some_parts_and_one_when_somebody_has_died() -> None:
    site = Site([task("a", 400)], 1, False)
    site.finish()
    assert max(len(batches) for *_, batches in site.dealt) == 4 * pile.PARTS, "16 rows in a part"
    site = Site([task("a", 400)], 1, False)
    for turn in (0, 5, 1):
        site.step(0, turn)
    site.die(0)
    before = len(site.dealt)
    site.finish()
    assert before == 1
    assert max(len(batches) for *_, batches in site.dealt[before:]) == 4


def test_one_batch_from_anywhere_leaves_the_others_in_order() -> None:
    site = Site([task("a", 100)], 1, False)
    site.step(0, 0)
    site.foreman.hear(0, More(0, anywhere=True))
    ((_, chunk),) = site.foreman.answers()
    assert isinstance(chunk, Chunk)
    (strayed,) = chunk.batches
    site.foreman.hear(0, More(0))
    ((_, chunk),) = site.foreman.answers()
    assert isinstance(chunk, Chunk)
    places = [batch[0]["position"] for batch in chunk.batches]
    rest = [n * 4 for n in range(100) if n * 4 != strayed[0]["position"]]
    assert places == rest[: len(places)]


def test_what_the_dead_wrote_elsewhere_is_waited_for_and_not_made_again() -> None:
    """A shared file system shows it to the foreman's machine a while later."""
    one, disk = task("a", 8)
    now = 0.0
    foreman = Foreman([one], 2, late=60.0, clock=lambda: now)
    for seat in (0, 1):
        foreman.hear(seat, Next())
    foreman.answers()
    foreman.hear(0, More(0))
    ((_, given),) = foreman.answers()
    assert isinstance(given, Chunk)
    foreman.hear(1, More(0))
    while len(answers := foreman.answers()) and answers[0][1].batches:  # type: ignore[union-attr]
        disk.write(answers[0][1].todo)  # type: ignore[union-attr]
        foreman.hear(1, More(0))
    foreman.hear(1, Ended(0))
    foreman.hear(1, Next())
    assert foreman.lost(0, "exit code -9"), "what it had may come back"
    assert foreman.answers() == []
    assert not foreman.idle
    disk.write(set(given.todo))  # seen only now
    now = 61.0
    assert foreman.answers() == [(1, Go())]
    assert foreman.idle
    (outcome,) = foreman.outcomes()
    assert (outcome.made, outcome.by_others, outcome.left) == (32, 0, 0)
    assert disk.twice == []


def test_who_dies_opening_now_and_then_is_not_given_up() -> None:
    site = Site([task("a", 400)], 1, False)
    for turn in range(2 * OPENINGS):
        site.step(0, 0)
        if turn % 2:
            site.step(0, 5)  # past opening, and then asks
            site.step(0, 1)
            site._flush(site.workers[0])
        site.die(0)
    site.finish()
    (outcome,) = site.foreman.outcomes()
    assert (outcome.made, outcome.broken) == (1600, None)


def test_what_breaks_in_one_seat_is_told_though_the_others_do_it_all() -> None:
    site = Site([task("a", 8)], 2, False)
    for seat in (0, 1):
        site.step(seat, 0)
    site.foreman.hear(0, Ended(0, broken=ModelError("a: no room here")))
    site.workers[0] = Worker()
    site.die(1)
    site.finish()
    assert [outcome.broken for outcome in site.foreman.outcomes()] == [None]
    assert site.foreman.remarks == [
        "a: worker 1 left it: a: no room here",
        "a: worker 2 ended: exit code -9; another takes its place",
    ]
    assert [e.news for e in site.events if e.news] == [
        remark.removeprefix("a: ") for remark in site.foreman.remarks
    ]


def test_a_model_that_broke_everywhere_is_broken_after_a_stop_too() -> None:
    site = Site([task("a", 8)], 1, False)
    site.step(0, 0)
    site.foreman.hear(0, Ended(0, broken=ModelError("a: no room here")))
    site.foreman.stop()
    site.workers[0] = Worker()
    site.finish()
    (outcome,) = site.foreman.outcomes()
    assert str(outcome.broken) == "a: no room here"


def test_a_workspace_that_cannot_be_read_for_a_moment_is_asked_again() -> None:
    one, disk = task("a", 8)
    now, away = 0.0, True
    there = disk.new_rows

    def new_rows(columns: object, named: object = ()) -> list[Key]:
        if away:
            raise StorageError("away")
        return there(columns)

    disk.new_rows = new_rows  # type: ignore[method-assign]
    foreman = Foreman([one], 1, clock=lambda: now)
    foreman.hear(0, Next())
    foreman.answers()
    foreman.hear(0, More(0))
    ((_, given),) = foreman.answers()
    disk.write(given.todo)  # type: ignore[union-attr]
    foreman.hear(0, Ended(0))
    foreman.look_around()
    assert foreman.error is None
    assert not foreman.idle
    away, now = False, foreman_module.PAUSE
    foreman.hear(0, Next())
    ((_, job),) = foreman.answers()
    assert isinstance(job, Job)
    assert one.todo.isdisjoint(disk.there)
    away = True
    for _ in range(foreman_module.TROUBLES):
        assert foreman.error is None
        foreman.look_around()
    assert str(foreman.error) == "away"


def test_samples_of_a_prompt_stay_together() -> None:
    """Their texts are encoded once."""
    site = Site([task("a", 24, samples=3)], 4, False)
    site.finish()
    for _, _, batches in site.dealt:
        assert len(batches) % 3 == 0


def test_a_worker_stays_with_its_model_and_an_idle_one_goes_where_most_is_left() -> None:
    site = Site([task("a", 30), task("b", 10)], 2, False)
    for seat in (0, 1):
        site.step(seat, 0)
    assert [worker.job for worker in site.workers] == [(0,), (0,)], "15 batches each, against 10"
    site = Site([task("a", 15), task("b", 10)], 2, False)
    for seat in (0, 1):
        site.step(seat, 0)
    assert [worker.job for worker in site.workers] == [(0,), (1,)]


@pytest.mark.parametrize(("size", "shared"), [(4, 1.0), (6, 0.7)])
def test_together_a_worker_has_every_task_of_the_same_images(size: int, shared: float) -> None:
    site = Site([task("a", 96, size=4), task("b", 384 // size, size=size)], 3, True)
    site.finish()
    who = [
        {
            row["position"]: seat
            for seat, number, batches in site.dealt
            if number == t
            for batch in batches
            for row in batch
        }
        for t in (0, 1)
    ]
    assert len(who[0]) == len(who[1]) == 384
    same = sum(who[1][position] == seat for position, seat in who[0].items())
    # Batches that do not end at the same images are cut at the edges of chunks.
    assert same / 384 >= shared


def test_a_death_while_opening_is_not_blamed_on_the_batches() -> None:
    site = Site([task("a", 4), task("b", 4)], 1, False)
    for _ in range(OPENINGS):
        site.step(0, 0)
        site._ask(0, site.workers[0], 0)
        site.die(0)
    site.finish()
    a, b = site.foreman.outcomes()
    assert (b.made, b.broken) == (16, None)
    assert (a.made, a.failed) == (0, 0)
    assert str(a.broken).startswith("2 workers died opening it")


def test_what_kills_three_workers_gets_a_failure_row_and_its_neighbours_are_made() -> None:
    site = Site([task("a", 12)], 2, False)
    poison = "a5.0"
    for turn in range(2000):
        for seat, worker in enumerate(site.workers):
            fatal = any(rows[0][0]["candidate_id"] == poison for rows in worker.hand.get(0, [])[:1])
            if worker.state == "working" and not worker.opened:
                site._work(seat, worker, 0)
            elif fatal:
                site.die(seat)
            else:
                site.step(seat, turn)
        if all(worker.state == "gone" for worker in site.workers):
            break
    (outcome,) = site.foreman.outcomes()
    assert (outcome.made, outcome.failed, outcome.left) == (44, 4, 0)
    last = site.events[-1]
    assert (last.state, last.done, last.total, last.failed) == ("done", 48, 48, 4)
    assert set(site.disks[0].failed) == {f"a5.{i}" for i in range(4)}
    assert site.disks[0].failed[poison] == (
        "3 workers died with it in hand, the last one by exit code -9"
    )


def test_when_all_workers_are_gone_it_says_so() -> None:
    site = Site([task("a", 40)], 1, False)
    for _ in range(IN_A_ROW):
        assert site.workers[0].state == "new"
        site.die(0)
    assert site.workers[0].state == "gone"
    (outcome,) = site.foreman.outcomes()
    assert outcome.left == 160
    assert "no worker is left to do the rest: exit code -9" in str(outcome.broken)


def test_a_task_at_which_workers_die_in_a_row_is_broken_there_and_others_go_on() -> None:
    site = Site([task("a", 40), task("b", 10)], 1, False)
    for _ in range(IN_A_ROW):
        site.step(0, 0)
        assert site.workers[0].job == (0,)
        site._work(0, site.workers[0], 0)
        site.die(0)
    site.finish()
    a, b = site.foreman.outcomes()
    assert (b.made, b.broken) == (40, None)
    assert str(a.broken).startswith("4 workers in a row died at it, the last one by exit code -9")
    assert a.left >= 152, "batches that three of them died with have their reasons"


def test_what_is_broken_for_one_is_left_to_others_and_at_last_to_nobody() -> None:
    site = Site([task("a", 8), task("b", 2)], 2, False)
    site.step(0, 0)
    site._ask(0, site.workers[0], 0)
    site.foreman.hear(0, Ended(0, broken=ModelError("a: not here")))
    site.workers[0] = Worker()
    site.finish()
    assert {seat for seat, t, batches in site.dealt[1:] if t == 0 and batches} == {1}
    assert [o.broken for o in site.foreman.outcomes()] == [None, None]

    site = Site([task("a", 8)], 2, False)
    for seat in (0, 1):
        site.step(seat, 0)
        site.foreman.hear(seat, Ended(0, broken=ModelError("a: nowhere")))
        site.workers[seat] = Worker()
    site.finish()
    (outcome,) = site.foreman.outcomes()
    assert str(outcome.broken) == "a: nowhere"
    assert site.events[-1].state == "broken"


def test_one_without_room_beside_others_is_done_alone() -> None:
    site = Site([task("a", 4), task("b", 4)], 1, True)
    site.step(0, 0)
    assert site.workers[0].job == (0, 1)
    site.foreman.hear(0, Ended(0))
    site.foreman.hear(0, Ended(1, put_off=True))
    site.workers[0] = Worker()
    jobs: list[tuple[int, ...]] = []
    for turn in range(200):
        site.step(0, turn)
        if site.workers[0].job and site.workers[0].job != (jobs or [()])[-1]:
            jobs.append(site.workers[0].job)
    assert jobs == [(0,), (1,)]
    assert [outcome.left for outcome in site.foreman.outcomes()] == [0, 0]


def test_after_a_stop_nothing_is_dealt_out_and_nothing_is_broken() -> None:
    site = Site([task("a", 40)], 2, False)
    for turn in range(6):
        site.step(0, turn)
    site.foreman.stop()
    site.finish()
    (outcome,) = site.foreman.outcomes()
    assert 0 < outcome.made < 160
    assert outcome.broken is None
    assert site.workers[1].state == "gone"


def test_a_full_disk_ends_it_for_all() -> None:
    site = Site([task("a", 40)], 2, False)
    for seat in (0, 1):
        site.step(seat, 0)
    site.foreman.hear(0, Unable(StorageError("full"), everywhere=True))
    assert not site.foreman.lost(0, "exit code 0")
    site.workers[0].state = "gone"
    site.finish()
    assert isinstance(site.foreman.error, StorageError)


def test_what_others_made_is_not_dealt_out_and_is_counted_as_theirs() -> None:
    site = Site([task("a", 10, done=4)], 1, False)
    site.step(0, 0)
    others = {(row["candidate_id"],) for batch in site.tasks[0].batches[6:] for row in batch}
    site.disks[0].write(others)
    site.foreman.look_around()
    site.finish()
    (outcome,) = site.foreman.outcomes()
    assert (outcome.already, outcome.made, outcome.by_others, outcome.left) == (4, 20, 16, 0)
    assert site.events[-1].total == 20


def test_events_of_several_workers_become_one() -> None:
    site = Site([task("a", 40)], 2, False)
    for seat in (0, 1):
        site.step(seat, 0)

    def tell(seat: int, **what: Any) -> Event:
        site.foreman.hear(seat, Told(0, Event("generate", "a", **what)))
        return site.events[-1]

    assert tell(0, state="opening", done=0, total=4).state == "opening"
    tell(0, state="working", done=8, total=16, rate=2.0, memory=5)
    event = tell(1, state="working", done=4, total=4, failed=1, rate=1.0, memory=7)
    assert event == Event("generate", "a", "working", 12, 160, 1, 3.0, None, 7)
    assert event.seconds_left == pytest.approx(148 / 3)
    site.foreman.lost(0, "exit code -9")
    assert tell(1, state="working", done=4, total=4).done == 4, "nothing of the other was kept"
