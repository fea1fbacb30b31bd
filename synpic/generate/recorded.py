"""A model whose weights or code are away, as the parts of its images record it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from synpic.errors import SynpicError
from synpic.generate.image_model import DEFAULT_BATCH, complete, decided_by, sizes_of, wanted
from synpic.generate.sources import recorded_sources
from synpic.recipe import Recipe
from synpic.recipe.settings import ModelSettings
from synpic.registry import FAMILIES
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

__all__ = ["RecordedModel", "recorded_models"]


@dataclass(frozen=True)
class RecordedModel(Recorded):
    """One model at one size: its images can be read, and no more of them be drawn.

    Args:
        settings: the recipe's.
        checkpoint: for people.
    """

    settings: ModelSettings
    checkpoint: str

    @property
    def batch_size(self) -> int:
        """Images drawn at once."""
        return self.settings.batch_size or DEFAULT_BATCH

    @property
    def sides(self) -> tuple[int | None, int | None]:
        """Width and height in pixels; None for the pipeline's own size."""
        width, height = self.fingerprint_inputs.get("size") or (None, None)
        return width, height

    def wanted(self, recipe: Recipe, prompts: pl.DataFrame) -> pl.DataFrame:
        """Every image wanted of it, as of a model that is there."""
        return wanted(recipe, self, prompts).with_columns(
            model=pl.lit(self.name), place=pl.lit(None, pl.String)
        )


def recorded_models(name: str, snapshot: Snapshot) -> tuple[list[RecordedModel], list[str]]:
    """What the workspace records of the model that a recipe calls ``name``, once for each size.

    A record counts where it agrees with everything that the recipe says and recipe.lock knows.

    Returns:
        The records; and folders, where it is not known which one is meant.
    """
    written = snapshot.recipe.models[name]
    images = snapshot.recipe.images
    whole = True
    try:
        settings = complete(name, written, snapshot.workspace.folder)
    except SynpicError:
        settings, whole = written, False
    records = [
        RecordedModel(
            name,
            one.folder,
            one.fingerprint_inputs,
            settings,
            describe_weights(one.fingerprint_inputs.get("checkpoint") or {}, snapshot.lock.entries),
        )
        for one in recorded(snapshot.workspace, "candidates", name)
    ]
    sizes: list[Any] = [list(size) for size in sizes_of(settings)]
    if not whole and settings.sizes is None:
        sizes = [[*(one.fingerprint_inputs.get("size") or (None, None))] for one in records]
    found: dict[str, RecordedModel] = {}
    doubtful: list[str] = []
    for width, height in sizes:
        known = decided_by(settings, width, height, images)
        if not whole:
            set_here = {*written.model_fields_set, "size", "images"}
            known = {key: known[key] for key in known.keys() & set_here}
        if not _is_family(settings, snapshot):
            known.pop("family", None)
        known |= recorded_sources(snapshot.lock, settings)
        known |= known_weights(snapshot.lock, settings.checkpoint, settings.revision)
        fitting = closest(
            (one for one in records if fits(one.fingerprint_inputs, known)),
            lambda one: _likeness(one.fingerprint_inputs, settings),
        )
        if len(fitting) == 1:
            found[fitting[0].folder] = fitting[0]
        doubtful += [one.folder for one in fitting if len(fitting) > 1]
    return list(found.values()), list(dict.fromkeys(doubtful))


def _is_family(settings: ModelSettings, snapshot: Snapshot) -> bool:
    try:
        FAMILIES.load(settings.family or "auto", snapshot.workspace.folder)
    except SynpicError:
        return False
    return True


def _likeness(inputs: Mapping[str, Any], settings: ModelSettings) -> int:
    same_code = inputs.get("family") == (settings.family or "auto")
    return 4 * same_code + weights_likeness(inputs, settings.checkpoint, settings.revision)
