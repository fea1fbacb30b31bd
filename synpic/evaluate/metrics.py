"""What says how good an image of a workspace is: judges and rewards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from synpic.errors import EvaluationError, did_you_mean
from synpic.evaluate.compare_models import Overall
from synpic.pipeline.inventory import Inventory
from synpic.rank import refuse_untrustworthy
from synpic.score.judges.wanted import WantedJudge

__all__ = ["Metric", "metrics"]


@dataclass(frozen=True, eq=False)
class Metric:
    """A number for each image, of which the larger is the better.

    Args:
        name: as tables show it.
        kind: whose it is.
        source: the recipe's name of that reward or judge.
        fingerprint: of the reward or judge.
        values: candidate_id and ``value``; null where an image has none.
        overall: how tags become one number.
    """

    name: str
    kind: Literal["reward", "judge"]
    source: str
    fingerprint: str
    values: pl.DataFrame
    overall: Overall = "items"


def metrics(inventory: Inventory, asked: Sequence[str] | None, overall: Overall) -> list[Metric]:
    """Those that have a value of an image: judges, then rewards, in the order of the recipe.

    Args:
        asked: names of judges and rewards; all if None.
        overall: how tags become one number.

    Raises:
        EvaluationError: there is none, or a name is unknown.
        SynpicError: scores or verdicts cannot be read, or trusted.
    """
    there = [one.name for one in (*inventory.judges, *inventory.rewards)]
    for name in asked or ():
        if name not in there:
            raise EvaluationError(
                f"the recipe has no judge and no reward {name!r}.{did_you_mean(name, there)}",
                hint=f"here: {', '.join(there) or 'none'}",
            )
    every = [*_judged(inventory, overall), *_scored(inventory, overall)]
    found = [one for one in every if asked is None or one.source in asked]
    if not found:
        raise EvaluationError(
            "no judge and no reward has seen an image here, so that no model can be compared",
            hint="run `synpic generate` and `synpic score`; `synpic status` says what is missing",
        )
    return found


def _scored(inventory: Inventory, overall: Overall) -> list[Metric]:
    inventory.require_readable(one.name for one in inventory.rewards)
    scored = inventory.scored()
    given = [one.name for one in inventory.rewards if scored[f"score_{one.name}"].count()]
    if given:
        refuse_untrustworthy(scored, given)
    return [
        Metric(
            one.name,
            "reward",
            one.name,
            one.fingerprint,
            scored.select("candidate_id", value=f"score_{one.name}"),
            overall,
        )
        for one in inventory.rewards
        if one.name in given
    ]


def _judged(inventory: Inventory, overall: Overall) -> list[Metric]:
    """Of each judge whether an image is right, or how much of it is; and what it says beside."""
    found = []
    for judge in inventory.judges:
        rows = inventory.verdicts(judge.name)
        if not rows["reason"].count():
            continue  # it has judged nothing
        right = rows["correct"].count() > 0
        value = pl.col("correct").cast(pl.Float64) if right else pl.col("score").cast(pl.Float64)
        beside = judge.beside if isinstance(judge, WantedJudge) else ()
        values = {judge.name: value} | {f"{judge.name} {part}": _part(part) for part in beside}
        found += [
            Metric(
                name,
                "judge",
                judge.name,
                judge.fingerprint,
                rows.select("candidate_id", value=one),
                overall,
            )
            for name, one in values.items()
        ]
    return found


def _part(name: str) -> pl.Expr:
    """Whether the part of a verdict that is called so is right."""
    of_name = pl.element().struct.field("id") == name
    right = pl.col("parts").list.eval(pl.element().filter(of_name).struct.field("correct"))
    return right.list.first().cast(pl.Float64)
