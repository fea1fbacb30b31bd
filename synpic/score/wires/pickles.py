"""What verl-omni, Flow-GRPO and those after them send as pickles of plain data, as typed messages.

Sources: ``verl_omni/utils/reward_score/http_scorer_client.py`` of verl-omni at a1139ba;
``flow_grpo/rewards.py`` of Flow-GRPO at ac4c86e and its servers ``app_geneval.py``,
``app_deqa.py`` and ``reward_server/gen_eval.py`` (reward-server at 92ac29f). DiffusionNFT (24af555)
has no wire: it computes rewards in its own process.

The three kinds differ in their keys:

``images``, ``prompts``, ``metadata`` → ``scores``: verl-omni, and servers written for Flow-GRPO.
``images`` → ``outputs``: DeQA's, of a reward that reads no prompt.
``images``, ``meta_datas``, ``only_strict`` → :class:`GenEvalScores`.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

__all__ = ["GENEVAL_TAGS", "NO_TAG", "GenEvalScores", "PickledRequest"]

GENEVAL_TAGS = ("single_object", "two_object", "counting", "colors", "position", "color_attr")
"""Groups of GenEval's prompts, in the order in which Flow-GRPO's server writes them."""

NO_TAG = -10.0
"""Stands in a group for an image of another group."""


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class PickledRequest(_Message):
    """Score n images."""

    images: list[bytes]
    """n images: JPEG as those clients write it, or any file that Pillow opens."""
    prompts: list[str] | None = None
    metadata: Any = None
    meta_datas: list[dict[str, Any]] | None = None
    """n rows of GenEval's metadata: ``tag``, ``include``, ``exclude``, ``prompt``."""
    only_strict: bool = True


class GenEvalScores(_Message):
    """GenEval's verdicts on n images, as Flow-GRPO's server writes them."""

    scores: list[float]
    """The graded form."""
    rewards: list[float]
    """1 where GenEval calls the image correct; 0 everywhere where ``only_strict`` was sent."""
    strict_rewards: list[float]
    """1 where each object is there exactly as often as asked for, in its colour and place."""
    group_rewards: dict[str, list[float]]
    """Tag → n of ``rewards``, :data:`NO_TAG` where an image has another tag."""
    group_strict_rewards: dict[str, list[float]]
