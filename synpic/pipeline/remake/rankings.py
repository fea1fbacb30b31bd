"""Rankings that were published, and rankings by the scores that were given again."""

from __future__ import annotations

import polars as pl

from synpic.errors import RankingError, ReleaseError, RewardError, UnknownName
from synpic.pipeline.remake.result import ComparedPart, Reason
from synpic.rank import rank
from synpic.release.compared import holds_comparisons, read_compared
from synpic.release.rule import missing_aggregation, published_aggregation
from synpic.release.source import Published

__all__ = ["compare_rankings"]


def compare_rankings(
    release: Published, rows: pl.DataFrame, rewards: list[str]
) -> tuple[ComparedPart | None, list[str]]:
    """Rank the prompts of which every ranked image was made again and scored, by the old rule.

    What people or a comparer compared is taken as it was published.

    Args:
        rows: all of the sample, as published, with ``made_<reward>`` as given here, null where it
            was not.
        rewards: those that were made again.

    Returns:
        What was found, by prompt; None, and why, where no ranking can be computed.
    """
    rule = release.manifest.ranking
    scoring = [name for name in rule.weights if name not in rule.comparisons]
    if absent := [name for name in scoring if name not in rewards]:
        return None, [f"rankings are not compared: {', '.join(absent)} was not made again"]
    if why := missing_aggregation(rule):
        return None, [f"rankings are not compared: {why}"]
    if not holds_comparisons(rows, rule.comparisons):
        return None, ["rankings are not compared: what was compared is not in `scores`"]
    # What lacked a score was not ranked then, whatever it scores now.
    complete = pl.all_horizontal(pl.col(f"score_{name}").is_not_null() for name in scoring)
    ranked = rows.filter(complete) if scoring else rows
    lacking = pl.any_horizontal(pl.col(f"made_{name}").is_null() for name in scoring)
    if scoring:
        ranked = ranked.filter(~lacking.any().over("prompt_id"))
    ranked = ranked.filter(pl.col("rank").is_not_null().any().over("prompt_id"))
    if ranked.is_empty():
        return None, ["rankings are not compared: of no prompt was every image made and scored"]
    given = ranked.select(
        "prompt_id",
        "candidate_id",
        "model",
        "sample",
        *(pl.col(f"made_{name}").alias(f"score_{name}") for name in scoring),
    )
    # In the order of columns, as they were added up.
    columns = [name.removeprefix("score_") for name in rows.columns if name.startswith("score_")]
    order = [*(name for name in columns if name in scoring), *rule.comparisons]
    try:
        made = rank(
            given,
            {name: rule.weights[name] for name in order if name in rule.weights},
            comparisons=read_compared(ranked, rule.comparisons, release.name),
            aggregation=published_aggregation(rule, release.name),
            ties=rule.ties,
        )
    except (RankingError, RewardError, ReleaseError, UnknownName) as error:
        return None, [f"rankings are not compared: {error.message}"]
    new = made.table.select(
        "candidate_id", new_rank="rank", new_preference=pl.col("preference").cast(pl.Float32)
    )
    both = ranked.join(new, on="candidate_id", how="left")
    wrong = pl.col("rank").cast(pl.Int64).ne_missing(pl.col("new_rank").cast(pl.Int64))
    wrong |= pl.col("preference").ne_missing(pl.col("new_preference"))
    differs = [pl.col(f"made_{one}").ne_missing(pl.col(f"score_{one}")) for one in scoring]
    moved = pl.any_horizontal(pl.lit(False), *differs)
    prompts = both.group_by("prompt_id").agg(wrong=wrong.any(), moved=moved.any())
    apart = prompts.filter("wrong")
    by_scores = apart.filter("moved").height
    reasons = [Reason("scores differ", by_scores)] if by_scores else []
    if rest := apart.height - by_scores:
        why = "scores are the same: published ranks do not follow from published scores"
        reasons.append(Reason(why, rest))
    notes = [
        f"{name}: what it compared is taken as published; it is not asked again"
        for name in rule.comparisons
    ]
    return ComparedPart(
        compared=prompts.height,
        equal=prompts.height - apart.height,
        reasons=reasons,
        examples=apart["prompt_id"].sort().to_list(),
    ), notes
