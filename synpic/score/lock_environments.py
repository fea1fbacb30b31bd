"""Environments of the rewards that are about to be used, resolved and locked."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from synpic.hub.lock import Lock
from synpic.recipe import RewardSettings
from synpic.score.environments import environment_source, resolve_environment
from synpic.score.reward import registered_reward
from synpic.score.spelling import spelled_out

__all__ = ["lock_environments"]


def lock_environments(
    rewards: Mapping[str, RewardSettings], lock: Lock, only: Collection[str] | None = None
) -> None:
    """Resolve the environments that ``rewards`` run in, where ``lock`` does not have them.

    An index of packages is asked, so that this is for commands that score, and not for those that
    read.

    Args:
        only: names of some of them.

    Raises:
        UnknownName, RewardError: as :func:`synpic.score.reward.registered_reward`; or one cannot be
            resolved, or is no longer what was locked.
        MissingExtra: uv is not installed.
    """
    for name, settings in rewards.items():
        if only and name not in only:
            continue
        spelled = spelled_out(name, settings)
        thing = registered_reward(name, spelled, lock.folder)
        source = environment_source(thing, spelled.options)
        if source is not None:
            resolve_environment(lock, source, lock.folder)
