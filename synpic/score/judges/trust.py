"""Whether a judge can be trusted: its canary, the form of its verdicts, and that it tells images
apart."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from synpic.engine.attempt import Attempts, Failed
from synpic.errors import RewardError
from synpic.score.judges.judge import Judge, Requirement
from synpic.score.judges.verdict import Verdict, VerdictPart
from synpic.score.precision import full_float32
from synpic.score.score_checks import ENOUGH_CANDIDATES, ENOUGH_PROMPTS

__all__ = [
    "VerdictGuard",
    "affirms",
    "checked",
    "require_canary_refused",
    "verdict_on_grey",
]

_GREY = (128, 128, 128)
_SIDE = 256

Said = tuple[bool | None, float | None]
"""``correct`` and ``score`` of a verdict."""


def affirms(correct: bool | None, score: float | None) -> bool:
    """Whether a verdict says that what was asked for is there, more or less."""
    return correct if correct is not None else (score or 0.0) > 0.5


def verdict_on_grey(name: str, judge: Judge, asked: Requirement) -> Verdict:
    """What ``judge`` says of a plain grey picture of 256 x 256.

    Raises:
        RewardError: nothing, or no verdict.
    """

    def ask(asked: Sequence[Requirement]) -> list[Verdict]:
        pixels = judge.pixels(Image.new("RGB", (_SIDE, _SIDE), _GREY))
        with full_float32():
            return checked(name, asked, judge.judge(asked, [pixels]))

    (ended,) = Attempts(ask).run([asked])
    if isinstance(ended, Failed):
        # The cause says whether there may be room later.
        raise RewardError(
            f"judge {name!r} cannot judge a plain grey picture: {ended.reason}",
            hint=f"asked was {asked.prompt!r}; `synpic check judge` tries it alone",
        ) from (MemoryError() if ended.starved else None)
    return ended.result


def require_canary_refused(name: str, judge: Judge) -> None:
    """Ask a judge for what a plain grey picture does not show.

    Raises:
        RewardError: it says that the picture shows it, or nothing at all.
    """
    asked = judge.canary()
    if asked is None:
        return
    verdict = verdict_on_grey(name, judge, asked)
    if affirms(verdict.correct, verdict.score):
        raise RewardError(
            f"judge {name!r} says that a plain grey picture shows {asked.prompt!r}",
            hint="it affirms what is not there, so nothing was judged; check its checkpoint and "
            "options with `synpic check judge`",
        )


def checked(name: str, asked: Sequence[object], given: Any) -> list[Verdict]:
    """Verdicts as they will be kept, with plain numbers.

    Args:
        asked: what was asked for, one for each verdict.

    Raises:
        RewardError: there are not as many, or one is no verdict.
        ValueError: one of them cannot be kept; it becomes the failure of its image.
    """
    hint = "a judge gives one Verdict for each image, in their order"
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise RewardError(f"judge {name!r} gave a {type(given).__name__}, no list", hint=hint)
    if len(given) != len(asked):
        raise RewardError(
            f"judge {name!r} gave {len(given)} verdicts for {len(asked)} images", hint=hint
        )
    for one in given:
        if not isinstance(one, Verdict):
            raise RewardError(f"judge {name!r} gave a {type(one).__name__}", hint=hint)
    return [_plain(one) for one in given]


def _plain(verdict: Verdict) -> Verdict:
    correct = _truth("correct", verdict.correct)
    score = _share("score", verdict.score)
    if correct is None and score is None:
        raise ValueError("the verdict has neither correct nor score, expected one of them")
    if not isinstance(verdict.reason, str):
        raise ValueError(f"the reason is a {type(verdict.reason).__name__}, expected a text")
    if correct is False and not verdict.reason.strip():
        raise ValueError("the verdict is wrong without a reason")
    parts = tuple(map(_plain_part, verdict.parts))
    return Verdict(correct, score, parts, verdict.reason)


def _plain_part(part: VerdictPart) -> VerdictPart:
    correct = _truth(f"part {part.id}", part.correct)
    if correct is None:
        raise ValueError(f"part {part.id}: correct is None, expected True or False")
    probability = _share(f"part {part.id}: probability", part.probability)
    texts = {key: str(getattr(part, key)) for key in ("id", "question", "answer")}
    return replace(part, **texts, probability=probability, correct=correct)


def _truth(what: str, value: Any) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    raise ValueError(f"{what} is {value!r}, expected True, False or None")


def _share(what: str, value: Any) -> float | None:
    """``value`` as it will be stored, in float32."""
    if value is None:
        return None
    try:
        with np.errstate(over="ignore"):
            number = float(np.float32(value))
    except (TypeError, ValueError):
        raise ValueError(f"the {what} is {value!r}, expected a number") from None
    if not math.isfinite(number) or not 0 <= number <= 1:
        raise ValueError(f"the {what} is {number}, expected 0 … 1")
    return number


class VerdictGuard:
    """Holds rows back until a judge has shown that it tells images apart.

    A judge whose canary was refused may well find everything right. Of two others nothing is kept:
    a plain function, which has no canary, that calls 16 images of two prompts right, and a plain
    grey picture too; and a judge of scores alone, without parts, that gives all of these one score
    between 0 and 1.

    Args:
        judge: its name.
        on_grey: whether it affirms a requirement on a plain grey picture; None where its canary was
            refused.
        before: its verdict on each image of earlier runs, with the prompt's id.
    """

    def __init__(
        self,
        judge: str,
        on_grey: Callable[[Requirement], bool] | None,
        before: Iterable[tuple[Said, str]] = (),
    ) -> None:
        self._judge, self._on_grey = judge, on_grey
        self._held: list[dict[str, Any]] = []
        self._said: set[Said] = set()
        self._asked: dict[str, Requirement | None] = {}
        self._count = 0
        self._free = False
        for said, prompt in before:
            self._note(said, prompt, None, parts=False)

    def admit(
        self, rows: Sequence[dict[str, Any]], asked: Sequence[tuple[str, Requirement]]
    ) -> list[dict[str, Any]]:
        """Take a batch of rows; give back the rows that may be kept now.

        Args:
            asked: of each row the prompt's id, and what was asked for.

        Raises:
            RewardError: it tells nothing apart.
        """
        self._held += rows
        for row, (prompt, requirement) in zip(rows, asked, strict=True):
            said = row["correct"], row["score"]
            self._note(said, prompt, requirement, parts=bool(row["parts"]))
        if self._free:
            return self.release()
        if self._count >= ENOUGH_CANDIDATES and len(self._asked) >= ENOUGH_PROMPTS:
            self._require_telling()
            self._free = True
            return self.release()
        return []

    def release(self) -> list[dict[str, Any]]:
        """What is still held, at the end of work: too little to judge it by."""
        held, self._held = self._held, []
        return held

    def _note(self, said: Said, prompt: str, asked: Requirement | None, *, parts: bool) -> None:
        self._said.add(said)
        self._asked[prompt] = asked or self._asked.get(prompt)
        self._count += 1
        correct, score = said
        right = affirms(correct, score) and (correct is not None or score == 1)
        between = correct is None and not parts and score not in (0, 1)
        suspect = (right and self._on_grey is not None) or between
        self._free |= len(self._said) > 1 or not suspect

    def _require_telling(self) -> None:
        ((correct, score),) = self._said
        of = f"every one of {self._count} images of {len(self._asked)} prompts"
        if correct is None and score != 1:
            raise RewardError(
                f"judge {self._judge!r} gave the score {score} to {of}",
                hint="it tells nothing apart, so none of these was kept; check its checkpoint",
            )
        asked = [one for one in self._asked.values() if one is not None][:ENOUGH_PROMPTS]
        if self._on_grey is not None and all(map(self._on_grey, asked)):
            raise RewardError(
                f"judge {self._judge!r} calls {of} right, and a plain grey picture too",
                hint="it affirms everything, so none of these was kept; where a grey picture is "
                "right, write it as a class with a `canary` (docs/judging-own.md)",
            )
