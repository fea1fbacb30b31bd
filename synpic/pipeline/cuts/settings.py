"""The rules of a recipe by which sets are cut, and others in their place for one command."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from pydantic import ValidationError

from synpic.errors import RecipeError
from synpic.recipe import Recipe
from synpic.workspace import Snapshot, Workspace

__all__ = ["AS_THE_RECIPE_SAYS", "Cuts", "with_cuts"]

_RANKING = ("drop",)
"""Those that lie in ``[ranking]``, before ranking; the others lie in ``[records]``."""


@dataclass(frozen=True)
class Cuts:
    """What is left out; None is no such rule.

    Args:
        drop: "marks", or a file of ids, relative to the recipe: taken out before ranking.
        where: a condition in SQL over the columns of prompts.
        min_margin: of the first image's preference above the last's, 0 or more.
        min_agreement: of the mean Kendall τ-b between rewards within the prompt, −1 … 1.
        top: how many images of a prompt are published, the first ones.
    """

    drop: str | None = None
    where: str | None = None
    min_margin: float | None = None
    min_agreement: float | None = None
    top: int | None = None

    @classmethod
    def of(cls, recipe: Recipe) -> Cuts:
        """The rules of a recipe."""
        names = (field.name for field in fields(cls))
        return cls(**{name: getattr(_table(recipe, name), name) for name in names})

    @property
    def given(self) -> dict[str, Any]:
        """The rules that there are, by name."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in found.items() if value is not None}


AS_THE_RECIPE_SAYS = Cuts()


def with_cuts(
    workspace: Workspace | Snapshot, cuts: Cuts = AS_THE_RECIPE_SAYS, *, pairs: str | None = None
) -> Snapshot:
    """A snapshot of ``workspace`` with ``cuts`` and ``pairs`` in the place of its recipe's.

    Args:
        cuts: a rule that is None stays as the recipe has it.
        pairs: how pairs are chosen; as the recipe says, if None.

    Raises:
        RecipeError: a rule has a value that a recipe refuses.
    """
    snapshot = workspace.snapshot()
    if not cuts.given and pairs is None:
        return snapshot
    recipe = snapshot.recipe.model_dump(exclude_unset=True)
    for name, value in cuts.given.items():
        recipe.setdefault("ranking" if name in _RANKING else "records", {})[name] = value
    if pairs is not None:
        recipe.setdefault("records", {})["pairs"] = pairs
    try:
        return replace(snapshot, recipe=Recipe.model_validate(recipe))
    except ValidationError as error:
        problem = error.errors()[0]
        named = ".".join(map(str, problem["loc"]))
        raise RecipeError(
            f"{named or 'the cuts'}: {str(problem['msg']).removeprefix('Value error, ')}",
            hint="docs/recipe.md says what each takes",
        ) from error


def _table(recipe: Recipe, name: str) -> Any:
    return recipe.ranking if name in _RANKING else recipe.records
