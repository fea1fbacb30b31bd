"""The names of a recipe, resolved as far as they can be, and what is recorded of the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

import polars as pl

from synpic.errors import SynpicError
from synpic.generate.image_model import Model, check_models, resolve_model
from synpic.generate.recorded import recorded_models
from synpic.hub.lock import Lock
from synpic.recipe import CodeSettings, Recipe
from synpic.score.recorded import RecordedReward, recorded_reward
from synpic.score.reward import WantedReward
from synpic.workspace import Snapshot

__all__ = ["Noted", "WantedModel"]


class WantedModel(Protocol):
    """What images come from: a model that draws them, or a source that has them."""

    @property
    def name(self) -> str:
        """The recipe's."""
        ...

    @property
    def fingerprint_inputs(self) -> Mapping[str, Any]:
        """Everything that decides its pixels, as far as it is known."""
        ...

    @property
    def fingerprint(self) -> str:
        """The hash of ``fingerprint_inputs``."""
        ...

    @property
    def folder(self) -> str:
        """Where its candidates lie in a workspace."""
        ...

    def wanted(self, recipe: Recipe, prompts: pl.DataFrame) -> pl.DataFrame:
        """Every image wanted: candidate_id, prompt_id, prompt, sample, seed, batch, model, and
        ``place``, where an ingested image lies in its source."""
        ...


SomeSettings = TypeVar("SomeSettings", bound=CodeSettings)
Found = TypeVar("Found", bound=WantedReward)


class Noted:
    """What is found of a recipe, and what of the rest is recorded.

    Attributes:
        unresolved: what is not found, as "models.NAME", "rewards.NAME", "judges.NAME", "prompts" or
            "ingest", each with what is wrong.
        recorded: of those, the ones that are still read: folders, or files, that hold them.
        doubtful: of those, the ones where it is not known which of several folders is meant.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self.unresolved: dict[str, SynpicError] = {}
        self.recorded: dict[str, list[str]] = {}
        self.doubtful: dict[str, list[str]] = {}

    def source(self, place: str, problem: SynpicError | None, file: str) -> None:
        """Note the problem of a source, of which ``file`` is read instead."""
        if problem is not None:
            self.unresolved[place] = problem
            self.recorded[place] = [file]

    def models(self) -> list[WantedModel]:
        """The models that are found or recorded, one for each size.

        Raises:
            RecipeError: two of them are one.
        """
        recipe = self._snapshot.recipe
        found: list[WantedModel] = []
        drawn: list[Model] = []
        for name in recipe.models:
            try:
                sizes = resolve_model(name, self._snapshot)
                found += sizes
                drawn += sizes
            except SynpicError as error:
                records, doubtful = recorded_models(name, self._snapshot)
                found += records
                self._note(f"models.{name}", error, [one.folder for one in records], doubtful)
        if {model.name for model in drawn} == recipe.models.keys():
            check_models(recipe, drawn)
        return found

    def scoring(
        self,
        tables: Mapping[str, SomeSettings],
        resolve: Callable[[str, SomeSettings, Lock], Found],
        **also_known: Any,
    ) -> list[Found | RecordedReward]:
        """Those of ``tables`` that are found or recorded.

        Args:
            also_known: what records have to agree with, besides what ``tables`` and lock say.
        """
        found: list[Found | RecordedReward] = []
        for name, settings in tables.items():
            try:
                found.append(resolve(name, settings, self._snapshot.lock))
            except SynpicError as error:
                record, doubtful = recorded_reward(name, settings, self._snapshot, **also_known)
                found += [record] if record else []
                folders = [record.folder] if record else []
                self._note(f"{settings.of_table}.{name}", error, folders, doubtful)
        return found

    def _note(
        self, place: str, error: SynpicError, folders: list[str], doubtful: list[str]
    ) -> None:
        self.unresolved[place] = error
        if folders:
            self.recorded[place] = folders
        if doubtful:
            self.doubtful[place] = doubtful
