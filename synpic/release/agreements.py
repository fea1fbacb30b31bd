"""What a manifest says of how far what ranks agrees, with one another and with people."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from synpic.readers.json_models import Record

__all__ = ["Agreement", "Agreements", "HeldToPeople", "LeftOut"]

Count = Annotated[int, Field(ge=0, lt=1 << 63)]
Percent = Annotated[float, Field(ge=0, le=100)]
Tau = Annotated[float, Field(ge=-1 - 1e-9, le=1 + 1e-9)]
"""Kendall's τ-b: a mean of floats may pass 1 by its last digit."""


class HeldToPeople(Record):
    """On one set of labelled pairs, how often what ranks prefers the image that people prefer.

    ``percent`` has an interval of 95 % from ``low`` to ``high``, and is over ``pairs`` of
    ``prompts``, where those are known. ``source`` is where the number is from.
    """

    set: str
    what: str
    percent: Percent
    low: Percent | None = None
    high: Percent | None = None
    pairs: Count | None = None
    prompts: Count | None = None
    source: str


class Agreement(Record):
    """Kendall's τ-b of two rewards, a mean over ``prompts``."""

    reward_a: str
    reward_b: str
    tau: Tau | None
    prompts: Count


class LeftOut(Record):
    """Kendall's τ-b of a reward with all the others together, a mean over ``prompts``."""

    reward: str
    tau: Tau | None
    prompts: Count


class Agreements(Record):
    """How far the rewards agree: every ordered pair, and each with the others."""

    rewards: list[Agreement]
    leave_one_out: list[LeftOut]

    @model_validator(mode="after")
    def _every_pair(self) -> Self:
        names = dict.fromkeys(row.reward_a for row in self.rewards)
        found = {(row.reward_a, row.reward_b) for row in self.rewards}
        if found != {(a, b) for a in names for b in names} or len(found) != len(self.rewards):
            raise ValueError("reward_a and reward_b of rewards do not name every pair once")
        if any(row.reward not in names for row in self.leave_one_out):
            raise ValueError("a reward of leave_one_out is not among those of rewards")
        return self
