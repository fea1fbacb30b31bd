"""What a judge says of an image."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Verdict", "VerdictPart"]


@dataclass(frozen=True)
class VerdictPart:
    """One thing that an image was asked for.

    Args:
        id: within the specification.
        question: what was asked, as a person reads it.
        answer: what was found.
        probability: of the answer that counts for the image, 0 … 1; None where there is none.
        correct: whether that is what was asked for.
    """

    id: str
    question: str
    answer: str
    probability: float | None
    correct: bool


@dataclass(frozen=True)
class Verdict:
    """Whether an image shows what was asked for.

    Args:
        correct: all of it; None of a suite that has scores alone.
        score: how much of it, 0 … 1; None of a suite that has no score.
        parts: what it was asked for, in the order of the specification.
        reason: what is wrong, as a person reads it; "" where nothing is.
    """

    correct: bool | None
    score: float | None
    parts: tuple[VerdictPart, ...]
    reason: str
