"""What a recipe wants against what its workspace holds, and the join of both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import polars as pl

from synpic.engine.progress import Listener
from synpic.errors import CheckpointError, SynpicError
from synpic.generate.model import Model, check_models, complete, resolve_model
from synpic.given import GivenImages, current_index, given_prompts
from synpic.prompts import PromptTable, current_prompts
from synpic.recipe import Recipe
from synpic.score.reward import WantedReward, resolve_reward
from synpic.settings import ModelSettings
from synpic.workspace import Snapshot, Workspace
from synpic.workspace.parts import frame

__all__ = ["Inventory", "WantedModel", "take_inventory"]


class WantedModel(Protocol):
    """What makes images be there: a model that draws them, or a source of given ones."""

    @property
    def name(self) -> str:
        """The recipe's."""
        ...

    @property
    def decides(self) -> Mapping[str, Any]:
        """Everything that decides its pixels, as far as it is known."""
        ...

    @property
    def fingerprint(self) -> str:
        """The hash of ``decides``."""
        ...

    @property
    def folder(self) -> str:
        """Where its candidates lie in a workspace."""
        ...

    def wanted(self, recipe: Recipe, prompts: pl.DataFrame) -> pl.DataFrame:
        """Every image wanted: candidate_id, prompt_id, prompt, sample, seed, batch, model, and
        ``place``, where a given image lies in its source."""
        ...


@dataclass(frozen=True)
class Inventory:
    """A recipe's want, resolved, over a workspace.

    Args:
        snapshot: the recipe and its lock, as they were when the command began.
        prompt_table: the prompts, with what the source held beside them.
        models: one for each model and size that is to be had; of a recipe with [given], its
            source alone.
        rewards: those that are to be had.
        unresolved: the others, as "models.NAME" or "rewards.NAME", each with what is wrong.
    """

    snapshot: Snapshot
    prompt_table: PromptTable
    models: Sequence[WantedModel]
    rewards: list[WantedReward]
    unresolved: dict[str, SynpicError]

    @property
    def workspace(self) -> Workspace:
        """The snapshot's."""
        return self.snapshot.workspace

    @property
    def recipe(self) -> Recipe:
        """The snapshot's."""
        return self.snapshot.recipe

    @cached_property
    def prompts(self) -> pl.DataFrame:
        """The rows of ``prompt_table``."""
        return frame(self.prompt_table.table)

    def require(self, kind: str, names: Iterable[str]) -> None:
        """Insist on some "models" or "rewards".

        Raises:
            SynpicError: what is wrong with the first of ``names`` that is not found.
        """
        for name in names:
            if f"{kind}.{name}" in self.unresolved:
                raise self.unresolved[f"{kind}.{name}"]

    def wanted_settings(self, name: str) -> ModelSettings:
        """What the recipe wants of a model, whether or not its weights are found."""
        written = self.recipe.models[name]
        try:
            return complete(name, written)
        except SynpicError:
            return written

    def unresolved_of(self, kind: str) -> dict[str, SynpicError]:
        """The "models" or "rewards" that are not found, by name, each with what is wrong."""
        return {
            place.removeprefix(f"{kind}."): error
            for place, error in self.unresolved.items()
            if place.startswith(f"{kind}.")
        }

    def wanted_candidates(self) -> pl.DataFrame:
        """What ``wanted`` gives for each model, with its ``folder`` and ``fingerprint``."""
        frames = [
            model.wanted(self.recipe, self.prompts).with_columns(
                folder=pl.lit(model.folder), fingerprint=pl.lit(model.fingerprint)
            )
            for model in self.models
        ]
        return pl.concat(frames)

    def candidates(self) -> pl.DataFrame:
        """Every wanted candidate that is there, without pixels, with its prompt and split.

        In the order in which they are drawn, which is about that in which they lie on the disk.
        """
        rows = self.workspace.candidates(model.folder for model in self.models)
        want = self.wanted_candidates().select("candidate_id", "prompt")
        splits = self.prompts.select("prompt_id", "split")
        return (
            want.join(rows, on="candidate_id", how="inner", maintain_order="left")
            .join(splits, on="prompt_id", how="inner", maintain_order="left")
            .select(*rows.columns, "prompt", "split")
        )

    def scored(self) -> pl.DataFrame:
        """:meth:`candidates` with a column ``score_<name>`` per reward, null where it is missing.

        A score attaches to a candidate with its very pixels (sha256) and no other.
        """
        rows = self.candidates()
        for reward in self.rewards:
            scores = self.workspace.scores(reward.folder)
            rows = rows.join(
                scores.select(
                    "candidate_id", "sha256", pl.col("score").alias(f"score_{reward.name}")
                ),
                on=["candidate_id", "sha256"],
                how="left",
                maintain_order="left",
            )
        return rows

    def image_scores(self) -> pl.DataFrame:
        """A row for every wanted image, with what it scored, or why it is not there."""
        scored = self.scored()
        scores = [name for name in scored.columns if name.startswith("score_")]
        failures = self.workspace.failures("generate").select(
            "candidate_id", "fingerprint", failure="reason"
        )
        want = self.wanted_candidates().join(
            failures, on=["candidate_id", "fingerprint"], how="left", maintain_order="left"
        )
        rows = want.join(
            scored.select("candidate_id", *scores, pl.lit(True).alias("there")),
            on="candidate_id",
            how="left",
            maintain_order="left",
        )
        return rows.select(
            *("prompt", "place", "model", "sample", "prompt_id", "candidate_id"),
            *scores,
            # One that failed once and is there now has not failed.
            pl.when(pl.col("there").is_null()).then("failure").alias("failure"),
        )

    def image_folders(self) -> list[str]:
        """Folders that hold the pixels of :meth:`candidates`."""
        return list(dict.fromkeys(model.folder for model in self.models))


def take_inventory(
    workspace: Workspace | Snapshot, listener: Listener | None = None, *, patient: bool = False
) -> Inventory:
    """Read the prompts and resolve the names of a workspace's recipe, as far as they can be.

    Args:
        workspace: or a snapshot of one, where a command has taken it already.
        listener: is told of progress, where given images have to be found anew.
        patient: go on where of no model the weights are to be had: what is wanted can be told,
            though nothing of it can be found.

    Raises:
        CheckpointError: the weights of no model are to be had.
        RecipeError: no ranking can come of the recipe.
        PromptError, GivenError: there are no prompts, or no given images, to be had.
    """
    snapshot = workspace.snapshot()
    unresolved: dict[str, SynpicError] = {}
    models: Sequence[WantedModel]
    if snapshot.recipe.given is not None:
        index = current_index(snapshot, listener)
        prompts = given_prompts(snapshot, index)
        models = [GivenImages.take(snapshot.workspace, index)]
    else:
        prompts = current_prompts(snapshot)
        models = _resolve_models(snapshot, unresolved, patient)
    rewards: list[WantedReward] = []
    for name, settings in snapshot.recipe.rewards.items():
        with _noting(unresolved, f"rewards.{name}"):
            rewards.append(resolve_reward(name, settings, snapshot.lock))
    return Inventory(snapshot, prompts, models, rewards, unresolved)


def _resolve_models(
    snapshot: Snapshot, unresolved: dict[str, SynpicError], patient: bool
) -> list[Model]:
    recipe = snapshot.recipe
    models: list[Model] = []
    for name in recipe.models:
        with _noting(unresolved, f"models.{name}"):
            models += resolve_model(name, snapshot)
    missing = list(unresolved.values())
    if not models and not (patient and all(isinstance(e, CheckpointError) for e in missing)):
        raise missing[0]
    if not unresolved:
        check_models(recipe, models)
    return models


@contextmanager
def _noting(unresolved: dict[str, SynpicError], name: str) -> Iterator[None]:
    try:
        yield
    except SynpicError as error:
        unresolved[name] = error
