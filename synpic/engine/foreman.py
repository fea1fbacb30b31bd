"""Who does what: deals out the work of tasks to workers that ask for it, and loses none of it.

It hears what workers say, and knows what to answer; it starts nothing, and waits for nobody but for
files that a worker says it has written. How workers are started and spoken to is the business of a
:class:`synpic.engine.crew.Crew`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from synpic.engine.batches import Jumps
from synpic.engine.board import Board
from synpic.engine.messages import (
    Answer,
    Chunk,
    Ended,
    Go,
    Job,
    Message,
    More,
    Next,
    Told,
    Unable,
)
from synpic.engine.pile import Pile
from synpic.engine.progress import Listener
from synpic.engine.report import Outcome
from synpic.engine.seat import Estate, Hand, Seat
from synpic.engine.task import Task
from synpic.errors import StorageError, SynpicError, WorkspaceError

__all__ = ["Foreman"]

PAUSE = 5.0
"""Seconds after which a workspace that could not be read is tried again."""
TROUBLES = 6
"""So many times in a row."""
OPENINGS = 2
"""A task is broken in a seat when so many of its workers died opening it."""
IN_A_ROW = 4
"""Or when so many in a row died at it with nothing done. A seat whose workers die so often before
they have a job is left empty."""


class Foreman:
    """Deals out ``tasks`` to workers in so many ``seats``, numbered from 0.

    A worker stays with the model that it has open while there is work for it. One that has nothing
    to do joins the task with most work left for each who is at it.

    Args:
        together: all tasks are open at once in each worker, and what one does of an image, it does
            for all of them.
        listener: is told of progress.
        late: seconds in which the workspace may not show what one who died wrote elsewhere.
        clock: seconds, from anywhere, that never go back.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        seats: int,
        together: bool = False,
        listener: Listener | None = None,
        late: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._piles = [Pile(task) for task in tasks]
        self._seats = [Seat() for _ in range(seats)]
        self._together = together
        self._board = Board(self._piles, listener)
        self._jumps, self._jumped = Jumps(), 0
        self._replies: list[tuple[int, Answer]] = []
        self._stopping = False
        self._late, self._clock = late, clock
        self._estates: list[Estate] = []
        self._troubles = 0
        self._how = "none could be started"
        self.remarks: list[str] = []
        """What happened to workers that whoever started the run should know."""
        self.error: SynpicError | None = None
        """What nobody can go on after."""

    @property
    def idle(self) -> bool:
        """Nothing is in anybody's hands, and nothing waits to be."""
        waiting = (pile.waiting or pile.suspects for pile in self._piles)
        if any(seat.job for seat in self._seats):
            return False
        return self._stopping or not (self._estates or any(waiting))

    def hear(self, number: int, message: Message) -> None:
        """Take what the worker in this seat says."""
        seat = self._seats[number]
        match message:
            case Next():
                seat.asking = True
                seat.deaths[None] = 0
            case More(task, anywhere):
                self._replies.append((number, self._more(number, task, anywhere)))
            case Told(task, event):
                if task in seat.job:
                    if event.state != "opening":
                        seat.job[task].opened = True
                        seat.openings[task] = 0
                    self._board.note(number, task, event)
            case Ended(task, broken, put_off, parts):
                if put_off:
                    seat.apart.add(task)
                if broken is not None:
                    seat.broken[task] = broken
                    self._remark(task, f"worker {number + 1} left it: {broken.message}")
                self._leave(number, task, parts)
            case Unable(error, everywhere):
                self._how = error.message
                seat.excused = True
                seat.troubles += 1
                # A disk that was away for a moment is no reason to do without this worker.
                seat.left |= not isinstance(error, StorageError) or seat.troubles >= IN_A_ROW
                if everywhere:
                    self._fail(error)

    def lost(self, number: int, how: str) -> bool:
        """The worker in this seat is gone; whether another should take it.

        Args:
            how: it ended: "exit code -9".
        """
        seat = self._seats[number]
        seat.asking = False
        sent_home = seat.left and not seat.excused
        died = not (seat.left or seat.excused)
        seat.excused = False
        if died:
            self._how = how
        unopened = next((task for task, hand in seat.job.items() if not hand.opened), None)
        jobs = list(seat.job)
        if died and not jobs:
            seat.deaths[None] += 1
        if died and unopened is not None:
            seat.openings[unopened] += 1
            if seat.openings[unopened] >= OPENINGS:
                self._give_up(number, unopened, OPENINGS, "died opening it", how)
        for task in jobs:
            # A death while something is opened is not the batches' fault.
            by_it = died and unopened is None
            self._leave(number, task, died=by_it, how=how, after=self._late)
        seat.left |= seat.deaths[None] >= IN_A_ROW or self._stopping or not self._of_use(number)
        if not sent_home and not self._stopping:
            why = how if died else self._how
            then = "it is not replaced" if seat.left else "another takes its place"
            self._remark(jobs[0] if jobs else None, f"worker {number + 1} ended: {why}; {then}")
        return not seat.left

    def answers(self) -> list[tuple[int, Answer]]:
        """What is to be said now, and to whom."""
        self._settle()
        for number, seat in enumerate(self._seats):
            if not seat.asking:
                continue
            job = () if self._stopping else self._pick(number)
            if job:
                seat.job |= {task: seat.job.get(task, Hand()) for task in job}
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
        foreign = [self._look(pile) for pile in self._piles]
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
            parts = [name for one in self._estates if one.task == task for name in one.parts]
            while self._look(pile, parts) is None and self.error is None:
                time.sleep(PAUSE)
            broken = None
            errors = [s.broken[task] for s in self._seats if task in s.broken]
            if pile.left and not self._stopping:
                broken = errors[-1] if errors else self._deserted(pile.task)
            elif pile.left and len(errors) == len(self._seats):
                broken = errors[-1]
            if broken is not None or not pile.left:
                self._board.end(task, broken.message if broken else None)
            ended.append(pile.outcome(broken))
        return ended

    # -- dealing ---------------------------------------------------------------------------------

    def _more(self, number: int, task: int, anywhere: bool) -> Chunk:
        seat, pile = self._seats[number], self._piles[task]
        hand = seat.job[task]
        if self._stopping:
            return Chunk([], set())
        if anywhere:
            chunk = [] if seat.closed else pile.anywhere()
            hand.given += chunk
            return pile.hand_out(chunk)
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
        return pile.hand_out(chunk)

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
                seat.job[task] = Hand(coming=self._piles[task].take(suspect))
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
                or any(task == estate.task for estate in self._estates)
            )
            for task, pile in enumerate(self._piles)
        )

    # -- what came of it -------------------------------------------------------------------------

    def _leave(
        self,
        number: int,
        task: int,
        parts: tuple[str, ...] = (),
        died: bool = False,
        how: str = "",
        after: float = 0.0,
    ) -> None:
        """The worker in this seat has no more to do with ``task``."""
        hand = self._seats[number].job.pop(task, None)
        if hand is not None:
            due = self._clock() + after
            self._estates.append(Estate(number, task, hand, due, parts, died, how))
            self._settle()

    def _settle(self) -> None:
        """What workers left is done, or waits again, as soon as the workspace tells which."""
        for estate in [one for one in self._estates if one.due <= self._clock()]:
            if self._look(self._piles[estate.task], estate.parts) is None:
                estate.due = self._clock() + PAUSE
                continue
            self._estates.remove(estate)
            self._divide(estate)

    def _divide(self, estate: Estate) -> None:
        number, task = estate.seat, estate.task
        seat, pile = self._seats[number], self._piles[task]
        done = pile.give_back(estate.hand.given, estate.died)
        pile.give_back(estate.hand.coming)
        if done:
            seat.deaths[task] = seat.troubles = 0
        elif estate.died:
            seat.deaths[task] += 1
        self._board.settle(number, task, done)
        self._board.condemn(task, pile.condemn(estate.how))
        if seat.deaths[task] >= IN_A_ROW and task not in seat.broken:
            self._give_up(number, task, IN_A_ROW, "in a row died at it", estate.how)
        if not pile.left and not any(task in seat.job for seat in self._seats):
            self._board.end(task)

    def _look(self, pile: Pile, parts: Sequence[str] = ()) -> bool | None:
        """As :meth:`Pile.look`; None if the workspace cannot be read now."""
        try:
            found = pile.look(parts)
        except WorkspaceError as error:
            self._troubles += 1
            if self._troubles >= TROUBLES:
                self._fail(error)
            return None
        self._troubles = 0
        return found

    def _fail(self, error: SynpicError) -> None:
        self.error = self.error or error
        self.stop()

    def _remark(self, task: int | None, what: str) -> None:
        if task is None:  # of no task, and so told with what is to be done next
            left = (number for number, pile in enumerate(self._piles) if pile.left)
            self.remarks.append(what)
            self._board.tell_news(next(left, 0), what)
        else:
            self.remarks.append(f"{self._piles[task].task.label}: {what}")
            self._board.tell_news(task, what)

    def _give_up(self, number: int, task: int, times: int, what: str, how: str) -> None:
        error = self._seats[number].broken[task] = self._deadly(task, times, what, how)
        self._remark(task, f"worker {number + 1} does not take it up again: {error.message}")

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
