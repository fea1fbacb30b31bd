"""synpic's own messages: ``POST /v1/score``, ``POST /v1/group`` and ``GET /v1/rewards``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "TOKEN",
    "GroupAnswer",
    "GroupRequest",
    "ItemError",
    "RewardDescription",
    "RewardsAnswer",
    "ScoreAnswer",
    "ScoreRequest",
    "ServerProblem",
]


TOKEN = "SYNPIC_SERVE_TOKEN"
"""Names the variable of the environment that holds a server's token, there and at its callers."""


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ScoreRequest(_Message):
    """Score n images, each for its own prompt."""

    prompts: list[str]
    """n prompts."""
    images: list[str]
    """n images: the bytes of a file that Pillow opens (PNG keeps pixels exact), in base64."""
    rewards: Annotated[list[str], Field(min_length=1)] | None = None
    """Names of the rewards; all that are served if not given."""
    metadata: list[dict[str, Any] | None] | None = None
    """n objects: what each prompt asks for, where a reward reads more than the prompt."""


class ItemError(_Message):
    """An image without a score."""

    reward: str
    item: int
    """The image's number in the request, from 0."""
    message: str
    hint: str | None = None


class ScoreAnswer(_Message):
    """The scores of one request."""

    scores: dict[str, list[float | None]]
    """Reward → n scores, higher is better; null where ``errors`` says why."""
    errors: list[ItemError] = []


class GroupRequest(_Message):
    """Rank k images of one prompt."""

    prompt: str
    images: Annotated[list[str], Field(min_length=2)]
    """k images, in base64."""
    rewards: Annotated[list[str], Field(min_length=1)] | None = None
    weights: dict[str, Annotated[float, Field(gt=0)]] | None = None
    """Reward → weight; 1 where none is given."""
    aggregation: str = "win-rate"
    metadata: dict[str, Any] | None = None
    """What the prompt asks for, where a reward reads more than the prompt."""


class GroupAnswer(_Message):
    """The ranking of one group."""

    preference: list[float]
    """φ of each image by the aggregation; by "win-rate" 0 … 1."""
    rank: list[int]
    """τ: 1 is the best."""
    wins: dict[str, list[int]]
    """Reward → the number of images that each image wins against."""
    scores: dict[str, list[float]]


class ServerProblem(_Message):
    """What is answered with every status but 200."""

    error: str
    hint: str | None = None


class RewardDescription(_Message):
    """What a server says of one reward."""

    reward: str
    """The registered name, or package.module:callable."""
    version: str | None
    fingerprint: str | None
    """A hash of what decides a score: code, version, checkpoint, options; null where a branch of
    the Hub was taken from the cache, and its commit could not be asked for."""
    scale: float
    """What every score was divided by before it was sent."""
    reads_prompt: bool
    score_range: str | None = None
    checkpoint: str | None = None
    licence: str | None = None


class RewardsAnswer(_Message):
    """What a server serves."""

    rewards: Mapping[str, RewardDescription]
    synpic: str
    """The server's version of synpic."""
