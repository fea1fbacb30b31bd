"""The models of a workspace, compared by the rewards that scored their images."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from synpic import ids
from synpic.errors import EvaluationError, SynpicError, did_you_mean
from synpic.evaluate.compare_models import OVERALL, Items, Result, compare_models
from synpic.evaluate.significance import holm
from synpic.evaluate.strengths import Strength, strengths
from synpic.evaluate.trained_with import Trail, rewards_of_training, trail
from synpic.pipeline.inventory import Inventory, take_inventory
from synpic.prompts.meta import meta_columns
from synpic.rank import refuse_untrustworthy
from synpic.readers.display import visible
from synpic.workspace import Snapshot, Workspace

__all__ = ["Evaluation", "Measure", "evaluate_models"]

_LOG = logging.getLogger(__name__)

_ALL = "all prompts"


@dataclass(frozen=True, eq=False)
class Measure:
    """What one reward says.

    Args:
        reward: its name.
        fingerprint: its own.
        trails: of each model, whether the reward labelled what it was trained on.
        results: of each model, overall and of each tag.
        adjusted: of each model but the base and of each tag, the p of its difference, corrected by
            Holm's method for all rewards and tags; overall only where there are no tags.
        strengths: Bradley–Terry strengths; none of two models.
    """

    reward: str
    fingerprint: str
    trails: Mapping[str, Trail]
    results: Sequence[Result]
    adjusted: Mapping[tuple[str, str], float]
    strengths: Sequence[Strength]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        rows = []
        for one in self.results:
            row = {"model": one.model, "tag": one.tag, "missing": one.missing}
            row |= {"mean": one.mean.as_dict(), "trail": self.trails[one.model]}
            if one.difference is not None:
                row["difference"] = asdict(one.difference) | {
                    "p_holm": self.adjusted.get((one.model, one.tag)),
                    "seen": one.difference.seen,
                }
            rows.append(row)
        return {
            "reward": self.reward,
            "fingerprint": self.fingerprint,
            "results": rows,
            "strengths": [asdict(one) for one in self.strengths],
        }


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Models compared.

    Args:
        base: the model that the others are compared with.
        models: all of them, in the order of the recipe: name → fingerprint.
        tag: the column of prompts by which results are apart; None without.
        prompts: how many.
        items: images of each model that are compared: prompts times samples.
        same_seed: on how many of ``items`` all models drew from one seed.
        measures: in the order of the recipe.
    """

    base: str
    models: Mapping[str, str]
    tag: str | None
    prompts: int
    items: int
    same_seed: int
    measures: Sequence[Measure]

    def headline(self, model: str) -> Measure | None:
        """The first measure that does not come from what ``model`` was trained on; or none."""
        return next((one for one in self.measures if one.trails[model] != "in training"), None)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        others = [model for model in self.models if model != self.base]
        heads = {model: self.headline(model) for model in others}
        return {
            "base": self.base,
            "models": dict(self.models),
            "tag": self.tag,
            "prompts": self.prompts,
            "items": self.items,
            "same_seed": self.same_seed,
            "headline": {model: one and one.reward for model, one in heads.items()},
            "measures": [one.as_dict() for one in self.measures],
        }


def evaluate_models(
    workspace: Workspace | Snapshot,
    *,
    base: str | None = None,
    rewards: Sequence[str] | None = None,
    tag: str | None = None,
) -> Evaluation:
    """Compare the models of a workspace on its prompts, by the scores that are there.

    The nth image that a model was to draw for a prompt is compared with the nth of the base. What
    is missing is counted, and leaves its pair out. Nothing is drawn or scored.

    Args:
        workspace: or a snapshot of one, where a command has taken it already.
        base: the model to compare with; the first of the recipe if None.
        rewards: some of the recipe's; all that scored an image if None.
        tag: a column of the prompts by which results are apart, without its ``meta_``.

    Raises:
        EvaluationError: there are not two models with images, or no scores; a name is unknown; or
            two models draw alike.
        SynpicError: as ranking a workspace.
    """
    inventory = take_inventory(workspace)
    inventory.log_remarks()
    wanted = _wanted(inventory)
    models = _models(inventory, wanted)
    base = _base(base, models)
    tags = _tags(inventory, tag)
    scored = inventory.scored()
    found = _rewards(inventory, scored, rewards)
    refuse_untrustworthy(scored, list(found))
    table = wanted.join(
        scored.select("candidate_id", *(f"score_{name}" for name in found)),
        on="candidate_id",
        how="left",
        maintain_order="left",
    )
    known = {model: _trained_with(inventory, model) for model in models}
    fingerprint = ids.fingerprint({"models": models, "prompts": sorted(tags), "base": base})
    results = {}
    arrays = {name: _items(table, name, models, tags) for name in found}
    for name, items in arrays.items():
        results[name] = compare_models(items, base, fingerprint=fingerprint)
    adjusted = _adjusted(results)
    seeds = table.group_by("prompt_id", "nth").agg(
        pl.col("seed").n_unique() == 1, known=pl.col("seed").min() > 0
    )
    return Evaluation(
        base,
        models,
        tag,
        prompts=len(tags),
        items=seeds.height,
        same_seed=seeds.filter(pl.col("seed") & pl.col("known")).height,
        measures=[
            Measure(
                name,
                reward_fingerprint,
                {model: trail(reward_fingerprint, known[model]) for model in models},
                results[name],
                {place[1:]: p for place, p in adjusted.items() if place[0] == name},
                strengths(arrays[name], fingerprint=fingerprint) if len(models) > 2 else [],
            )
            for name, reward_fingerprint in found.items()
        ],
    )


def _wanted(inventory: Inventory) -> pl.DataFrame:
    """Every wanted image: candidate_id, prompt_id, model, seed, and ``nth`` of its model's."""
    rows = inventory.wanted_candidates().select("candidate_id", "prompt_id", "model", "seed")
    return rows.with_columns(nth=pl.int_range(pl.len()).over("prompt_id", "model"))


def _models(inventory: Inventory, wanted: pl.DataFrame) -> dict[str, str]:
    """Name → fingerprint, in the order of the recipe.

    Raises:
        EvaluationError: there is one alone, or two are the same.
    """
    names = list(inventory.recipe.models) or sorted(wanted["model"].unique())
    names = [name for name in names if name in set(wanted["model"])]
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


def _base(base: str | None, models: Mapping[str, str]) -> str:
    if base is None:
        return next(iter(models))
    if base not in models:
        raise EvaluationError(
            f"no model {base!r}.{did_you_mean(base, models)}",
            hint=f"models here: {', '.join(models)}",
        )
    return base


def _tags(inventory: Inventory, tag: str | None) -> dict[str, str]:
    """prompt_id → tag."""
    prompts = inventory.prompts
    if tag is None:
        return dict.fromkeys(prompts["prompt_id"], _ALL)
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
    texts = prompts[column].cast(pl.String).fill_null("–")
    return dict(zip(prompts["prompt_id"], texts, strict=True))


def _rewards(
    inventory: Inventory, scored: pl.DataFrame, asked: Sequence[str] | None
) -> dict[str, str]:
    """Name → fingerprint of those that scored an image, in the order of the recipe."""
    inventory.require_readable(one.name for one in inventory.rewards)
    there = {one.name: one.fingerprint for one in inventory.rewards}
    for name in asked or ():
        if name not in there:
            raise EvaluationError(
                f"the recipe has no reward {name!r}.{did_you_mean(name, there)}",
                hint=f"rewards here: {', '.join(there) or 'none'}",
            )
    found = {
        name: fingerprint
        for name, fingerprint in there.items()
        if scored[f"score_{name}"].count() and (asked is None or name in asked)
    }
    if not found:
        raise EvaluationError(
            "no reward has scored an image here, so that no model can be compared",
            hint="run `synpic generate` and `synpic score`; `synpic status` says what is missing",
        )
    return found


def _trained_with(inventory: Inventory, model: str) -> Mapping[str, str] | None:
    if model not in inventory.recipe.models:
        return None
    try:
        return rewards_of_training(inventory.wanted_settings(model), inventory.workspace.folder)
    except SynpicError as error:
        _LOG.warning("models.%s: %s; its training is unknown", model, visible(error.message))
        return None


def _items(
    table: pl.DataFrame, reward: str, models: Mapping[str, str], tags: Mapping[str, str]
) -> Items:
    column = f"score_{reward}"
    wide = table.pivot(
        on="model", index=["prompt_id", "nth"], values=column, maintain_order=True
    ).sort("prompt_id", "nth")
    values = {model: wide[model].cast(pl.Float64).fill_null(np.nan).to_numpy() for model in models}
    units = wide["prompt_id"].to_list()
    return Items(values, units, [tags[unit] for unit in units])


def _adjusted(results: Mapping[str, Sequence[Result]]) -> dict[tuple[str, str, str], float]:
    """Of each reward, model and tag: the p of the difference, corrected for all of its model's."""
    by_model: dict[str, dict[tuple[str, str, str], float]] = {}
    for reward, of_reward in results.items():
        tags = {one.tag for one in of_reward} - {OVERALL} or {OVERALL}
        for one in of_reward:
            if one.difference is not None and one.tag in tags:
                by_model.setdefault(one.model, {})[reward, one.model, one.tag] = one.difference.p
    found: dict[tuple[str, str, str], float] = {}
    for of_model in by_model.values():
        found |= dict(zip(of_model, holm(list(of_model.values())), strict=True))
    return found
