"""What says how good an image of a workspace is: judges and rewards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

from synpic import ids
from synpic.errors import EvaluationError, UnknownName, did_you_mean
from synpic.evaluate.compare_models import Overall
from synpic.pipeline.inventory import Inventory
from synpic.rank import refuse_untrustworthy
from synpic.registry import JUDGES
from synpic.score.judges.metric_names import metric_names
from synpic.score.judges.official_quirks import QUIRKS
from synpic.score.judges.wanted import WantedJudge
from synpic.score.recorded import RecordedReward

__all__ = ["Metric", "metrics", "require_metrics"]


@dataclass(frozen=True, eq=False)
class Metric:
    """A number for each image, of which the larger is the better.

    Args:
        name: as tables show it.
        kind: whose it is.
        source: the recipe's name of that reward or judge.
        decides: ``fingerprint_inputs`` of the reward or judge.
        values: candidate_id and ``value``; null where an image has none.
        overall: how tags become one number.
        notes: what is to be read beside it, a line each.
        part: the part of a judge's verdicts that it is; None of whole verdicts.
    """

    name: str
    kind: Literal["reward", "judge"]
    source: str
    decides: Mapping[str, Any]
    values: pl.DataFrame
    overall: Overall = "items"
    notes: tuple[str, ...] = ()
    part: str | None = None

    @property
    def fingerprint(self) -> str:
        """Of the reward or judge."""
        return ids.fingerprint(self.decides)


def metrics(inventory: Inventory, asked: Sequence[str] | None, overall: Overall) -> list[Metric]:
    """Those that have a value of an image: judges, then rewards, in the order of the recipe.

    Args:
        asked: names of judges and rewards; all if None.
        overall: how tags become one number.

    Raises:
        EvaluationError: there is none, or a name is unknown.
        SynpicError: scores or verdicts cannot be read, or trusted.
    """
    require_metrics(asked or (), [one.name for one in (*inventory.judges, *inventory.rewards)])
    every = [*_judged(inventory, overall), *_scored(inventory, overall)]
    found = [one for one in every if asked is None or one.source in asked]
    if not found:
        raise EvaluationError(
            "no judge and no reward has seen an image here, so that no model can be compared",
            hint="run `synpic generate` and `synpic score`; `synpic status` says what is missing",
        )
    return found


def require_metrics(asked: Sequence[str], known: Sequence[str]) -> None:
    """Refuse names of judges and rewards that are not ``known``.

    Raises:
        EvaluationError: naming the first.
    """
    for name in asked:
        if name not in known:
            raise EvaluationError(
                f"the recipe has no judge and no reward {name!r}.{did_you_mean(name, known)}",
                hint=f"here: {', '.join(known) or 'none'}",
            )


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
            one.fingerprint_inputs,
            scored.select("candidate_id", value=f"score_{one.name}"),
            overall,
        )
        for one in inventory.rewards
        if one.name in given
    ]


def _judged(inventory: Inventory, overall: Overall) -> list[Metric]:
    """Of each judge how much of an image is right, or whether it is; and what it says beside."""
    found = []
    names = _names(inventory)
    for judge in inventory.judges:
        rows = inventory.verdicts(judge.name)
        if not rows["reason"].count():
            continue  # it has judged nothing
        value = pl.coalesce(pl.col("score").cast(pl.Float64), pl.col("correct").cast(pl.Float64))
        beside = judge.beside if isinstance(judge, WantedJudge) else ()
        name = names.get(judge.fingerprint, judge.name)
        yes = _share_of_yes(name, rows) if judge.fingerprint in names else ()
        notes = (*yes, *_quirks(name, judge.fingerprint_inputs))
        found += [
            Metric(
                name if part is None else f"{name} {part}",
                "judge",
                judge.name,
                judge.fingerprint_inputs,
                rows.select("candidate_id", value=value if part is None else _part(part)),
                overall,
                notes,
                part,
            )
            for part in (None, *beside)
        ]
    return found


def _names(inventory: Inventory) -> dict[str, str]:
    """Of each judge in which any model can answer: fingerprint → what its numbers are called."""
    models = {
        one.fingerprint: one.model if isinstance(one, WantedJudge) else _recorded(one, inventory)
        for one in inventory.judges
    }
    return metric_names(
        inventory.suite.name or "questions",
        {fingerprint: model for fingerprint, model in models.items() if model is not None},
    )


def _recorded(judge: RecordedReward, inventory: Inventory) -> str | None:
    """The model that answered, by what verdicts record; None of a judge that no model is chosen
    for. Where its code is away, a model that its options name was chosen."""
    options = judge.fingerprint_inputs.get("options") or {}
    chosen = options.get("model")
    try:
        code = JUDGES.load(judge.registered, inventory.workspace.folder)
    except UnknownName:
        return None if chosen is None else str(chosen)
    if not getattr(code, "any_model", False):
        return None
    weights, _, _ = (judge.checkpoint or "").rpartition("@")
    return str(chosen or weights or judge.registered)


def _share_of_yes(name: str, rows: pl.DataFrame) -> tuple[str, ...]:
    """A judge that says yes to almost everything shows here."""
    answers = rows.select("model", pl.col("parts").list.eval(pl.element().struct.field("answer")))
    said = answers.explode("parts").with_columns(
        pl.col("parts").str.strip_chars().str.to_lowercase()
    )
    shares = (
        said.filter(pl.col("parts").is_in(["yes", "no"]))
        .group_by("model", maintain_order=True)
        .agg((pl.col("parts") == "yes").mean())
    )
    if shares.is_empty():
        return ()
    told = ", ".join(f"{model} {share:.3f}" for model, share in shares.iter_rows())
    return (f"{name}: share of yes among its answers: {told}",)


def _quirks(name: str, decides: Mapping[str, Any]) -> tuple[str, ...]:
    """Each fault of the suite's own program that decides the numbers of a judge."""
    options = decides.get("options") or {}
    if options.get("quirks") != "official":
        return ()
    rule = options.get("rule", "dsg")
    return tuple(f"{name}, official quirk: {one.what}" for one in QUIRKS if rule in one.rules)


def _part(name: str) -> pl.Expr:
    """Whether the part of a verdict that is called so is right."""
    of_name = pl.element().struct.field("id") == name
    right = pl.col("parts").list.eval(pl.element().filter(of_name).struct.field("correct"))
    return right.list.first().cast(pl.Float64)
