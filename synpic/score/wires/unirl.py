"""UniRL's messages: ``POST /score``, ``GET /rewards`` and ``GET /health``.

Source: ``unirl-reward-service/reward_service/schemas.py`` and ``unirl/reward/remote.py`` of UniRL.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["ItemRequest", "Turn", "UnirlAnswer", "UnirlRequest"]


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class Turn(_Message):
    """A step of an item's history: a prompt, an image, or both."""

    text: str | None = None
    image_b64: str | None = None


class ItemRequest(_Message):
    """One item: its last prompt and its last image are what rewards see."""

    history: list[Turn]
    required_rewards: Annotated[list[str], Field(min_length=1)]
    metadata: dict[str, Any] | None = None


class UnirlRequest(_Message):
    """Score n items."""

    requests: list[ItemRequest]


class UnirlAnswer(_Message):
    """For each item its rewards, each with named sub-scores, and its errors by reward."""

    results: list[dict[str, dict[str, float]]]
    errors: list[dict[str, str]]
