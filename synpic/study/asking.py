"""What a rater is shown next.

Real comparisons come in blocks of one question, so that a rater does not change its mind with each
picture. Of those that a rater has not seen, one with the fewest votes is next: all get about
equally many. Checks and repeats lie at random places, one in each stretch as long as their share
asks for. Sides are random and balanced for each rater: after an even number of comparisons,
``first`` was on the left in half of them.
"""

from __future__ import annotations

import random
import threading
from collections import Counter, defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain

from synpic.study.assignments import Assigned, Assignments, PairToShow
from synpic.study.definition import Study
from synpic.workspace.votes import Vote, Votes

__all__ = ["Asking", "RaterPlace"]

BLOCK = 10
"""Real comparisons of one question in a row."""

GAP = 8
"""What lies at least between a comparison and its repeat."""

AHEAD = 3
"""How many are chosen in advance, the current one among them: a page loads their images."""

OPEN_MINUTES = 20
"""For this long a comparison that another rater has before it counts as one with a vote."""

_Pair = tuple[str, str]


@dataclass(frozen=True)
class RaterPlace:
    """Where a rater is.

    Args:
        rater: the id.
        upcoming: what is next, the current one first; empty at the end.
        answered: comparisons that the rater has answered, or skipped.
        total: comparisons that the rater gets.
        last: the ticket of the last answer; None where there is none.
    """

    rater: str
    upcoming: Sequence[Assigned]
    answered: int
    total: int
    last: str | None


class Asking:
    """A study under way. One process at a time may ask; any number of its threads."""

    def __init__(self, study: Study, assignments: Assignments, votes: Votes) -> None:
        self.study, self.assignments, self.votes = study, assignments, votes
        self._lock = threading.Lock()

    def knows(self, rater: str) -> bool:
        """Whether ``rater`` has begun: something was chosen for it, and it was not deleted.

        Raises:
            SynpicError: a file cannot be read.
        """
        return self.assignments.has_rater(rater)

    def progress(self, rater: str) -> RaterPlace:
        """Where ``rater`` is, with what is next, chosen now where it has to be.

        Raises:
            SynpicError: a file cannot be read or written.
        """
        with self._lock:
            answers = self.votes.of_rater(rater)
            voted = {vote.key for vote in answers}
            mine = self.assignments.of_rater(rater)
            missing = AHEAD - sum(one.key not in voted for one in mine)
            if missing > 0:
                added = self._choose(rater, mine, missing)
                if added:
                    self.assignments.add(added)
                    mine = self.assignments.of_rater(rater)
        return self._place(rater, mine, answers)

    def place(self, rater: str) -> RaterPlace:
        """Where ``rater`` is, with what was chosen before; nothing is written.

        Raises:
            SynpicError: a file cannot be read.
        """
        answers = self.votes.of_rater(rater)
        return self._place(rater, self.assignments.of_rater(rater), answers)

    def _place(self, rater: str, mine: Sequence[Assigned], answers: Sequence[Vote]) -> RaterPlace:
        voted = {vote.key for vote in answers}
        upcoming = [one for one in mine if one.key not in voted][:AHEAD]
        tickets = {one.key: one.ticket for one in mine}
        last = tickets.get(answers[-1].key) if answers else None
        return RaterPlace(rater, upcoming, len(answers), _Course(self.study, rater).total, last)

    def _choose(self, rater: str, mine: Sequence[Assigned], count: int) -> list[PairToShow]:
        course = _Course(self.study, rater)
        shown: list[PairToShow] = list(mine)
        taken = self._taken(rater)
        before = len(shown)
        while len(shown) < before + count:
            found = course.next(shown, taken)
            if found is None:
                break
            shown.append(found)
        return shown[before:]

    def _taken(self, rater: str) -> Counter[_Pair]:
        """(comparison, question) → votes, and those that others are looking at now."""
        counts = self.votes.counts()
        since = datetime.now(UTC) - timedelta(minutes=OPEN_MINUTES)
        others: dict[str, deque[Assigned]] = defaultdict(lambda: deque(maxlen=AHEAD))
        for one in self.assignments.since(since.strftime("%Y-%m-%dT%H:%M:%SZ")):
            if one.rater != rater:
                others[one.rater].append(one)
        for one in chain.from_iterable(others.values()):
            if one.kind == "real" and self.votes.find(*one.key) is None:
                counts[one.comparison, one.question] += 1
        return counts


class _Course:
    """What one rater gets, in which order. The same for the same study, rater and votes."""

    def __init__(self, study: Study, rater: str) -> None:
        self._study, self._rater = study, rater
        self._every = len(study.comparisons) * len(study.questions)
        self._real = min(study.per_rater or self._every, self._every)
        askable = sum(one.shows_prompt for one in study.questions)
        self._checks = min(round(study.checks * self._real), len(study.check_comparisons) * askable)
        self._repeats = round(study.repeats * self._real)
        if self._real <= GAP:
            self._repeats = 0

    @property
    def total(self) -> int:
        return self._real + self._checks + self._repeats

    def next(self, shown: Sequence[PairToShow], taken: Mapping[_Pair, int]) -> PairToShow | None:
        """What comes after ``shown``; None at the end."""
        lots = self._lots("next", len(shown))
        kinds = Counter(one.kind for one in shown)
        real_is_left = kinds["real"] < self._real
        question = self._question(shown, kinds["real"])
        if kinds["check"] < self._checks and (
            not real_is_left or self._is_due("check", len(shown), kinds["check"], self._checks)
        ):
            found = self._check(shown, question, lots, anywhere=not real_is_left)
            if found is not None:
                return found
        if kinds["repeat"] < self._repeats and (
            not real_is_left or self._is_due("repeat", len(shown), kinds["repeat"], self._repeats)
        ):
            found = self._repeat(shown, question, lots, anywhere=not real_is_left)
            if found is not None:
                return found
        return self._comparison(shown, question, taken, lots) if real_is_left else None

    def _is_due(self, kind: str, place: int, had: int, count: int) -> bool:
        """Whether the ``had``-th of ``count`` is due: at a random place of its stretch."""
        stretch = self.total / count
        at = self._lots(kind, had).random()
        return place >= (had + at) * stretch

    def _question(self, shown: Sequence[PairToShow], real: int) -> str:
        """That of the current block, or the next of which something is left for the rater."""
        names = [one.name for one in self._study.questions]
        had = Counter(one.question for one in shown if one.kind == "real")
        first = real // BLOCK + self._lots("question", 0).randrange(len(names))
        for turn in range(len(names)):
            name = names[(first + turn) % len(names)]
            if had[name] < len(self._study.comparisons):
                return name
        return names[0]

    def _comparison(
        self,
        shown: Sequence[PairToShow],
        question: str,
        taken: Mapping[_Pair, int],
        lots: random.Random,
    ) -> PairToShow:
        had = {one.comparison for one in shown if one.kind == "real" and one.question == question}
        free = [one.id for one in self._study.comparisons if one.id not in had]
        fewest = min(taken.get((one, question), 0) for one in free)
        chosen = lots.choice([one for one in free if taken.get((one, question), 0) == fewest])
        return PairToShow(self._rater, chosen, question, "real", self._turned(shown, "real", lots))

    def _check(
        self, shown: Sequence[PairToShow], question: str, lots: random.Random, anywhere: bool
    ) -> PairToShow | None:
        names = [one.name for one in self._study.questions if one.shows_prompt]
        had = {(one.comparison, one.question) for one in shown if one.kind == "check"}
        for name in names if anywhere else [question] * (question in names):
            free = [one.id for one in self._study.check_comparisons if (one.id, name) not in had]
            if free:
                turned = self._turned(shown, "check", lots)
                return PairToShow(self._rater, lots.choice(free), name, "check", turned)
        return None

    def _repeat(
        self, shown: Sequence[PairToShow], question: str, lots: random.Random, anywhere: bool
    ) -> PairToShow | None:
        had = {(one.comparison, one.question) for one in shown if one.kind == "repeat"}
        long_ago = shown[: max(0, len(shown) - GAP)]
        free = [
            one
            for one in long_ago
            if one.kind == "real"
            and (one.comparison, one.question) not in had
            and (anywhere or one.question == question)
        ]
        if not free:
            return None
        again = lots.choice(free)
        return PairToShow(self._rater, again.comparison, again.question, "repeat", not again.turned)

    def _turned(self, shown: Sequence[PairToShow], kind: str, lots: random.Random) -> bool:
        turns = [one.turned for one in shown if one.kind == kind]
        # Of two that follow each other, one is turned.
        return lots.random() < 0.5 if len(turns) % 2 == 0 else not turns[-1]

    def _lots(self, what: str, number: int) -> random.Random:
        return random.Random(f"{self._study.seed}/{self._rater}/{what}/{number}")
