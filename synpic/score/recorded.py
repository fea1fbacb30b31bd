"""A reward or comparer whose code or weights are away, as the parts that it made record it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from synpic.recipe import RewardSettings
from synpic.score.option_files import is_file
from synpic.workspace import Snapshot
from synpic.workspace.recorded import (
    Recorded,
    closest,
    describe_weights,
    fits,
    known_weights,
    recorded,
    weights_likeness,
)

__all__ = ["RecordedReward", "recorded_reward"]


@dataclass(frozen=True)
class RecordedReward(Recorded):
    """Its scores, or comparisons, can be read, and nothing more be scored.

    Args:
        registered: what it was registered as when it scored.
        checkpoint: for people; None for a reward without weights.
    """

    registered: str
    checkpoint: str | None


def recorded_reward(name: str, snapshot: Snapshot) -> tuple[RecordedReward | None, list[str]]:
    """What the workspace records of the reward, or comparer, that a recipe calls ``name``.

    A record counts where it agrees with the recipe's options and with what recipe.lock knows.

    Returns:
        The record, if there is one; and folders, where it is not known which is meant.
    """
    settings = snapshot.recipe.rewards[name]
    kind, word = ("scores", "reward") if settings.comparer is None else ("comparisons", "comparer")
    fitting = closest(
        (
            one
            for one in recorded(snapshot.workspace, kind, name)
            if fits(one.fingerprint_inputs, _known(one, settings, snapshot))
        ),
        lambda one: _likeness(one, word, name, settings),
    )
    if len(fitting) != 1:
        return None, [one.folder for one in fitting]
    one = fitting[0]
    weights = one.fingerprint_inputs.get("checkpoint")
    return (
        RecordedReward(
            name,
            one.folder,
            one.fingerprint_inputs,
            str(one.fingerprint_inputs.get(word)),
            describe_weights(weights, snapshot.lock.entries) if weights else None,
        ),
        [],
    )


def _known(one: Recorded, settings: RewardSettings, snapshot: Snapshot) -> dict[str, Any]:
    companions = one.fingerprint_inputs.get("companions") or {}
    # Where a server is decides nothing of what it answered.
    places = {"endpoint"} if "endpoint" in one.fingerprint_inputs else set()
    # So does a file's name: its text was the option.
    texts = one.fingerprint_inputs.get("options") or {}
    options = {
        key: texts.get(key) if is_file(value) else value
        for key, value in settings.options.items()
        if key not in {*companions, *places}
    }
    weights = known_weights(snapshot.lock, settings.checkpoint, settings.revision)
    return {"options": options or None, **weights}


def _likeness(one: Recorded, word: str, name: str, settings: RewardSettings) -> int:
    registered = settings.comparer or settings.reward or name
    same_code = one.fingerprint_inputs.get(word) == registered
    return 4 * same_code + weights_likeness(
        one.fingerprint_inputs, settings.checkpoint, settings.revision
    )
