"""What is known of a model's training, and the prompts of an evaluation that it was trained on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from synpic.errors import SynpicError
from synpic.evaluate.compare_models import OVERALL, Items, Overall, Result, compare_models
from synpic.evaluate.trained_with import prompts_of_training
from synpic.pipeline.inventory import Inventory
from synpic.readers.display import visible
from synpic.recipe.settings import ModelSettings
from synpic.release.cards.training_prompts import CHECKPOINT_PROMPTS, TrainingPrompts

__all__ = ["Overlap", "read_record", "results_without", "training_overlaps"]

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Overlap:
    """Prompts of an evaluation that a model was trained on, or chosen by.

    Args:
        exact: trained on, word for word.
        folded: trained on, but for case, punctuation and spaces.
        at_checkpoints: by which checkpoints of its run were evaluated, word for word or nearly.
    """

    exact: int
    folded: int
    at_checkpoints: int = 0


Known = TypeVar("Known")


def read_record(
    inventory: Inventory, model: str, record: Callable[[ModelSettings, Path], Known | None]
) -> Known | None:
    """What a record of a model's training says; None, with a warning, where it cannot be read."""
    if model not in inventory.recipe.models:
        return None
    try:
        return record(inventory.wanted_settings(model), inventory.workspace.folder)
    except SynpicError as error:
        _LOG.warning("models.%s: %s; its training is unknown", model, visible(error.message))
        return None


def training_overlaps(
    inventory: Inventory, models: Mapping[str, str]
) -> tuple[dict[str, Overlap], frozenset[str]]:
    """Of each model that is known, how many prompts it was trained on or chosen by; and those of
    any model."""
    found: dict[str, Overlap] = {}
    seen: set[str] = set()
    for model in models:
        trained_on = read_record(inventory, model, prompts_of_training)
        chosen_by = read_record(inventory, model, _prompts_of_checkpoints)
        if trained_on is None and chosen_by is None:
            continue
        ways, looked_at = (_held(inventory, known) for known in (trained_on, chosen_by))
        values = list(ways.values())
        found[model] = Overlap(values.count("exact"), values.count("folded"), len(looked_at))
        seen |= ways.keys() | looked_at.keys()
    return found, frozenset(seen)


def _prompts_of_checkpoints(settings: ModelSettings, folder: Path) -> TrainingPrompts | None:
    return prompts_of_training(settings, folder, CHECKPOINT_PROMPTS)


def _held(inventory: Inventory, known: TrainingPrompts | None) -> dict[str, str]:
    """Of the prompts that ``known`` holds: prompt id → whether word for word or nearly."""
    if known is None:
        return {}
    rows = inventory.prompts.select("prompt_id", "prompt").iter_rows()
    ways = {prompt_id: known.hold(prompt) for prompt_id, prompt in rows}
    return {prompt_id: way for prompt_id, way in ways.items() if way}


def results_without(
    items: Items,
    prompts: Sequence[str],
    seen: frozenset[str],
    base: str,
    fingerprint: str,
    overall: Overall,
) -> list[Result]:
    """Overall results on the other prompts; none where that is all, or nothing."""
    rest = [at for at, prompt in enumerate(prompts) if prompt not in seen]
    if not seen or not rest:
        return []
    others = Items(
        {model: np.asarray(values)[rest] for model, values in items.values.items()},
        [items.units[at] for at in rest],
        [items.tags[at] for at in rest],
    )
    compared = compare_models(others, base, fingerprint=fingerprint, overall=overall)
    return [one for one in compared if one.tag == OVERALL]
