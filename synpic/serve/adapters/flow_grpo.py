"""Rewards as the functions that Flow-GRPO and DiffusionNFT call.

Their ``flow_grpo/rewards.py`` has a table of functions that make one. A line of it is enough:

    from synpic.serve.adapters import flow_grpo as synpic_rewards
    score_functions = {"hpsv2": synpic_rewards.maker("hpsv2"), …}

``maker("pickscore", scale=26)`` gives what both train on; ``maker("hpsv2", server_url="http://…")``
asks a ``synpic serve``.

Source: ``flow_grpo/rewards.py`` of Flow-GRPO at ac4c86e and of DiffusionNFT at 24af555.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from synpic.serve.adapters.pictures import as_pictures
from synpic.serve.adapters.scoring import scoring

__all__ = ["maker", "reward_function"]

RewardFunction: TypeAlias = Callable[[Any, Sequence[str], Any], tuple[list[float], dict[str, Any]]]


def reward_function(
    name: str,
    *,
    server_url: str | None = None,
    scale: float = 1.0,
    device: Any = None,
    options: Mapping[str, Any] | None = None,
) -> RewardFunction:
    """``fn(images, prompts, metadata) → (scores, {})``.

    Args:
        name, server_url, scale, options: as :func:`~.scoring.scoring` takes them.
        device: of torch; that of a reward in this process.
    """
    here = None if device is None or server_url is not None else str(device)
    opened = scoring(name, server_url=server_url, scale=scale, device=here, options=options)

    def _fn(
        images: Any, prompts: Sequence[str], metadata: Any = None
    ) -> tuple[list[float], dict[str, Any]]:
        """Scores of n images: NCHW floats 0 … 1, or NHWC uint8."""
        rows = metadata if isinstance(metadata, list | tuple) and len(metadata) else None
        return opened.score(list(prompts), as_pictures(images), rows), {}

    return _fn


def maker(
    name: str,
    *,
    server_url: str | None = None,
    scale: float = 1.0,
    options: Mapping[str, Any] | None = None,
) -> Callable[[Any], RewardFunction]:
    """What stands in their table: a function of ``device`` that makes :func:`reward_function`."""

    def make(device: Any) -> RewardFunction:
        return reward_function(
            name, server_url=server_url, scale=scale, device=device, options=options
        )

    return make
