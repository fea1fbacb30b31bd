"""How many of each model's images a safety check flagged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from synpic import ids
from synpic.errors import EvaluationError, did_you_mean
from synpic.evaluate.bootstrap import Floats
from synpic.evaluate.compare_models import OVERALL, Items, PairedDifference, compare_models
from synpic.evaluate.intervals import Estimate, clustered_share, wilson
from synpic.evaluate.tables import TextTable
from synpic.evaluate.wanted_images import wanted_images
from synpic.pipeline.inventory import Inventory, take_inventory
from synpic.readers.display import count, number, visible
from synpic.workspace import Snapshot, Workspace

__all__ = ["FlaggedShare", "flagged_notes", "flagged_shares", "flagged_table"]


@dataclass(frozen=True)
class FlaggedShare:
    """How many of a model's images are flagged.

    Args:
        model: its name.
        share: of the images that were checked, 0 … 1; ``n`` of them, of ``clusters`` prompts.
        flagged: images.
        unchecked: images that are there and that no check has seen; they are in no share.
        missing: images that are not there.
        difference: from the base, over images that both have checked; below 0 where fewer are
            flagged. None of the base itself, and where no image pair was checked.
    """

    model: str
    share: Estimate
    flagged: int
    unchecked: int
    missing: int
    difference: PairedDifference | None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def flagged_shares(
    workspace: Workspace | Snapshot,
    *,
    base: str | None = None,
    models: Sequence[str] | None = None,
    prompts: Sequence[str] | None = None,
) -> list[FlaggedShare]:
    """The share of flagged images of each model, with an interval of 95 %.

    Wilson's where each prompt has one checked image; else Wilson's for clustered observations, with
    the prompt as the cluster. Differences are paired, the nth image of a prompt with the base's
    nth, with the intervals of :func:`synpic.evaluate.compare_models.compare_models`.

    Args:
        workspace: or a snapshot of one.
        base: the model that others are compared with; the first if None.
        models: some of the recipe's, in the order of the result; all if None.
        prompts: texts, those that ask for what is unsafe, say; all prompts of the recipe if None.

    Raises:
        EvaluationError: a model or prompt is not in the recipe, or no image was checked.
        SynpicError: as opening a workspace.
    """
    inventory = take_inventory(workspace)
    wanted = _wanted(inventory, prompts)
    names = _names(inventory, wanted, models)
    first = base if base is not None else names[0]
    if first not in names:
        raise EvaluationError(
            f"no model {first!r}.{did_you_mean(first, names)}",
            hint=f"models here: {', '.join(names)}",
        )
    there = inventory.candidates().select("candidate_id", "flagged", there=pl.lit(True))
    rows = wanted.join(there, on="candidate_id", how="left", maintain_order="left")
    if not rows["flagged"].count():
        raise EvaluationError(
            "no image was checked, so that no share of flagged ones is known",
            hint="a recipe with [safety] has images checked as they are made: docs/safety.md",
        )
    values, units = _items(rows, names)
    differences: dict[str, PairedDifference | None] = {}
    if len(names) > 1:
        found = compare_models(
            Items(values, units, [OVERALL] * len(units)),
            first,
            fingerprint=ids.fingerprint({"models": names, "prompts": sorted(set(units))}),
        )
        differences = {one.model: one.difference for one in found}
    return [_share(name, rows, differences.get(name)) for name in names]


def _wanted(inventory: Inventory, prompts: Sequence[str] | None) -> pl.DataFrame:
    """Every wanted image: candidate_id, prompt_id, model, and ``nth`` of its model's."""
    rows = wanted_images(inventory)
    if prompts is not None:
        known = set(inventory.prompts["prompt_id"])
        asked = {ids.prompt_id(text): text for text in prompts}
        for key, text in asked.items():
            if key not in known:
                raise EvaluationError(
                    f"{visible(text, 60)!r} is no prompt of the recipe",
                    hint="texts are compared letter by letter, in Unicode NFC",
                )
        rows = rows.filter(pl.col("prompt_id").is_in(list(asked)))
    return rows


def _names(inventory: Inventory, wanted: pl.DataFrame, models: Sequence[str] | None) -> list[str]:
    there = wanted["model"].unique(maintain_order=True).to_list()
    order = [name for name in inventory.recipe.models if name in there]
    known = [*order, *(name for name in there if name not in order)]
    for name in models or ():
        if name not in known:
            raise EvaluationError(
                f"no model {name!r}.{did_you_mean(name, known)}",
                hint=f"models here: {', '.join(known) or 'none'}",
            )
    names = list(dict.fromkeys(known if models is None else models))
    if not names:
        raise EvaluationError("there is no model and no prompt", hint="look at the recipe")
    return names


def _items(rows: pl.DataFrame, names: Sequence[str]) -> tuple[Mapping[str, Floats], list[str]]:
    """Of each model 1 where an image is flagged, 0 where it is not, NaN where that is unknown."""
    wide = rows.pivot(
        on="model", index=["prompt_id", "nth"], values="flagged", maintain_order=True
    ).sort("prompt_id", "nth")
    values = {name: wide[name].cast(pl.Float64).fill_null(np.nan).to_numpy() for name in names}
    return values, wide["prompt_id"].to_list()


def _share(name: str, rows: pl.DataFrame, difference: PairedDifference | None) -> FlaggedShare:
    mine = rows.filter(pl.col("model") == name)
    checked = mine.drop_nulls("flagged")
    flagged = int(checked["flagged"].sum())
    if checked["prompt_id"].is_unique().all():
        share = wilson(flagged, checked.height)
    else:
        share = clustered_share(
            checked["flagged"].cast(pl.Float64).to_numpy(), checked["prompt_id"].to_numpy()
        )
    missing = mine["there"].null_count()
    unchecked = mine.height - missing - checked.height
    return FlaggedShare(name, share, flagged, unchecked, missing, difference)


def flagged_table(found: Sequence[FlaggedShare]) -> TextTable:
    """A row for each model, in the order of ``found``."""
    rows = [
        [
            one.model,
            "" if one.share.value is None else f"{one.share.value:.3f}",
            _interval(one.share, ".3f"),
            *(number(value) for value in (one.flagged, one.share.n, one.unchecked, one.missing)),
            "" if one.difference is None else f"{one.difference.mean.value:+.3f}",
            "" if one.difference is None else _interval(one.difference.mean, "+.3f"),
        ]
        for one in found
    ]
    return TextTable(
        [
            *("model", "share", "interval", "flagged", "checked", "unchecked", "missing"),
            *("difference", "interval"),
        ],
        rows,
    )


def flagged_notes(found: Sequence[FlaggedShare]) -> list[str]:
    """How to read the table, and what is not in its shares."""
    lines = [
        "Share of checked images that a safety check flagged, with an interval of 95 %, prompts as "
        "the unit. What no check has seen is in no share."
    ]
    unchecked, missing = (sum(getattr(one, of) for one in found) for of in ("unchecked", "missing"))
    if unchecked:
        lines.append(f"Not checked: {count(unchecked, 'image')}.")
    if missing:
        lines.append(f"Partial: {count(missing, 'image')} not there.")
    return lines


def _interval(estimate: Estimate, form: str) -> str:
    if estimate.low is None or estimate.high is None:
        return ""
    return f"{estimate.low:{form}} … {estimate.high:{form}}"
