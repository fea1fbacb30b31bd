"""What a table of scored candidates must be before anything is counted on it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import polars as pl

from synpic.errors import RankingError, RewardError, did_you_mean

__all__ = ["refuse_duplicates", "refuse_untrustworthy", "require_columns", "require_rewards"]

PREFIX = "score_"

# A reward that gives one value to this many images of different prompts looks at neither.
_CONSTANT_CANDIDATES = 16
_CONSTANT_PROMPTS = 2


def require_columns(table: pl.DataFrame, names: Iterable[str], what: str) -> None:
    """Refuse a table that lacks one of ``names``; ``what`` says what was expected.

    Raises:
        RankingError: naming the first column that is not there.
    """
    for name in names:
        if name not in table.columns:
            raise RankingError(
                f"{what} have no column {name!r}.{did_you_mean(name, table.columns)}",
                hint=f"columns there: {', '.join(table.columns) or 'none'}",
            )


def require_rewards(scored: pl.DataFrame, rewards: Sequence[str]) -> None:
    """Refuse an empty or repeated choice of rewards, and rewards without a float column of scores.

    Raises:
        RankingError: naming the reward.
    """
    known = [name.removeprefix(PREFIX) for name in scored.columns if name.startswith(PREFIX)]
    have = f"rewards with scores: {', '.join(known) or 'none'}"
    if not rewards:
        raise RankingError("no reward is selected", hint=have)
    if len(set(rewards)) < len(rewards):
        raise RankingError(f"a reward is selected twice: {', '.join(rewards)}", hint=have)
    for reward in rewards:
        if reward not in known:
            raise RankingError(
                f"no candidate has a score of reward {reward!r}.{did_you_mean(reward, known)}",
                hint=have,
            )
        dtype = scored.schema[PREFIX + reward]
        if not dtype.is_float():
            raise RankingError(
                f"column {PREFIX + reward!r} is {dtype}, expected Float32",
                hint="cast the scores to Float32",
            )


def refuse_duplicates(scored: pl.DataFrame) -> None:
    """Refuse null ids, and one candidate in two rows.

    Raises:
        RankingError: naming the column or the candidate.
    """
    for name in ("prompt_id", "candidate_id"):
        if scored[name].null_count():
            raise RankingError(
                f"{scored[name].null_count()} scored candidates have no {name}",
                hint="leave them out before ranking",
            )
    ids = scored["candidate_id"]
    if ids.n_unique() < len(ids):
        twice = ids.filter(ids.is_duplicated()).min()
        raise RankingError(
            f"candidate {twice!r} is there more than once",
            hint="each candidate is one row; resolve duplicates before ranking",
        )


def refuse_untrustworthy(scored: pl.DataFrame, rewards: Sequence[str]) -> None:
    """Refuse rewards whose scores cannot mean anything; nulls (missing scores) are fine.

    That is a reward with a score that is not finite, and one that has the same value for all of at
    least 16 candidates of at least two prompts.

    Raises:
        RewardError: naming the reward.
        RankingError: a reward has no column of scores.
    """
    require_columns(scored, ("prompt_id", "candidate_id"), "scored candidates")
    require_rewards(scored, rewards)
    for reward in rewards:
        score = pl.col(PREFIX + reward)
        count, broken, low, high = scored.select(
            score.count(),
            (~score.is_finite()).sum().alias("broken"),
            score.min().alias("low"),
            score.max().alias("high"),
        ).row(0)
        if broken:
            first = scored.filter(~score.is_finite())["candidate_id"].min()
            raise RewardError(
                f"reward {reward!r} gave {broken} of {count} candidates a score that is not "
                f"finite, candidate {first!r} first",
                hint="score again in float32, or leave the reward out",
            )
        if count >= _CONSTANT_CANDIDATES and low == high:
            prompts = scored.filter(score.is_not_null())["prompt_id"].n_unique()
            if prompts >= _CONSTANT_PROMPTS:
                raise RewardError(
                    f"reward {reward!r} gave all {count} candidates of {prompts} prompts the same "
                    f"score, {low:g}",
                    hint="check its checkpoint and preprocessing, or leave the reward out",
                )
