"""Which rewards labelled the data that a model was trained on.

A reward that a model was trained to please says little of whether the model got better. So does
its judge, where the reward is a form of one. ``synpic train`` leaves the trail: the release names
its rewards, and ``training.json`` of the model names those of the release.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from synpic import ids
from synpic.errors import EvaluationError
from synpic.hub.checkpoints import locate
from synpic.ids import file_hash
from synpic.recipe.settings import ModelSettings
from synpic.release.asked import asked_judge
from synpic.release.cards.training import FACTS, read_training
from synpic.release.cards.training_prompts import (
    TRAINING_PROMPTS,
    TrainingPrompts,
    read_training_prompts,
)

__all__ = [
    "LabelledBy",
    "Trail",
    "prompts_of_training",
    "record_of_training",
    "rewards_of_training",
    "trail",
]

_TRAINED_PARTS = {"unet", "transformer"}

Trail = Literal["in training", "held out", "unknown"]
"""Whether a reward or judge labelled what a model learnt from."""


@dataclass(frozen=True)
class LabelledBy:
    """What labelled the data that a model was trained on.

    Args:
        rewards: name → fingerprint.
        judges: of rewards that are forms of a judge: what decides its verdicts, as
            :func:`synpic.release.asked.asked_judge` has it → the judge as it is registered.
    """

    rewards: Mapping[str, str]
    judges: Mapping[str, str] = field(default_factory=dict)


def rewards_of_training(settings: ModelSettings, folder: Path) -> LabelledBy | None:
    """The rewards that labelled what a model was trained on.

    Args:
        settings: the model's; its checkpoint and its adapters are looked at.
        folder: that of the recipe, to which its paths are relative.

    Returns:
        None where nothing is known: a model of the Hub, or one that ``synpic train`` did not make.

    Raises:
        EvaluationError: a ``training.json`` cannot be read.
    """
    known: LabelledBy | None = None
    for path in _places(settings, folder):
        dataset = (_facts(path) or {}).get("dataset", {})
        if (rewards := dataset.get("rewards")) is not None:
            before = known or LabelledBy({})
            judges = {**before.judges, **dataset.get("judges", {})}
            known = LabelledBy({**before.rewards, **rewards}, judges)
    return known


def prompts_of_training(
    settings: ModelSettings, folder: Path, name: str = TRAINING_PROMPTS
) -> TrainingPrompts | None:
    """The prompts that a model was trained on; None where nothing is known.

    Args:
        settings: the model's; its checkpoint and its adapters are looked at.
        folder: that of the recipe, to which its paths are relative.
        name: of the record; ``CHECKPOINT_PROMPTS`` for those by which checkpoints were evaluated.

    Raises:
        EvaluationError: a record of them cannot be read.
    """
    found: TrainingPrompts | None = None
    for path in _places(settings, folder):
        there = read_training_prompts(path, error=EvaluationError, name=name)
        if there is not None:
            found = there if found is None else found | there
    return found


def record_of_training(settings: ModelSettings, folder: Path) -> str | None:
    """The SHA-256 of the ``training.json`` of what was trained, where that is what draws.

    Of a model with an adapter, that is the adapter's.

    Returns:
        None without one; and of a model that draws with more than what was trained: with several
        adapters, at another scale than 1, or with weights of its trained part from elsewhere.
    """
    if _TRAINED_PARTS & set(settings.components):
        return None
    place = settings.checkpoint
    if settings.adapters:
        adapter, *others = settings.adapters
        if others or adapter.scale != 1:
            return None
        place = adapter.checkpoint
    path = None if place is None else locate(place, folder)
    return file_hash(path / FACTS) if path is not None and (path / FACTS).is_file() else None


def _places(settings: ModelSettings, folder: Path) -> list[Path]:
    """The folders that a model is of."""
    places = [settings.checkpoint, *(adapter.checkpoint for adapter in settings.adapters)]
    paths = [None if place is None else locate(place, folder) for place in places]
    return [path for path in paths if path is not None]


def _facts(folder: Path) -> Mapping[str, Any] | None:
    path = folder / FACTS
    hint = f"`synpic train` writes {FACTS}: train the model again, or take the file away"
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise EvaluationError(f"{path}: cannot be read: {error}", hint=hint) from error
    return read_training(data, str(path), error=EvaluationError, hint=hint)


def trail(name: str, decides: Mapping[str, Any], known: LabelledBy | None) -> Trail:
    """Whether a reward or judge labelled what a model learnt from.

    A judge did where a reward that is a form of it did, and so did every other form of it, whatever
    the suite.

    Args:
        name: the recipe's.
        decides: its ``fingerprint_inputs``.
        known: as :func:`rewards_of_training` gives it.

    Returns:
        "unknown" also where a reward of that name, or a form of that judge, did with other weights,
        options or versions: it may be nearly the same.
    """
    if known is None:
        return "unknown"
    judge, identity = asked_judge(decides) or (None, None)
    if identity in known.judges or ids.fingerprint(decides) in known.rewards.values():
        return "in training"
    if judge in known.judges.values() or name in known.rewards:
        return "unknown"
    return "held out"
