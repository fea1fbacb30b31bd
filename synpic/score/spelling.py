"""Keys of a reward's table that stand for another registered reward and its options.

``endpoint``, ``wire`` and ``version`` are written beside ``reward``, which is then the server's own
name: the code that scores is the registered reward ``called``. ``environment`` makes it ``apart``
for code of one's own, and is an option of a reward that has an environment anyway. ``judge`` makes
it ``judged``.
"""

from __future__ import annotations

from typing import Any, TypeVar

from synpic.recipe import CodeSettings, RewardSettings

__all__ = ["CALLED", "spelled_out"]

CALLED, APART, JUDGED = "called", "apart", "judged"

Settings = TypeVar("Settings", bound=CodeSettings)


def spelled_out(name: str, settings: Settings) -> Settings:
    """``settings`` as those of the registered reward that they stand for.

    Args:
        name: the recipe's name of it, which is the server's where ``reward`` gives no other.
    """
    if not isinstance(settings, RewardSettings):
        return settings
    if settings.judge is not None:
        options = {**settings.options, "judge": settings.judge}
        return settings.model_copy(update={"reward": JUDGED, "options": options, "judge": None})
    if settings.environment is not None:
        return settings.model_copy(update={**_apart(name, settings), "environment": None})
    if settings.endpoint is None:
        return settings
    options = {
        "wire": settings.wire,
        "reward": settings.reward or name,
        "version": settings.version,
        "endpoint": settings.endpoint,
    }
    given = {"reward": CALLED, "options": options}
    return settings.model_copy(update={**given, "endpoint": None, "wire": None, "version": None})


def _apart(name: str, settings: RewardSettings) -> dict[str, Any]:
    code, place = settings.reward or name, {"environment": settings.environment}
    if ":" not in code:
        return {"options": {**settings.options, **place}}
    own = {"options": settings.options} if settings.options else {}
    return {"reward": APART, "options": {"code": code, **place, **own}}
