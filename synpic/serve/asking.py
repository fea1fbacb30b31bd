"""What a wire asks of the rewards that are served, and what it is answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from synpic.errors import SynpicError
from synpic.readers.display import count
from synpic.score.wires.synpic import RewardDescription

__all__ = ["Ask", "DescribedScorer", "Refused", "Scored", "Scorer", "Unscored", "too_many"]


@dataclass(frozen=True)
class Ask:
    """One image to score.

    Args:
        prompt: the text that it was drawn for.
        image: the bytes of a file that Pillow opens.
        metadata: what the prompt asks for, where a reward reads more than the prompt.
        number: its place in its request, for messages, where only a part of that is asked at once.
    """

    prompt: str
    image: bytes
    metadata: Mapping[str, Any] = field(default_factory=dict)
    number: int | None = None


@dataclass(frozen=True)
class Scored:
    """A score, already divided by the reward's scale.

    Args:
        parts: numbers beside it, of rewards that have such: "strict", "graded".
    """

    value: float
    parts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Unscored:
    """Why an image has no score by one reward."""

    message: str
    hint: str | None = None


class Refused(SynpicError):
    """A request that is not answered with scores.

    Args:
        status: of HTTP.
        retry_after: seconds after which the same request may be accepted.
    """

    def __init__(
        self, status: int, message: str, *, hint: str | None = None, retry_after: int | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.status, self.retry_after = status, retry_after

    @property
    def headers(self) -> dict[str, str]:
        """Of the answer."""
        return {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}


def too_many(images: int, most: int) -> Refused:
    """The refusal of a request for which the queue never has room."""
    return Refused(
        413,
        f"{count(images, 'image')} in one request, and the queue holds {most:,}",
        hint="send fewer at a time; --queue of `synpic serve` allows more",
    )


class Scorer(Protocol):
    """The rewards of one process."""

    @property
    def names(self) -> tuple[str, ...]:
        """What the rewards are called, in the order in which they were named."""
        ...

    @property
    def state(self) -> str:
        """ "ok", "stopping", or "failed" once the device is lost."""
        ...

    async def score(
        self, asks: Sequence[Ask], rewards: Sequence[str]
    ) -> dict[str, list[Scored | Unscored]]:
        """Each reward's answer for each ask; an image of several rewards is decoded once.

        A score depends on its own image and prompt alone, whatever shares its batch.

        Raises:
            Refused: an unknown reward (404), an image or prompt that is none (422, with its
                number), an image over the limit (413), no room in the queue (503, with
                ``retry_after``), a server that stops (503).
        """
        ...


class DescribedScorer(Scorer, Protocol):
    """A scorer that says what its rewards are."""

    @property
    def described(self) -> Mapping[str, RewardDescription]:
        """What is known of each reward."""
        ...
