"""What of a release can be made again here, what has changed, and what is not here."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from synpic import ids
from synpic.errors import SynpicError
from synpic.generate.image_model import Model
from synpic.hub import checkpoints
from synpic.hub.lock import LockEntry
from synpic.pipeline.inventory import Inventory
from synpic.pipeline.remake.result import Changed, NotRemade
from synpic.release.manifest import Manifest, ModelRow, RewardRow
from synpic.score.reward import WantedReward, require_openable

__all__ = ["Remakeable", "left_out", "resolve_parts"]


@dataclass
class Remakeable:
    """What is made again, and what is not.

    Args:
        models: of each name and size that can be drawn.
        rewards: that can score.
    """

    models: list[Model] = field(default_factory=list)
    rewards: list[WantedReward] = field(default_factory=list)
    not_remade: list[NotRemade] = field(default_factory=list)
    changed: list[Changed] = field(default_factory=list)

    @property
    def model_names(self) -> list[str]:
        """Each once."""
        return list(dict.fromkeys(model.name for model in self.models))


def left_out(scores: pl.DataFrame, kind: str, names: Mapping[str, str]) -> list[NotRemade]:
    """An entry for each of ``names`` → why, with what the sample holds of it.

    Args:
        scores: those of the sample, as published.
        kind: "models" or "rewards".
    """
    return [
        NotRemade(f"{kind}.{name}", why, _held(scores, kind, name)) for name, why in names.items()
    ]


def resolve_parts(inventory: Inventory, manifest: Manifest, scores: pl.DataFrame) -> Remakeable:
    """Hold each model and reward of an inventory to what the release says decided its results.

    Args:
        inventory: of the workspace in which they are made again, with the release's lock.
        scores: those of the sample, as published.
    """
    found = Remakeable()
    for row in manifest.models:
        if row.name in inventory.recipe.models:
            _model(found, inventory, row, scores)
    for reward in manifest.rewards:
        if reward.name in inventory.recipe.rewards:
            _reward(found, inventory, reward, scores)
    return found


def _model(found: Remakeable, inventory: Inventory, row: ModelRow, scores: pl.DataFrame) -> None:
    what = f"models.{row.name}"
    held = scores.filter(model=row.name, fingerprint=row.fingerprint).height
    drawn = [one for one in inventory.found_models if one.name == row.name]
    here = next((one for one in drawn if one.fingerprint == row.fingerprint), None)
    size = row.fingerprint_inputs.get("size")
    here = here or next((o for o in drawn if o.fingerprint_inputs["size"] == size), None)
    if not isinstance(here, Model):
        error = inventory.unresolved.get(what)
        _absent(found, inventory, what, error, held)
        return
    if changed := _changes(what, row, here, held):
        found.changed += changed
        return
    try:
        here.located(inventory.workspace)
    except SynpicError as error:
        found.not_remade.append(NotRemade(what, error.message, held))
        return
    found.models.append(here)


def _reward(found: Remakeable, inventory: Inventory, row: RewardRow, scores: pl.DataFrame) -> None:
    what, held = f"rewards.{row.name}", _held(scores, "rewards", row.name)
    here = next((one for one in inventory.found_rewards if one.name == row.name), None)
    if here is None:
        _absent(found, inventory, what, inventory.unresolved.get(what), held)
        return
    if changed := _changes(what, row, here, held):
        found.changed += changed
        return
    try:
        for entry in (here.checkpoint, *here.companions.values()):
            if entry is not None and entry.kind in ("folder", "file"):
                checkpoints.load_from(inventory.workspace.folder, entry)
        settings = inventory.recipe.scoring[row.name]
        require_openable(row.name, settings, inventory.snapshot)
    except SynpicError as error:
        found.not_remade.append(NotRemade(what, error.message, held))
        return
    found.rewards.append(here)


def _absent(
    found: Remakeable, inventory: Inventory, what: str, error: SynpicError | None, held: int
) -> None:
    """Note what is not found: weights of another content have changed; all else is not here."""
    message = error.message if error else "it is not in the recipe of the release"
    for entry in inventory.snapshot.lock.entries:
        if f"{entry.source} has changed" in message and (now := _content(inventory, entry)):
            key = f"weights {entry.source}"
            found.changed.append(Changed(what, key, entry.identity, now, held))
            return
    found.not_remade.append(NotRemade(what, message, held))


def _content(inventory: Inventory, entry: LockEntry) -> str | None:
    """The hash of what lies where ``entry`` says; None where nothing does."""
    path = checkpoints.locate(entry.source, inventory.workspace.folder)
    if path is None or not path.exists():
        return None
    return ids.file_hash(path) if path.is_file() else ids.folder_hash(path)


def _changes(
    what: str, row: ModelRow | RewardRow, here: Model | WantedReward, held: int
) -> list[Changed]:
    """Where what decides results is not what the release says."""
    there = dict(_flat(row.fingerprint_inputs))
    now = dict(_flat(here.fingerprint_inputs))
    keys = [key for key in {**there, **now} if there.get(key) != now.get(key)]
    found = [Changed(what, key, _shown(there.get(key)), _shown(now.get(key)), held) for key in keys]
    if not found and row.fingerprint != here.fingerprint:
        found = [Changed(what, "fingerprint", row.fingerprint, here.fingerprint, held)]
    return found


def _flat(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Keys with their tables → values; what is None counts for nothing."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _flat(inner, f"{key}.{name}" if key else str(name))
    elif value is not None:
        # As JSON reads it: a manifest knows no tuples.
        yield key, json.loads(json.dumps(value))


def _shown(value: Any) -> str:
    return "none" if value is None else value if isinstance(value, str) else json.dumps(value)


def _held(scores: pl.DataFrame, kind: str, name: str) -> int:
    if kind == "models":
        return scores.filter(model=name).height
    column = f"score_{name}"
    return scores[column].count() if column in scores.columns else 0
