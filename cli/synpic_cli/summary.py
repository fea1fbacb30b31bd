"""Who won, and how far the rewards agree."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from synpic.pipeline.ranking import RankedSet
from synpic.rank import Coverage, Ranking, agreement, head_to_head, leave_one_out, win_rate_by_model
from synpic.rank.aggregations import WIN_RATE
from synpic.readers.display import count
from synpic_cli.output import print_table, say

__all__ = [
    "comparisons_as_dict",
    "cuts_as_dict",
    "flags",
    "say_comparisons",
    "say_cuts",
    "say_flags",
    "show_ranking",
    "summarise",
]


def summarise(ranked: RankedSet) -> dict[str, Any]:
    """Counts, win rates and agreement, for JSON."""
    ranking = ranked.ranking
    rewards = list(ranking.weights)
    return {
        "aggregation": ranking.aggregation,
        "ties": ranking.ties,
        "weights": dict(ranking.weights),
        "counts": {**asdict(ranking.counts), **flags(ranked)},
        "cuts": cuts_as_dict(ranked),
        "models": win_rate_by_model(ranking).to_dicts(),
        "head_to_head": head_to_head(ranking).to_dicts(),
        "comparisons": comparisons_as_dict(ranking),
        "agreement": agreement(ranked.scored, rewards, ranking.comparisons).to_dicts(),
        "leave_one_out": leave_one_out(
            ranked.scored, ranking.weights, ranking.comparisons
        ).to_dicts(),
    }


def comparisons_as_dict(ranking: Ranking) -> dict[str, Any]:
    """What ranks by comparisons of people or a comparer: in how many prompts it takes part."""
    counts = ranking.counts
    return {
        name: {
            "labels": one.source,
            "question": one.question,
            "tie": one.tie,
            "prompts": counts.kept_prompts + counts.without_preference - ranking.absent[name],
            "absent": ranking.absent[name],
        }
        for name, one in ranking.comparisons.items()
    }


def say_comparisons(ranking: Ranking) -> None:
    """The same in words."""
    for name, one in comparisons_as_dict(ranking).items():
        part = f"{name} takes part in {count(one['prompts'], 'prompt')}"
        absent = f", and not in {one['absent']:,}, of which too few pairs are compared"
        say(part + absent * bool(one["absent"]))
        if one["absent"] and ranking.aggregation == WIN_RATE.name:
            say("  win-rate needs all pairs of a prompt; bradley-terry takes those that are there")


def flags(ranked: RankedSet) -> dict[str, int | None]:
    """How many images are flagged, left out for it (None if that is not asked), and unchecked."""
    flagged = ranked.scored["flagged"]
    return {
        "flagged": int(flagged.sum() or 0),
        "flagged_left_out": None if ranked.left_out is None else ranked.left_out.height,
        "unchecked": flagged.null_count(),
    }


def say_flags(ranked: RankedSet) -> None:
    """The same in words, where it matters."""
    found = flags(ranked)
    if found["flagged_left_out"] is not None:
        say(
            f"left out: {count(found['flagged_left_out'], 'flagged image')}; "
            f"{found['unchecked']:,} that no safety check has seen are kept"
        )
    elif found["flagged"]:
        are, remedy = "is" if found["flagged"] == 1 else "are", "--leave-out-flagged drops them"
        say(f"{count(found['flagged'], 'image')} {are} flagged, and kept; {remedy}")


def cuts_as_dict(ranked: RankedSet) -> dict[str, Any] | None:
    """The rules by which the set is cut, and what each left out; None without one."""
    if not ranked.cuts.given:
        return None
    found: dict[str, Any] = dict(ranked.cuts.given)
    if (dropped := ranked.dropped) is not None:
        found["drop"] = {
            "source": dropped.named.source,
            "candidates": dropped.rows.height,
            "prompts": dropped.prompts,
            "kept": dropped.kept,
            "unknown": dropped.unknown,
            "marks": dict(dropped.named.marks),
        }
    return {**found, "prompts": dict(ranked.cut), "unranked": ranked.cut_unranked}


def say_cuts(ranked: RankedSet) -> None:
    """The same in words, a line for each rule."""
    if (dropped := ranked.dropped) is not None:
        said = [f"{count(dropped.prompts, 'prompt')} with all images"] * bool(dropped.prompts)
        said += [f"{count(dropped.kept, 'image')} kept by a mark"] * bool(dropped.kept)
        said += [f"{count(dropped.unknown, 'id')} of nothing here"] * bool(dropped.unknown)
        more = f" ({', '.join(said)})" if said else ""
        images = count(dropped.rows.height, "image")
        say(f"dropped before ranking, by {dropped.named.source}: {images}{more}")
    for rule, number in ranked.cut.items():
        say(f"cut by {rule} = {ranked.cuts.given[rule]}: {count(number, 'ranked prompt')}")
    if ranked.cut_unranked:
        say(f"cut with them: {count(ranked.cut_unranked, 'prompt')} without a ranking")
    if ranked.cuts.top is not None:
        say(f"of each prompt the first {ranked.cuts.top}, with φ and ranks among all its images")


def show_ranking(ranked: RankedSet) -> None:
    """The same, for people."""
    ranking, counts = ranked.ranking, ranked.ranking.counts
    say(
        f"{count(counts.kept_prompts, 'prompt')} and {count(counts.kept_candidates, 'image')} "
        f"ranked by {ranking.aggregation}; prompts with a tie: {counts.tied_prompts:,}"
    )
    if counts.incomplete or counts.prompts_below_two:
        say(
            f"left out: {count(counts.incomplete, 'image')} without every score, "
            f"{count(counts.prompts_below_two, 'prompt')} with fewer than two images"
        )
    say_comparisons(ranking)
    if counts.without_preference:
        say(f"left out: {count(counts.without_preference, 'prompt')} without a preference")
    say_flags(ranked)
    say_cuts(ranked)
    if ranked.cut:
        say(f"left: {count(ranked.ranking.table['prompt_id'].n_unique(), 'prompt')}")
    say()
    wins = win_rate_by_model(ranking)
    print_table(
        ["model", "images", "mean φ", "share of first places", "beats other models"],
        wins.select("model", "candidates", "mean_preference", "first", "beats").rows(),
    )
    rewards = list(ranking.weights)
    if len(rewards) < 2:
        return
    say()
    table = agreement(ranked.scored, rewards, ranking.comparisons)
    rest = leave_one_out(ranked.scored, ranking.weights, ranking.comparisons)
    others = {row["reward"]: row["tau"] for row in rest.iter_rows(named=True)}
    cells = {(row["reward_a"], row["reward_b"]): row["tau"] for row in table.iter_rows(named=True)}
    print_table(
        ["Kendall's τ-b", *rewards, "all others"],
        [[a, *(cells[a, b] for b in rewards), others.get(a)] for a in rewards],
    )
    for name, one in ranking.comparisons.items():
        held = one.comparer is None
        _say_where_pairs_have_tau(name, one.coverage(ranking.table), held)


def _say_where_pairs_have_tau(name: str, pairs: Coverage, labels: bool) -> None:
    """Why the row of compared pairs is empty, or of fewer prompts than those of rewards."""
    ranked = pairs.every + pairs.some + pairs.none
    if pairs.every == ranked:
        return
    if pairs.every:
        over = f"over {count(pairs.every, 'prompt')} with every pair compared, of {ranked:,}"
    else:
        over = f"none, since no prompt has every pair compared; {pairs.some:,} have some"
    also = " `synpic agree` holds each reward to all pairs." if labels else ""
    say(f"τ-b of {name}: {over}.{also}")
