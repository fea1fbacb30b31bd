"""Rewards and judges opened without a workspace: nothing is locked, and nothing recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from synpic.engine.device import pick_device
from synpic.hub import checkpoints
from synpic.score.environments import (
    environment_arguments,
    environment_source,
    resolve_environment,
)
from synpic.score.kinds import Kind
from synpic.score.option_files import SomeSettings, with_files
from synpic.score.reward import RewardInfo, companion_sources, construct_reward, registered_reward
from synpic.score.spelling import spelled_out

__all__ = ["open_unlocked"]


def open_unlocked(
    name: str,
    settings: SomeSettings,
    device: str | None,
    kind: Kind | None = None,
) -> Any:
    """What ``settings`` name, with its weights.

    Args:
        name: what it is called in messages.
        settings: paths are relative to the working directory.
        device: as torch names it; the first accelerator if None.
        kind: a reward if None.

    Raises:
        UnknownName: nothing is called so.
        CheckpointError: weights are nowhere, or cannot be reached.
        RewardError: it takes no such option, or cannot be opened.
    """
    settings = spelled_out(name, with_files(name, settings, Path()))
    options = settings.options
    thing = registered_reward(name, settings, kind=kind)
    info: RewardInfo | None = getattr(thing, "info", None)
    companions = companion_sources(info, options)
    arguments = {key: value for key, value in options.items() if key not in companions}
    if info and info.checkpoint:
        weights, revision = settings.checkpoint or info.checkpoint, settings.revision
        where, commit = checkpoints.load_unlocked(weights, revision)
        arguments |= {"checkpoint": where, "revision": commit, "device": pick_device(device)}
    for companion, source in companions.items():
        where, commit = checkpoints.load_unlocked(*source)
        arguments |= {companion: where, f"{companion}_revision": commit}
    if (environment := environment_source(thing, options)) is not None:
        entry = resolve_environment(None, environment, Path())
        arguments |= environment_arguments(entry, Path())
    return construct_reward(name, thing, arguments, kind)
