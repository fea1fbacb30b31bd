"""Flow-Factory's messages: ``POST /compute`` and ``GET /health``.

Source: the client ``src/flow_factory/rewards/my_reward_remote.py`` and the template of a server
``reward_server/example_server.py`` of Flow-Factory at a0b2bc5. The client sends a request three
times at most, at once, whatever the status is, and reads ``rewards`` of a 200 alone.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

__all__ = ["ComputeAnswer", "ComputeRequest"]


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class ComputeRequest(_Message):
    """Score n images. Any other status than 200 carries ``{"detail": message}``."""

    prompt: list[str]
    image: list[str] | None = None
    """n images: PNG in base64."""
    video: list[Any] | None = None
    """n lists of frames, as images."""
    condition_images: list[Any] | None = None
    condition_videos: list[Any] | None = None


class ComputeAnswer(_Message):
    """The scores of one request."""

    rewards: list[float]
