"""What a recipe wants against what its workspace holds, and the join of both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import polars as pl

from synpic.errors import SynpicError
from synpic.generate.model import Model, check_models, resolve_model, wanted
from synpic.prompts import current_prompts
from synpic.recipe import Recipe
from synpic.score.reward import WantedReward, resolve_reward
from synpic.workspace import Workspace

__all__ = ["Inventory", "take_inventory"]


@dataclass(frozen=True)
class Inventory:
    """A recipe's want, resolved, over a workspace.

    Args:
        recipe: as it was when the inventory was taken.
        prompts: ``prompts.parquet``.
        models: one for each model and size that is to be had.
        rewards: those that are to be had.
        unresolved: the others, as "models.NAME" or "rewards.NAME", each with what is wrong.
    """

    workspace: Workspace
    recipe: Recipe
    prompts: pl.DataFrame
    models: list[Model]
    rewards: list[WantedReward]
    unresolved: dict[str, SynpicError]

    def require(self, kind: str, names: Iterable[str]) -> None:
        """Insist on some "models" or "rewards".

        Raises:
            SynpicError: what is wrong with the first of ``names`` that is not to be had.
        """
        for name in names:
            if f"{kind}.{name}" in self.unresolved:
                raise self.unresolved[f"{kind}.{name}"]

    def wanted_candidates(self) -> pl.DataFrame:
        """What :func:`wanted` gives for each model, with its ``model``, ``folder`` and
        ``fingerprint``."""
        frames = [
            wanted(self.recipe, model, self.prompts).with_columns(
                model=pl.lit(model.name),
                folder=pl.lit(model.folder),
                fingerprint=pl.lit(model.fingerprint),
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

    def image_folders(self) -> list[str]:
        """Folders that hold the pixels of :meth:`candidates`."""
        return [model.folder for model in self.models]


def take_inventory(workspace: Workspace) -> Inventory:
    """Read the prompts and resolve the names of a workspace's recipe, as far as they can be.

    Raises:
        RecipeError: no ranking can come of the recipe.
        PromptError: there are no prompts to be had.
    """
    recipe = workspace.recipe
    current_prompts(workspace)
    unresolved: dict[str, SynpicError] = {}
    models: list[Model] = []
    for name, written in recipe.models.items():
        with _noting(unresolved, f"models.{name}"):
            models += resolve_model(name, written, recipe, workspace)
    if not models:
        raise next(iter(unresolved.values()))
    if not unresolved:
        check_models(recipe, models)
    rewards: list[WantedReward] = []
    for name, settings in recipe.rewards.items():
        with _noting(unresolved, f"rewards.{name}"):
            rewards.append(resolve_reward(name, settings, workspace))
    return Inventory(workspace, recipe, workspace.prompts(), models, rewards, unresolved)


@contextmanager
def _noting(unresolved: dict[str, SynpicError], name: str) -> Iterator[None]:
    try:
        yield
    except SynpicError as error:
        unresolved[name] = error
