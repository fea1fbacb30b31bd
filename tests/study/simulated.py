"""Studies and votes of raters whose ways are known: what a report has to find."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from synpic.study.definition import CheckPair, ComparedPair, ShownImage, Study
from synpic.study.questions import QUESTIONS
from synpic.workspace.votes import VOTE_COLUMNS


def hex32(*what: object) -> str:
    return f"{random.Random(repr(what)).getrandbits(128):032x}"


def image(prompt: int, model: str, n: int = 0) -> ShownImage:
    one = hex32(prompt, model, n)
    return ShownImage(candidate_id=one, sha256=one * 2, model=model)


def study(
    comparisons: int = 120,
    models: Sequence[str] = ("alpha", "beta"),
    question: str = "overall",
    per_prompt: int = 1,
) -> Study:
    """Each comparison is of a prompt of its own, or ``per_prompt`` of one."""
    pairs = [(a, b) for at, a in enumerate(models) for b in models[at + 1 :]]
    compared = [
        ComparedPair(
            id=f"c{n}",
            prompt_id=hex32("prompt", n // per_prompt),
            first=image(n // per_prompt, pairs[n % len(pairs)][0], n),
            second=image(n // per_prompt, pairs[n % len(pairs)][1], n),
        )
        for n in range(comparisons)
    ]
    checks = [
        CheckPair(
            id=f"k{n}",
            prompt_id=compared[n].prompt_id,
            own=image(n, "alpha", -1),
            foreign=image(n, "alpha", -2),
        )
        for n in range(max(1, comparisons // 20))
    ]
    return Study(
        name="simulated",
        seed=0,
        questions=[QUESTIONS[question]],
        repeats=0.05,
        checks=0.05,
        prompts={one.prompt_id: "a prompt" for one in compared},
        comparisons=compared,
        check_comparisons=checks,
    )


@dataclass(frozen=True)
class Ways:
    """How a rater answers.

    Args:
        reliability: the chance to answer by the truth; else by lot.
        bias: the chance to take the left image whatever there is.
        ties: the chance to call both equally good.
        looks: as ``reliability``, for checks.
    """

    reliability: float = 0.8
    bias: float = 0.0
    ties: float = 0.0
    looks: float = 0.97

    @property
    def true(self) -> float:
        """The chance of an answer by the truth, sides balanced, of those for an image."""
        return (1 - self.bias) * (self.reliability + (1 - self.reliability) / 2) + self.bias / 2

    @property
    def left(self) -> float:
        """The chance to take the left image, of answers for an image."""
        return self.bias + (1 - self.bias) / 2

    @property
    def same(self) -> float:
        """The chance that a repeat, with sides swapped, has the same choice."""
        seen = (1 - self.bias) * (self.reliability + (1 - self.reliability) / 2)
        return (self.bias + seen) * seen + (1 - self.bias - seen) * (1 - seen)

    def alpha(self, first: float) -> float:
        """Krippendorff's, where the truth is ``first`` with that chance."""
        taken = first * self.true + (1 - first) * (1 - self.true)
        return 1 - 2 * self.true * (1 - self.true) / (2 * taken * (1 - taken))

    def answer(self, true_side: str, kind: str, lots: random.Random) -> str:
        if kind != "check" and lots.random() < self.ties:
            return "tie"
        if lots.random() < self.bias:
            return "left"
        chance = self.looks if kind == "check" else self.reliability
        return true_side if lots.random() < chance else lots.choice(["left", "right"])


def votes(
    of: Study,
    raters: dict[str, Ways],
    first: float = 0.6,
    *,
    truth: Mapping[str, int] | None = None,
    seed: int = 0,
    repeats: float = 0.2,
    milliseconds: int = 2000,
) -> pl.DataFrame:
    """What raters answer to everything, half of it turned, by lot for each rater.

    Args:
        first: the chance that the first image is the better one.
        truth: which is, where that is known: 1 the first, −1 the second, 0 neither.
    """
    lots = random.Random(seed)
    if truth is None:
        truth = {one.id: 1 if lots.random() < first else -1 for one in of.comparisons}
    rows: list[dict[str, object]] = []
    for rater, ways in raters.items():
        sides = [n % 2 == 0 for n in range(len(of.comparisons))]
        lots.shuffle(sides)
        compared = zip(of.comparisons, sides, strict=True)
        shown = [(one.id, "real", turned) for one, turned in compared]
        lots.shuffle(shown)
        shown += [(c, "repeat", not turned) for c, _, turned in shown if lots.random() < repeats]
        shown += [(one.id, "check", lots.random() < 0.5) for one in of.check_comparisons]
        for comparison, kind, turned in shown:
            one, other = of.pictures_of(comparison)
            better = 1 if kind == "check" else truth[comparison]
            side = "left" if (better > 0) != turned else "right"
            side = side if better else "tie"
            left, right = (other, one) if turned else (one, other)
            rows.append(
                {
                    "number": len(rows) + 1,
                    "comparison": comparison,
                    "question": of.questions[0].name,
                    "left": left.candidate_id,
                    "right": right.candidate_id,
                    "answer": ways.answer(side, kind, lots),
                    "rater": rater,
                    "milliseconds": milliseconds + lots.randrange(100),
                    "kind": kind,
                    "time": "2026-01-01T00:00:00Z",
                }
            )
    return pl.DataFrame(rows, schema=VOTE_COLUMNS)
