"""Whether a judge can be trusted here: its canary, and what holds of every judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from PIL.Image import Image

from synpic.engine.attempt import Attempts, Failed
from synpic.errors import RewardError
from synpic.recipe import JudgeSettings
from synpic.score.check import Finding, drawn_pictures
from synpic.score.judges.judge import Judge, Requirement
from synpic.score.judges.trust import affirms, checked, verdict_on_grey
from synpic.score.judges.verdict import Verdict
from synpic.score.judges.wanted import JUDGE
from synpic.score.precision import full_float32
from synpic.score.unlocked import open_unlocked

__all__ = ["JudgeCheck", "check_judge"]

SAME = 1e-3
"""How far two computations of one probability may lie apart: batches of other shapes take other
kernels, and large models are read in half precision."""


@dataclass(frozen=True)
class JudgeCheck:
    """What was found.

    Args:
        judge: its name.
        checkpoint: what was opened; None for a judge without weights.
        canary: what a plain grey picture does not show; None of a plain function, which has
            none.
        verdict: on that; None without a canary.
        findings: on that, and on pictures that were drawn for it.
    """

    judge: str
    checkpoint: str | None
    canary: Requirement | None
    verdict: Verdict | None
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return all(one.ok for one in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """For machines."""
        canary = self.canary and {**asdict(self.canary), "spec": dict(self.canary.spec)}
        return {**asdict(self), "canary": canary, "ok": self.ok}


def check_judge(name: str, settings: JudgeSettings, *, device: str | None = None) -> JudgeCheck:
    """Open a judge, ask it for what a plain grey picture does not show, and see that a picture has
    one verdict in any batch.

    Args:
        name: what it is called in messages.
        settings: which judge, which weights, and its options.
        device: as torch names it; the first accelerator if None.

    Raises:
        UnknownName, CheckpointError: it cannot be found.
        RewardError: it cannot be opened, or gives no verdict.
    """
    judge: Judge = open_unlocked(name, settings, device, JUDGE)
    try:
        canary, verdict, findings = judge.canary(), None, []
        if canary is not None:
            verdict = verdict_on_grey(name, judge, canary)
            affirmed = affirms(verdict.correct, verdict.score)
            text = f"a plain grey picture does not show {canary.prompt!r}"
            findings.append(Finding(text, not affirmed))
        findings += _common_sense(name, judge, canary)
    finally:
        judge.close()
    info = judge.info
    weights = settings.checkpoint or info.checkpoint
    return JudgeCheck(name, weights, canary, verdict, tuple(findings))


def _common_sense(name: str, judge: Judge, canary: Requirement | None) -> list[Finding]:
    pictures, prompts = drawn_pictures()
    asked = [canary or Requirement(prompt) for prompt in prompts]
    together = _verdicts(name, judge, asked, pictures)
    turned = _verdicts(name, judge, asked[::-1], pictures[::-1])[::-1]
    pairs = zip(asked, pictures, strict=True)
    alone = [_verdicts(name, judge, [one], [picture])[0] for one, picture in pairs]
    return [
        Finding("every verdict can be kept", True),  # or there had been an error
        Finding("a picture has one verdict, in any batch", _same(together, alone)),
        Finding("a picture has one verdict, in any order", _same(together, turned)),
    ]


def _verdicts(
    name: str, judge: Judge, asked: Sequence[Requirement], pictures: Sequence[Image]
) -> list[Verdict]:
    def ask(batches: Sequence[int]) -> list[list[Verdict]]:
        pixels = [judge.pixels(picture.copy()) for picture in pictures]
        with full_float32():
            return [checked(name, asked, judge.judge(asked, pixels)) for _ in batches]

    (ended,) = Attempts(ask).run([0])
    if isinstance(ended, Failed):
        raise RewardError(
            f"judge {name!r} cannot judge pictures that were drawn for it: {ended.reason}",
            hint="asked was "
            + " and ".join(repr(prompt) for prompt in dict.fromkeys(one.prompt for one in asked)),
        )
    return ended.result


def _same(one: Sequence[Verdict], other: Sequence[Verdict]) -> bool:
    return all(map(_alike, one, other))


def _alike(one: Verdict, other: Verdict) -> bool:
    parts = zip(one.parts, other.parts, strict=False)
    return (
        one.correct == other.correct
        and _near(one.score, other.score)
        and len(one.parts) == len(other.parts)
        and all(
            (a.id, a.answer, a.correct) == (b.id, b.answer, b.correct)
            and _near(a.probability, b.probability)
            for a, b in parts
        )
    )


def _near(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return abs(one - other) <= SAME
