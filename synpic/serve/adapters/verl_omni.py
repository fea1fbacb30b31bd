"""A reward as the function that verl-omni calls.

    +reward.reward_functions.hpsv2.path=pkg://synpic.serve.adapters.verl_omni
    +reward.reward_functions.hpsv2.name=compute_score
    +reward.reward_functions.hpsv2.reward=hpsv2
    +reward.reward_functions.hpsv2.required=true

``server_url`` beside it asks a ``synpic serve`` for the reward, with PNG, where verl-omni's own
client sends JPEG. Without ``required`` verl-omni counts an error as 0.

Source: ``verl_omni/reward_loop/reward_manager/visual.py`` and ``multi.py`` of verl-omni at a1139ba.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from synpic.serve.adapters.pictures import as_pictures
from synpic.serve.adapters.scoring import scoring

__all__ = ["compute_score"]


def compute_score(
    data_source: str,
    solution_image: Any,
    ground_truth: str,
    extra_info: Mapping[str, Any] | None = None,
    *,
    reward: str,
    server_url: str | None = None,
    scale: float = 1.0,
    device: str | None = None,
    options: Mapping[str, Any] | None = None,
    **others: Any,
) -> dict[str, float]:
    """The score of one image. verl-omni calls it in threads.

    Args:
        data_source: not read.
        solution_image: uint8 ``[3, h, w]``, or ``[1, 3, h, w]``.
        ground_truth: the prompt, as verl-omni's own client for servers reads it.
        extra_info: what the prompt asks for, under ``metadata``, where a reward reads that.
        reward, server_url, scale, device, options: as :func:`~.scoring.scoring` takes them.
        others: what verl-omni passes to any of its functions; not read.

    Raises:
        RewardError: the image has no score.
    """
    del data_source, others
    opened = scoring(
        reward, server_url=server_url, scale=scale, device=device, options=dict(options or {})
    )
    images = as_pictures(solution_image if solution_image.ndim == 4 else [solution_image])[:1]
    metadata = (extra_info or {}).get("metadata")
    [score] = opened.score([ground_truth], images, None if metadata is None else [metadata])
    return {"score": score}
