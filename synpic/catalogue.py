"""What ``synpic list`` shows: every registered model and reward, as plain rows."""

from __future__ import annotations

from typing import Any

from synpic.errors import UnknownName
from synpic.generate.model import KnownModel
from synpic.registry import MODELS, REWARDS
from synpic.score.reward import RewardInfo

__all__ = ["models", "rewards"]


def models() -> list[dict[str, Any]]:
    """Registered models with the settings that a recipe starts from."""
    rows: list[dict[str, Any]] = []
    for name in MODELS.names():
        known: KnownModel = MODELS.load(name)
        settings = known.settings.model_dump(exclude_none=True)
        rows.append(
            {
                "name": name,
                "family": known.settings.family or "auto",
                "checkpoint": known.settings.checkpoint,
                "sizes": ", ".join(known.settings.sizes or []) or None,
                "steps": known.settings.steps,
                "guidance": known.settings.guidance,
                "licence": known.licence or "see its page",
                "from": MODELS.origin(name),
                "settings": settings,
                "source": known.source,
            }
        )
    return rows


def rewards() -> list[dict[str, Any]]:
    """Registered rewards with what each declares; planned ones are shown as not installed."""
    return [_reward(name) for name in sorted({*REWARDS.names(), *REWARDS.planned})]


def _reward(name: str) -> dict[str, Any]:
    empty = vars(RewardInfo(summary=""))
    if name in REWARDS.planned and name not in REWARDS.names():
        row = dict.fromkeys(empty)
        return {"name": name, "installed": False, "from": "synpic", **row, "summary": "planned"}
    try:
        thing = REWARDS.load(name)
    except UnknownName as error:
        row = dict.fromkeys(empty)
        note = {"summary": error.message}
        return {"name": name, "installed": False, "from": REWARDS.origin(name), **row, **note}
    info: RewardInfo = getattr(thing, "info", None) or RewardInfo(summary="a plain function")
    return {"name": name, "installed": True, "from": REWARDS.origin(name), **vars(info)}
