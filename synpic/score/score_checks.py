"""Scores that cannot be trusted are refused before one of them is kept."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from synpic.errors import RewardError

__all__ = ["ConstantGuard", "check_finite"]

ENOUGH_CANDIDATES = 16
ENOUGH_PROMPTS = 2


def check_finite(reward: str, candidates: Sequence[str], scores: Sequence[float]) -> list[float]:
    """``scores`` as they will be stored, in float32.

    Raises:
        RewardError: their number is not that of the candidates, or one is NaN or infinite.
    """
    try:
        with np.errstate(over="ignore"):
            values = np.asarray(scores, dtype=np.float32).reshape(-1).tolist()
    except (TypeError, ValueError) as error:
        raise RewardError(
            f"reward {reward!r} gave something that is no number: {error}",
            hint="a reward gives one float for each image, in their order",
        ) from error
    if len(values) != len(candidates):
        raise RewardError(
            f"reward {reward!r} gave {len(values)} scores for {len(candidates)} images",
            hint="a reward gives one float for each image, in their order",
        )
    for candidate, value in zip(candidates, values, strict=True):
        if not math.isfinite(value):
            raise RewardError(
                f"reward {reward!r} gave {value} for candidate {candidate}",
                hint="nothing of this batch was kept; a half-precision overflow is the usual cause",
            )
    return values


class ConstantGuard:
    """Holds rows back until a reward has shown that it tells images apart.

    A judge that gives one value to 16 images of two prompts has read nothing: an empty checkpoint,
    an unplugged tower. What it says is not kept.

    Args:
        reward: its name.
        before: the score and prompt id of every candidate that it scored in earlier runs.
    """

    def __init__(self, reward: str, before: Iterable[tuple[float, str]] = ()) -> None:
        self._reward = reward
        self._held: list[dict[str, Any]] = []
        self._values: set[float] = set()
        self._prompts: set[str] = set()
        self._count = 0
        for score, prompt in before:
            self._note(score, prompt)

    def admit(self, rows: Sequence[dict[str, Any]], prompts: Sequence[str]) -> list[dict[str, Any]]:
        """Take a batch of score rows; give back the rows that may be kept now.

        Raises:
            RewardError: one constant value over ≥ 2 prompts and ≥ 16 candidates.
        """
        self._held += rows
        if len(self._values) > 1:
            return self.release()
        for row, prompt in zip(rows, prompts, strict=True):
            self._note(row["score"], prompt)
        if len(self._values) > 1:
            return self.release()
        if self._count >= ENOUGH_CANDIDATES and len(self._prompts) >= ENOUGH_PROMPTS:
            value = next(iter(self._values))
            raise RewardError(
                f"reward {self._reward!r} gave {value} to every one of {self._count} images of "
                f"{len(self._prompts)} prompts",
                hint="it tells nothing apart, so none of these was kept; check its checkpoint",
            )
        return []

    def release(self) -> list[dict[str, Any]]:
        """What is still held, at the end of work: too little to judge it by."""
        held, self._held = self._held, []
        return held

    def _note(self, score: float, prompt: str) -> None:
        self._values.add(score)
        self._prompts.add(prompt)
        self._count += 1
