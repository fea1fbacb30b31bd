"""UniRL's messages: ``POST /score``, ``GET /rewards`` and ``GET /health``.

Source: ``unirl-reward-service/reward_service/schemas.py`` and ``server.py``, and the client
``unirl/reward/remote.py``, of UniRL at 1a7b501. The server there answers a bad request with 400 and
``{"detail": message}``; the client sends JPEG of quality 95 unless ``image_format`` is ``PNG``, and
sends a request again whatever the status is.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["ItemRequest", "RewardNames", "Turn", "UnirlAnswer", "UnirlHealth", "UnirlRequest"]


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class Turn(_Message):
    """A step of an item's history: a text with an image, a video, or both."""

    text: str
    image_b64: str | None = None
    """The bytes of a file that Pillow opens, in base64."""
    video_b64: str | None = None
    video_path: str | None = None


class ItemRequest(_Message):
    """One item: its last turn is what rewards see. An edited image has a turn before it, with the
    image that was edited.
    """

    history: list[Turn]
    required_rewards: Annotated[list[str], Field(min_length=1)]
    metadata: dict[str, Any] | None = None


class UnirlRequest(_Message):
    """Score n items."""

    requests: list[ItemRequest]


class UnirlAnswer(_Message):
    """For each item its rewards, each with named sub-scores, and its errors by reward.

    The client takes the first sub-score unless its ``sub_metric_reduce`` names the mean or the
    largest. A reward is in one of the two for each item that asked for it.
    """

    results: list[dict[str, dict[str, float]]]
    errors: list[dict[str, str]] = []


class RewardNames(_Message):
    """What ``GET /rewards`` answers."""

    rewards: list[str]


class UnirlHealth(_Message):
    """What ``GET /health`` answers: the client does not start where a reward of its is missing."""

    status: str
    rewards: dict[str, list[Any]]
    """Reward → the state of each of its replicas, as their server puts it."""
