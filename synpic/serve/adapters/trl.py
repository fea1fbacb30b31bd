"""Rewards as functions of prompts and images: the shape in which TRL calls rewards.

    from synpic.serve.adapters.trl import reward_function
    trainer = SomeTrainer(reward_funcs=[reward_function("hpsv2"), reward_function("pickscore")])

Prompts and images are lists of n. Of the dataset's columns, which come as keywords, ``metadata`` is
sent to a server. TRL logs each function under its ``__name__``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from synpic.serve.adapters.pictures import as_pictures
from synpic.serve.adapters.scoring import scoring

__all__ = ["reward_function"]


def reward_function(
    name: str,
    *,
    server_url: str | None = None,
    scale: float = 1.0,
    device: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> Callable[..., list[float]]:
    """``reward_fn(prompts, images, **columns) → scores``.

    Args:
        name, server_url, scale, device, options: as :func:`~.scoring.scoring` takes them.
    """
    opened = scoring(name, server_url=server_url, scale=scale, device=device, options=options)

    def reward_fn(prompts: Sequence[str], images: Any, **columns: Any) -> list[float]:
        """Scores of n images, each for its prompt."""
        metadata = columns.get("metadata")
        return opened.score(list(prompts), as_pictures(images), metadata)

    reward_fn.__name__ = name.rpartition(":")[2].rpartition(".")[2]
    return reward_fn
