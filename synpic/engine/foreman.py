"""Who does what: deals out the work of tasks to workers that ask for it, and loses none of it.

It hears what workers say, and knows what to answer; it starts nothing, and waits for nobody. How
workers are started and spoken to is the business of a :class:`synpic.engine.crew.Crew`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from synpic.engine.batches import Jumps
from synpic.engine.board import Board
from synpic.engine.messages import (
    Answer,
    Ended,
    Failed,
    Go,
    Job,
    Message,
    More,
    Next,
    Told,
    Work,
)
from synpic.engine.pile import Pile
from synpic.engine.progress import Listener
from synpic.engine.report import Outcome
from synpic.engine.task import Task
from synpic.errors import SynpicError

__all__ = ["Foreman"]

OPENINGS = 2
"""A task that so many workers of one seat died opening is broken there."""
IN_A_ROW = 4
"""As one of which so many died without having done anything; and so many that died before they had
a job are replaced no more."""


@dataclass
class _Hand:
    """What a worker has of one task.

    Args:
        given: batches that it was told of.
        coming: others that it is told of when it asks: their images are with it already.
        opened: it is past opening.
    """

    given: list[int] = field(default_factory=list)
    coming: list[int] = field(default_factory=list)
    opened: bool = False


@dataclass
class _Seat:
    """A place for a worker; when one dies, another may take it.

    Args:
        asking: the worker waits for a job.
        job: what it does, by task.
        closed: nothing is added to its job: it has a suspect.
        left: it was sent home, or cannot go on.
        broken: tasks that did not work here, each with why.
        apart: tasks that this device has no room for beside others.
        openings: how many workers died opening a task.
        deaths: in a row at a task, without anything done; under None, those without a job.
    """

    asking: bool = False
    job: dict[int, _Hand] = field(default_factory=dict)
    closed: bool = False
    left: bool = False
    broken: dict[int, SynpicError] = field(default_factory=dict)
    apart: set[int] = field(default_factory=set)
    openings: Counter[int] = field(default_factory=Counter)
    deaths: Counter[int | None] = field(default_factory=Counter)


class Foreman:
    """Deals out ``tasks`` to workers in so many ``seats``, numbered from 0.

    A worker stays with the model that it has open while there is work for it. One that has nothing
    to do joins the task with most work left for each who is at it.

    Args:
        together: all tasks are open at once in each worker, and what one does of an image, it does
            for all of them.
        listener: is told of progress.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        seats: int,
        together: bool = False,
        listener: Listener | None = None,
    ) -> None:
        self._piles = [Pile(task) for task in tasks]
        self._seats = [_Seat() for _ in range(seats)]
        self._together = together
        self._board = Board(self._piles, listener)
        self._jumps, self._jumped = Jumps(), 0
        self._replies: list[tuple[int, Answer]] = []
        self._stopping = False
        self._how = "none could be started"
        self.error: SynpicError | None = None
        """What nobody can go on after."""

    @property
    def idle(self) -> bool:
        """Nothing is in anybody's hands, and nothing waits to be."""
        waiting = (pile.waiting or pile.suspects for pile in self._piles)
        return not any(s.job for s in self._seats) and (self._stopping or not any(waiting))

    def hear(self, number: int, message: Message) -> None:
        """Take what the worker in this seat says."""
        seat = self._seats[number]
        match message:
            case Next():
                seat.asking = True
                seat.deaths[None] = 0
            case More(task):
                self._replies.append((number, self._more(number, task)))
            case Told(task, event):
                if task in seat.job:
                    seat.job[task].opened |= event.state != "opening"
                    self._board.note(number, task, event)
            case Ended(task, broken, put_off):
                self._settle(number, task)
                if put_off:
                    seat.apart.add(task)
                if broken is not None:
                    seat.broken[task] = broken
                self._end_if_done(task)
            case Failed(error, everywhere):
                self._how = error.message
                seat.left = True
                if everywhere:
                    self.error = self.error or error
                    self.stop()

    def lost(self, number: int, how: str) -> bool:
        """The worker in this seat is gone; whether another should take it.

        Args:
            how: it ended: "exit code -9".
        """
        seat = self._seats[number]
        seat.asking = False
        died = not seat.left
        if died:
            self._how = how
        unopened = next((task for task, hand in seat.job.items() if not hand.opened), None)
        for task in list(seat.job) if died else ():
            # A death while something is opened is not the batches' fault.
            if task == unopened:
                seat.openings[task] += 1
            elif unopened is None:
                seat.deaths[task] += 1
        if died and not seat.job:
            seat.deaths[None] += 1
        for task in list(seat.job):
            self._settle(number, task, died=died and unopened is None)
            self._piles[task].condemn(how)
            self._end_if_done(task)
            if seat.openings[task] >= OPENINGS:
                seat.broken[task] = self._deadly(task, OPENINGS, "died opening it", how)
            if seat.deaths[task] >= IN_A_ROW:
                seat.broken[task] = self._deadly(task, IN_A_ROW, "in a row died at it", how)
        seat.left |= seat.deaths[None] >= IN_A_ROW or self._stopping or not self._of_use(number)
        return not seat.left

    def answers(self) -> list[tuple[int, Answer]]:
        """What is to be said now, and to whom."""
        for number, seat in enumerate(self._seats):
            if not seat.asking:
                continue
            job = () if self._stopping else self._pick(number)
            if job:
                seat.job |= {task: seat.job.get(task, _Hand()) for task in job}
                proven = frozenset(t for t, pile in enumerate(self._piles) if pile.proven)
                self._replies.append((number, Job(job, proven)))
            elif self._stopping or not self._of_use(number):
                seat.left = True
                self._replies.append((number, Go()))
            else:
                continue  # what another has in hand may come back
            seat.asking = False
        replies, self._replies = self._replies, []
        return replies

    def stop(self) -> None:
        """Deal out nothing more."""
        self._stopping = True

    def look_around(self) -> None:
        """See what others have done, and keep out of their way."""
        foreign = [pile.look() for pile in self._piles]
        if any(foreign):
            place = self._jumps.place(self._jumped)
            self._jumped += 1
            for pile, found in zip(self._piles, foreign, strict=True):
                if found:
                    pile.jump(place)

    def outcomes(self) -> list[Outcome]:
        """What came of each task, as the workspace has it; when all workers have ended."""
        ended: list[Outcome] = []
        for task, pile in enumerate(self._piles):
            pile.look()
            broken = None
            if pile.left and not self._stopping:
                errors = [s.broken[task] for s in self._seats if task in s.broken]
                broken = errors[-1] if errors else self._deserted(pile.task)
            if broken is not None or not pile.left:
                self._board.end(task, broken.message if broken else None)
            ended.append(pile.outcome(broken))
        return ended

    # -- dealing ---------------------------------------------------------------------------------

    def _more(self, number: int, task: int) -> Work:
        seat, pile = self._seats[number], self._piles[task]
        hand = seat.job[task]
        if self._stopping:
            return Work([], set())
        while not hand.coming and not seat.closed:
            chunk = pile.cut(sum(task not in seat.broken and not seat.left for seat in self._seats))
            if not chunk and not pile.waiting:
                break
            hand.coming += chunk
            spans = pile.spans(chunk)
            for other, its in seat.job.items():
                if other != task:
                    its.coming += self._piles[other].within(spans)
        chunk, hand.coming = hand.coming, []
        hand.given += chunk
        return pile.work(chunk)

    def _pick(self, number: int) -> tuple[int, ...]:
        """The tasks that the worker in this seat should take up now."""
        seat = self._seats[number]
        seat.closed = False
        mine = [t for t in range(len(self._piles)) if t not in seat.broken]
        sound = [task for task in mine if self._piles[task].waiting]
        if self._together:
            beside = tuple(task for task in sound if task not in seat.apart)
            if beside:
                return beside
        if sound:
            return (max(sound, key=self._for_each),)
        for task in mine:
            for suspect in self._piles[task].suspects[:1]:
                seat.closed = True
                seat.job[task] = _Hand(coming=self._piles[task].take(suspect))
                return (task,)
        return ()

    def _for_each(self, task: int) -> float:
        """How much work is left for each who is at a task, with one more."""
        at_it = sum(task in seat.job for seat in self._seats)
        return self._piles[task].waiting / (at_it + 1)

    def _of_use(self, number: int) -> bool:
        """Whether there is, or may yet be, work for this seat."""
        seat = self._seats[number]
        return any(
            task not in seat.broken
            and (
                pile.waiting
                or pile.suspects
                or any(task in other.job for other in self._seats if other is not seat)
            )
            for task, pile in enumerate(self._piles)
        )

    # -- what came of it -------------------------------------------------------------------------

    def _settle(self, number: int, task: int, died: bool = False) -> None:
        """What this seat had of ``task`` is done, or waits again."""
        seat, pile = self._seats[number], self._piles[task]
        hand = seat.job.pop(task, None)
        if hand is None:
            return
        pile.look()
        done = pile.give_back(hand.given, died)
        pile.give_back(hand.coming)
        if done:
            seat.deaths[task] = 0
        self._board.settle(number, task, done)

    def _end_if_done(self, task: int) -> None:
        if not self._piles[task].left and not any(task in seat.job for seat in self._seats):
            self._board.end(task)

    def _deadly(self, task: int, times: int, what: str, how: str) -> SynpicError:
        of = self._piles[task].task
        return of.error(
            f"{times} workers {what}, the last one by {how}",
            hint="the system's log tells more; memory of the host is the usual cause: try fewer "
            "workers",
        )

    def _deserted(self, task: Task) -> SynpicError:
        return task.error(
            f"no worker is left to do the rest: {self._how}",
            hint="everything made before is kept, and the same command goes on from there; look "
            "above, and into the system's log, for why they ended",
        )
