"""What says how good an image of a workspace is: the rewards that scored it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from synpic.errors import EvaluationError, did_you_mean
from synpic.evaluate.compare_models import Overall
from synpic.pipeline.inventory import Inventory
from synpic.rank import refuse_untrustworthy

__all__ = ["Metric", "metrics"]


@dataclass(frozen=True, eq=False)
class Metric:
    """A number for each image, of which the larger is the better.

    Args:
        name: as tables show it.
        kind: whose it is.
        fingerprint: of the reward or judge.
        values: candidate_id and ``value``; null where an image has none.
        overall: how tags become one number.
    """

    name: str
    kind: Literal["reward", "judge"]
    fingerprint: str
    values: pl.DataFrame
    overall: Overall = "items"


def metrics(inventory: Inventory, asked: Sequence[str] | None) -> list[Metric]:
    """Those that have a value of an image, in the order of the recipe.

    Args:
        asked: names of rewards; all if None.

    Raises:
        EvaluationError: there is none, or a name is unknown.
        SynpicError: scores cannot be read, or trusted.
    """
    inventory.require_readable(one.name for one in inventory.rewards)
    there = {one.name: one.fingerprint for one in inventory.rewards}
    for name in asked or ():
        if name not in there:
            raise EvaluationError(
                f"the recipe has no reward {name!r}.{did_you_mean(name, there)}",
                hint=f"rewards here: {', '.join(there) or 'none'}",
            )
    scored = inventory.scored()
    found = [
        Metric(name, "reward", fingerprint, _named(scored, f"score_{name}"))
        for name, fingerprint in there.items()
        if scored[f"score_{name}"].count() and (asked is None or name in asked)
    ]
    if not found:
        raise EvaluationError(
            "no reward has scored an image here, so that no model can be compared",
            hint="run `synpic generate` and `synpic score`; `synpic status` says what is missing",
        )
    refuse_untrustworthy(scored, [one.name for one in found])
    return found


def _named(table: pl.DataFrame, column: str) -> pl.DataFrame:
    return table.select("candidate_id", value=column)
