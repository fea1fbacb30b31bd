"""How often rewards prefer what people prefer: pure functions of labels and scores.

The unit is a pair of images that people decided: more than half of the votes are for one of them.
A judge, a reward or several together, is right where it prefers that one, half right where it ties
the two, and wrong else. Pairs of one prompt depend on each other, so intervals are clustered by it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from synpic.evaluate.intervals import Estimate, clustered_mean, clustered_share
from synpic.rank.comparisons import NO_COMPARISONS, WHOLE, Comparisons
from synpic.rank.guards import require_columns

__all__ = [
    "PHI",
    "Accuracy",
    "LabelledPairs",
    "accuracies",
    "count_pairs",
    "judged_pairs",
    "one_vote",
    "phi_judges",
]

PHI = "φ"
"""The judge that is φ of all rewards that rank."""

_SIDES = ("one", "other")

_WHOLE_VOTE = 1e-3


@dataclass(frozen=True)
class LabelledPairs:
    """What became of the pairs that are labelled.

    Args:
        pairs: of images that are here.
        absent: of which an image is not here.
        prompts: of ``pairs``.
        ties: of them, those whose votes are even.
        unscored: of the others, those of which an image lacks a score.
        judged: the rest.
    """

    pairs: int
    absent: int
    prompts: int
    ties: int
    unscored: int
    judged: int


@dataclass(frozen=True)
class Accuracy:
    """How often a judge prefers what people prefer.

    Args:
        judge: a reward, ``φ`` of all that rank, or ``φ without <reward>``.
        models: the two that drew the images; None for all pairs.
        accuracy: the share of pairs, 0 … 1; ½ is chance.
        ties: pairs of which the judge prefers neither image.
        difference: from the accuracy of ``φ`` on the same pairs, −1 … 1; None for ``φ`` itself, and
            where there is one reward alone.
    """

    judge: str
    models: tuple[str, str] | None
    accuracy: Estimate
    ties: int
    difference: Estimate | None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "judge": self.judge,
            "models": None if self.models is None else list(self.models),
            **self.accuracy.as_dict(),
            "ties": self.ties,
            "difference": None if self.difference is None else self.difference.as_dict(),
        }


def judged_pairs(
    comparisons: Comparisons,
    candidates: pl.DataFrame,
    judges: Sequence[str],
    comparers: Mapping[str, Comparisons] = NO_COMPARISONS,
) -> pl.DataFrame:
    """Each compared pair, with the images' models and what each judge makes of it.

    Args:
        comparisons: which image of a pair people prefer.
        candidates: candidate_id (of the type that ``comparisons`` has), prompt_id, model, and for
            each of ``judges`` a column of numbers ``value.<judge>``, higher is preferred, null
            where it has not judged.
        comparers: further judges, by name, each with the pairs that it compared.

    Returns:
        prompt_id, one, other (candidate ids), one_model, other_model (String), share (Float64, 0 …
        1, of ``one``), votes (Int64; null: unknown), decided (Boolean), and for each judge
        ``right.<judge>`` (Float64): 1 where it prefers what people prefer, ½ where it ties the two,
        0 where it prefers the other; null where the pair is not decided or an image of it is not
        judged. Ordered by prompt_id, one and other.

    Raises:
        RankingError: a column is missing.
    """
    values = [f"value.{judge}" for judge in judges]
    require_columns(candidates, ("candidate_id", "prompt_id", "model", *values), "candidates")
    rows = comparisons.pairs
    for side in _SIDES:
        named = candidates.select(
            pl.col("candidate_id").alias(side),
            pl.col("prompt_id").alias(f"{side}_prompt"),
            pl.col("model").alias(f"{side}_model"),
            *(pl.col(value).alias(f"{side}.{value}") for value in values),
        )
        rows = rows.join(named, on=side, how="inner")
    for judge, said in comparers.items():
        value = said.pairs.select("one", "other", _margin(said).alias(f"margin.{judge}"))
        rows = rows.join(value, on=["one", "other"], how="left")
    ahead = 2 * pl.col("share") - WHOLE
    decided = ahead.abs() > 2 * round(comparisons.tie * WHOLE)
    return (
        rows.filter(pl.col("one_prompt") == pl.col("other_prompt"))
        .select(
            pl.col("one_prompt").alias("prompt_id"),
            *_SIDES,
            "one_model",
            "other_model",
            pl.col("share") / WHOLE,
            "votes",
            decided.alias("decided"),
            *(_outcome(judge, ahead, decided) for judge in judges),
            *(_outcome_of_pair(judge, ahead, decided) for judge in comparers),
        )
        .sort("prompt_id", *_SIDES)
    )


def _outcome(judge: str, ahead: pl.Expr, decided: pl.Expr) -> pl.Expr:
    one, other = (pl.col(f"{side}.value.{judge}") for side in _SIDES)
    right = pl.when(ahead > 0).then(one > other).otherwise(one < other)
    outcome = pl.when(one == other).then(0.5).otherwise(right.cast(pl.Float64))
    known = decided & one.is_not_null() & other.is_not_null()
    return pl.when(known).then(outcome).alias(f"right.{judge}")


def _margin(said: Comparisons) -> pl.Expr:
    """Above 0 where a comparer prefers ``one``, below it where it prefers the other; 0 in a tie."""
    margin = 2 * pl.col("share") - WHOLE
    return pl.when(margin.abs() > 2 * round(said.tie * WHOLE)).then(margin).otherwise(0)


def _outcome_of_pair(judge: str, ahead: pl.Expr, decided: pl.Expr) -> pl.Expr:
    margin = pl.col(f"margin.{judge}")
    right = (margin.sign() == ahead.sign()).cast(pl.Float64)
    outcome = pl.when(margin == 0).then(0.5).otherwise(right)
    return pl.when(decided & margin.is_not_null()).then(outcome).alias(f"right.{judge}")


def count_pairs(
    comparisons: Comparisons, judged: pl.DataFrame, judges: Sequence[str]
) -> LabelledPairs:
    """What became of the pairs of ``comparisons``.

    Args:
        judged: from :func:`judged_pairs`.
    """
    decided = judged.filter("decided")
    complete = _complete(judged, judges)
    return LabelledPairs(
        pairs=judged.height,
        absent=comparisons.pairs.height - judged.height,
        prompts=judged["prompt_id"].n_unique(),
        ties=judged.height - decided.height,
        unscored=decided.height - complete.height,
        judged=complete.height,
    )


def accuracies(
    judged: pl.DataFrame, judges: Sequence[str], *, by_models: bool = False
) -> list[Accuracy]:
    """The accuracy of each judge, over the pairs that all of them have judged.

    Args:
        judged: from :func:`judged_pairs`.
        judges: in the order of the result.
        by_models: apart for every two models, too; pairs of one model are two of the same name.
    """
    complete = _complete(judged, judges)
    found = list(_accuracies(complete, judges, None))
    if by_models:
        named = complete.with_columns(
            low=pl.min_horizontal("one_model", "other_model"),
            high=pl.max_horizontal("one_model", "other_model"),
        )
        for key, pairs in sorted(named.partition_by("low", "high", as_dict=True).items()):
            found += _accuracies(pairs, judges, (str(key[0]), str(key[1])))
    return found


def _complete(judged: pl.DataFrame, judges: Sequence[str]) -> pl.DataFrame:
    return judged.drop_nulls([f"right.{judge}" for judge in judges]).filter("decided")


def _accuracies(
    pairs: pl.DataFrame, judges: Sequence[str], models: tuple[str, str] | None
) -> Iterator[Accuracy]:
    prompts = pairs["prompt_id"].to_numpy()
    for judge in judges:
        outcome = pairs[f"right.{judge}"].to_numpy()
        compared = PHI in judges and judge != PHI
        yield Accuracy(
            judge,
            models,
            clustered_share(outcome, prompts),
            ties=int((outcome == 0.5).sum()),
            difference=clustered_mean(
                outcome - pairs[f"right.{PHI}"].to_numpy(), prompts, least=-1, most=1
            )
            if compared
            else None,
        )


def one_vote(labels: pl.DataFrame) -> Estimate:
    """How often one vote prefers what the other votes on its pair prefer: people against people.

    A vote of a pair with others is right where it is on the side of most of them, half right where
    they are even, and wrong else. It is what a judge that votes like a person taken at random would
    reach, and no limit: a judge that always votes with the majority is right more often.

    A label whose share is no whole number of votes is left out: votes for neither image are in it,
    and it does not say how many; or votes have weights.

    Args:
        labels: of one question: prompt_id, left, right, share and n; a row of unknown n is one
            vote.

    Returns:
        Over pairs with at least two votes, clustered by prompt; each pair counts once.
    """
    left, right = pl.col("left"), pl.col("right")
    votes, share = pl.col("n").fill_null(1), pl.col("share").cast(pl.Float64)
    ones = votes * pl.when(left < right).then(share).otherwise(1 - share)
    pairs = (
        labels.filter(left != right)
        .drop_nulls("share")
        .select(
            "prompt_id",
            pl.min_horizontal(left, right).alias("one"),
            pl.max_horizontal(left, right).alias("other"),
            ones.alias("ones"),
            votes.cast(pl.Float64).alias("votes"),
        )
        # Shares are float32, so that a third of three votes is not quite one.
        .filter((pl.col("ones") - pl.col("ones").round()).abs() < _WHOLE_VOTE)
        .group_by("prompt_id", "one", "other")
        .agg(pl.col("ones").round().sum(), pl.col("votes").sum())
        .filter(pl.col("votes") >= 2)
        .sort("prompt_id", "one", "other")
    )
    ones, others = pl.col("ones"), pl.col("votes") - pl.col("ones")

    def right_with(own: pl.Expr, against: pl.Expr) -> pl.Expr:
        ahead = own - 1 - against
        return pl.when(ahead > 0).then(1.0).when(ahead == 0).then(0.5).otherwise(0.0)

    agreed = pairs.select(
        (ones * right_with(ones, others) + others * right_with(others, ones)) / (ones + others)
    ).to_series()
    return clustered_share(agreed.to_numpy(), pairs["prompt_id"].to_numpy())


def phi_judges(weights: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """The judges that are φ of several rewards: of all, and of all but each.

    Args:
        weights: reward → weight.

    Returns:
        Name of the judge → weights of its rewards; nothing of one reward alone.
    """
    if len(weights) < 2:
        return {}
    without = {
        f"{PHI} without {left_out}": {k: w for k, w in weights.items() if k != left_out}
        for left_out in weights
    }
    return {PHI: dict(weights), **without}
