"""Keys of a reward's table that stand for another registered reward and its options.

``endpoint``, ``wire`` and ``version`` are written beside ``reward``, which is then the server's own
name: the code that scores is the registered reward ``called``.
"""

from __future__ import annotations

from typing import Any, TypeVar

from synpic.recipe import CodeSettings, RewardSettings

__all__ = ["CALLED", "spelled_out"]

CALLED = "called"

Settings = TypeVar("Settings", bound=CodeSettings)


def spelled_out(name: str, settings: Settings) -> Settings:
    """``settings`` as those of the registered reward that they stand for.

    Args:
        name: the recipe's name of it, which is the server's where ``reward`` gives no other.
    """
    if not isinstance(settings, RewardSettings) or settings.endpoint is None:
        return settings
    options: dict[str, Any] = {
        "wire": settings.wire,
        "reward": settings.reward or name,
        "version": settings.version,
        "endpoint": settings.endpoint,
    }
    given = {"reward": CALLED, "options": options}
    return settings.model_copy(update={**given, "endpoint": None, "wire": None, "version": None})
