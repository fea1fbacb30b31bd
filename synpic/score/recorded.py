"""A reward, comparer or judge whose code or weights are away, as its parts record it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from synpic.recipe import CodeSettings, JudgeSettings, RewardSettings
from synpic.score.option_files import is_file
from synpic.score.spelling import spelled_out
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
    """Its scores, comparisons or verdicts can be read, and nothing more be scored.

    Args:
        registered: what it was registered as when it scored.
        checkpoint: for people; None for a reward without weights.
    """

    registered: str
    checkpoint: str | None


def recorded_reward(
    name: str, settings: CodeSettings, snapshot: Snapshot, **also_known: Any
) -> tuple[RecordedReward | None, list[str]]:
    """What the workspace records of the reward, comparer or judge that a recipe calls ``name``.

    A record counts where it agrees with the recipe's options, with what recipe.lock knows, and with
    ``also_known``.

    Returns:
        The record, if there is one; and folders, where it is not known which is meant.
    """
    kind, word = _kind_of(settings)
    settings = spelled_out(name, settings)
    fitting = closest(
        (
            one
            for one in recorded(snapshot.workspace, kind, name)
            if fits(one.fingerprint_inputs, {**_known(one, settings, snapshot), **also_known})
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


def _kind_of(settings: CodeSettings) -> tuple[str, str]:
    """What the folders of its parts are in, and what its parts call it."""
    if isinstance(settings, JudgeSettings):
        return "verdicts", "judge"
    compares = isinstance(settings, RewardSettings) and settings.comparer is not None
    return ("comparisons", "comparer") if compares else ("scores", "reward")


def _known(one: Recorded, settings: CodeSettings, snapshot: Snapshot) -> dict[str, Any]:
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


def _likeness(one: Recorded, word: str, name: str, settings: CodeSettings) -> int:
    registered = settings.code or name
    same_code = one.fingerprint_inputs.get(word) == registered
    return 4 * same_code + weights_likeness(
        one.fingerprint_inputs, settings.checkpoint, settings.revision
    )
