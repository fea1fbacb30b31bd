"""What of a workspace is compared: its models, with a base, and the groups of its prompts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import polars as pl

from synpic.errors import EvaluationError, did_you_mean
from synpic.evaluate.compare_models import OVERALL
from synpic.evaluate.suite_facts import SuiteFacts
from synpic.pipeline.inventory import Inventory
from synpic.prompts.meta import meta_columns

__all__ = [
    "SUITE_TAG",
    "base_of",
    "compared_models",
    "require_distinct",
    "require_model",
    "require_tag",
    "tag_of",
    "tags_of",
]

SUITE_TAG = "tag"
"""The column in which the prompts of a suite have its tags."""

_ALL = "all prompts"


def compared_models(inventory: Inventory, wanted: pl.DataFrame) -> dict[str, str]:
    """Name → fingerprint, in the order of the recipe.

    Raises:
        EvaluationError: there is one alone, or two are the same.
    """
    names = list(inventory.recipe.models) or sorted(wanted["model"].unique())
    return require_distinct(inventory, [name for name in names if name in set(wanted["model"])])


def require_distinct(inventory: Inventory, names: Sequence[str]) -> dict[str, str]:
    """The fingerprints of models, of which there have to be two at least, each of its own.

    Raises:
        EvaluationError: there is one alone, or two are the same.
    """
    if len(names) < 2:
        raise EvaluationError(
            f"there is nothing to compare: the recipe has {len(names)} of the two models that it "
            "takes",
            hint="add another [models.NAME], then run `synpic generate` and `synpic score`",
        )
    by_model: dict[str, list[str]] = {}
    for one in inventory.models:
        by_model.setdefault(one.name, []).append(one.fingerprint)
    found = {name: "+".join(by_model.get(name, [name])) for name in names}
    for at, name in enumerate(names):
        for other in names[:at]:
            if found[name] == found[other]:
                raise EvaluationError(
                    f"models {other!r} and {name!r} are the same: same weights, same settings",
                    hint="correct the checkpoint of one of them",
                )
    return found


def require_model(name: str, models: Iterable[str]) -> None:
    """Refuse a base that is none of ``models``.

    Raises:
        EvaluationError: with the name.
    """
    known = list(models)
    if name not in known:
        raise EvaluationError(
            f"no model {name!r}.{did_you_mean(name, known)}",
            hint=f"models here: {', '.join(known)}",
        )


def base_of(base: str | None, models: Mapping[str, str]) -> str:
    """The model that the others are compared with: ``base``, or the first.

    Raises:
        EvaluationError: ``base`` is none of them.
    """
    if base is None:
        return next(iter(models))
    require_model(base, models)
    return base


def tag_of(inventory: Inventory, suite: SuiteFacts | None) -> str | None:
    """The column of prompts by which results are apart if no other is asked for."""
    compare = inventory.recipe.compare
    if compare is not None and compare.tag is not None:
        return compare.tag
    return SUITE_TAG if suite and any(suite.tags.values()) else None


def tags_of(inventory: Inventory, tag: str | None) -> dict[str, str]:
    """prompt_id → tag."""
    prompts = inventory.prompts
    if tag is None:
        return dict.fromkeys(prompts["prompt_id"], _ALL)
    column = require_tag(prompts, tag)
    texts = prompts[column].cast(pl.String).fill_null("–")
    return dict(zip(prompts["prompt_id"], texts, strict=True))


def require_tag(prompts: pl.DataFrame, tag: str) -> str:
    """The column of ``prompts`` that ``tag`` names, without its ``meta_``.

    Raises:
        EvaluationError: there is none; or it holds no tags.
    """
    column = f"meta_{tag}"
    if column not in prompts.columns:
        there = [name.removeprefix("meta_") for name in meta_columns(prompts)]
        raise EvaluationError(
            f"the prompts have no column {tag!r}.{did_you_mean(tag, there)}",
            hint=f"columns there: {', '.join(there) or 'none beside the prompt'}",
        )
    if prompts.schema[column].is_nested():
        raise EvaluationError(
            f"column {tag!r} of the prompts holds {prompts.schema[column]}, and a tag is one value",
            hint="name a column with one value for each prompt",
        )
    if OVERALL in set(prompts[column].cast(pl.String)):
        raise EvaluationError(
            f"column {tag!r} of the prompts holds {OVERALL!r}, which is the row of all of them",
            hint="give that tag another name",
        )
    return column
