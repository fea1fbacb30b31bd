"""What ranking selects, by the judge: best of k by each reward, by φ, at random, by an oracle.

    python -m synpic.shapes.selection my-workspace --json selection.json

Works on any workspace whose prompts are the world's and whose candidates are scored. Rewards that
the recipe scores but leaves out of ``ranking.rewards`` are judged too, alone and beside the others.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from synpic.pipeline.ranking import RankedSet, rank_candidates
from synpic.rank import agreement, rank
from synpic.readers.images import decode
from synpic.shapes.judge import strict
from synpic.shapes.measure import wilson
from synpic.workspace import Workspace

__all__ = ["Share", "judged", "main", "picked", "reward_accuracy", "study", "verdict"]


@dataclass(frozen=True)
class Share:
    """A share of prompts with its 95 % interval (Wilson)."""

    share: float
    low: float
    high: float

    @classmethod
    def of(cls, values: pl.Series) -> Share:
        """The mean of values in 0 … 1, one a prompt; where they are fractions, the interval is
        wider than it had to be."""
        total, count = float(values.sum()), len(values)
        return cls(total / count, *wilson(total, count))


def judged(ranked: RankedSet) -> pl.DataFrame:
    """The ranked candidates with their scores, ``preference``, ``rank``, and ``passes``.

    ``passes`` is the strict judge's word on the pixels. Raises
    :class:`~synpic.errors.PromptError` for a prompt that is none of the world's.
    """
    preferences = ranked.ranking.table.select("candidate_id", "preference", "rank")
    table = ranked.scored.join(preferences, on="candidate_id")
    images = ranked.inventory.workspace.images(dict.fromkeys(ranked.inventory.image_folders()))
    passes: list[bool] = []
    for rows in table.select("candidate_id", "sha256", "prompt").iter_slices(512):
        encoded = images.read(list(rows.select("candidate_id", "sha256").iter_rows()))
        pairs = zip(rows["prompt"], encoded, strict=True)
        passes += [strict(prompt, decode(data)) for prompt, data in pairs]
    return table.with_columns(passes=pl.Series(passes, dtype=pl.Boolean))


def picked(table: pl.DataFrame, by: pl.Expr) -> Share:
    """How often the candidate with the greatest ``by`` of its prompt passes.

    Among equals each is as likely to be picked.
    """
    best = table.filter(by == by.max().over("prompt_id"))
    return Share.of(best.group_by("prompt_id").agg(pl.col("passes").mean())["passes"])


def reward_accuracy(table: pl.DataFrame, column: str) -> float | None:
    """How often ``column`` is greater for the one that passes, of two candidates of a prompt.

    Over all pairs of which one passes and one does not, so that a prompt with two of each counts
    more than one with a single one; a tie is half right. None without a pair.
    """
    one = table.select("prompt_id", "passes", score=column)
    pairs = one.filter("passes").join(
        one.filter(~pl.col("passes")), on="prompt_id", suffix="_of_failing"
    )
    if pairs.is_empty():
        return None
    passing, failing = pl.col("score"), pl.col("score_of_failing")
    right = pairs.select((passing > failing) + 0.5 * (passing == failing))
    return float(right.to_series().mean())  # type: ignore[arg-type]


def verdict(table: pl.DataFrame) -> dict[str, Share]:
    """What φ selects from a judged table, between chance and an oracle.

    Returns:
        Rule → how often the candidate it picks of a prompt passes: ``random``, ``best by φ``,
        ``worst by φ``, and ``oracle``, which picks one that passes wherever there is one.
    """
    passes = pl.col("passes").cast(pl.Float64)
    return {
        "worst by φ": picked(table, -pl.col("preference")),
        "random": picked(table, pl.lit(0)),
        "best by φ": picked(table, pl.col("preference")),
        "oracle": picked(table, passes),
    }


def study(ranked: RankedSet) -> dict[str, Any]:
    """Everything that ``docs/shapes.md`` reports of rewards and of ranking, as JSON-like data.

    Returns:
        - ``prompts``, ``candidates``: how many were ranked
        - ``models``: name → share of its pictures that pass
        - ``rewards``: name → how often it prefers a picture that passes, and how often its pick
          passes
        - ``agreement``: τ-b of every two rewards, a mean over prompts
        - ``picked``: as :func:`verdict`, and ``best by φ of all rewards`` where the recipe leaves
          some out of the ranking
    """
    table = judged(ranked)
    rewards = [name.removeprefix("score_") for name in table.columns if name.startswith("score_")]
    # Every rule picks from the same pictures.
    table = table.drop_nulls([f"score_{name}" for name in rewards])
    weights = ranked.ranking.weights
    rules = verdict(table)
    if set(rewards) != set(weights):
        everything = rank(ranked.scored, dict.fromkeys(rewards, 1.0)).table
        with_all = table.join(
            everything.select("candidate_id", everyone="preference"), on="candidate_id"
        )
        rules["best by φ of all rewards"] = picked(with_all, pl.col("everyone"))
    return {
        "prompts": table["prompt_id"].n_unique(),
        "candidates": table.height,
        "models": {
            name: vars(Share.of(mine["passes"].cast(pl.Float64)))
            for (name,), mine in sorted(table.partition_by("model", as_dict=True).items())
        },
        "rewards": {
            name: {
                "ranks": name in weights,
                "prefers_passing": reward_accuracy(table, f"score_{name}"),
                "picked": vars(picked(table, pl.col(f"score_{name}"))),
            }
            for name in rewards
        },
        "agreement": agreement(ranked.scored, rewards).to_dicts(),
        "picked": {rule: vars(share) for rule, share in rules.items()},
    }


def main(argv: list[str] | None = None) -> None:
    """The command line in the module's docstring."""
    parser = argparse.ArgumentParser(description="Let the judge say what ranking selects.")
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    args = parser.parse_args(argv)
    text = json.dumps(study(rank_candidates(Workspace.open(args.workspace))), indent=1)
    print(text)
    if args.json:
        args.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
