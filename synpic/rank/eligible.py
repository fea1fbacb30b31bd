"""Which candidates can be ranked, in what order they lie, and who has a say in which prompt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from synpic.errors import RankingError
from synpic.rank.blocks import Booleans, Ints, Numbers, blocks, prompt_sizes, starts_of
from synpic.rank.comparisons import NO_COMPARISONS, Comparisons, Located
from synpic.rank.guards import (
    PREFIX,
    refuse_duplicates,
    refuse_untrustworthy,
    require_columns,
    require_rewards,
)

__all__ = [
    "Eligible",
    "PromptBlock",
    "eligible",
    "eligible_of_checked",
    "require_judges",
    "require_scored",
]

_COLUMNS = ("prompt_id", "candidate_id", "model", "sample")
_ORDER = ("prompt_id", "model", "sample", "candidate_id")

_SQUARE_CELLS = 1 << 18
"""Of a square of pairs: bounds memory where comparisons are laid out for every two candidates."""


@dataclass(frozen=True, eq=False)
class PromptBlock:
    """m prompts with k candidates each, in all of which the same sources take part.

    Args:
        rows: ``Int[k, m]``, of the table of candidates.
        rewards: names.
        scores: ``Float[rewards, k, m]``.
        compared: source → its comparisons, of the sources that take part.
    """

    rows: Ints
    rewards: Sequence[str]
    scores: Numbers
    compared: Mapping[str, Located]


@dataclass(frozen=True, eq=False)
class Eligible:
    """Candidates that have every selected reward, of prompts with at least two such.

    Args:
        table: prompt_id, candidate_id, and model and sample where they were given; ordered by
            prompt_id, model, sample and candidate_id.
        rewards: names of those that give scores.
        scores: ``Float[rewards, rows]`` of the rows of ``table``; float64 unless all columns of
            scores are float32.
        sizes: ``Int[prompts]``, how many of the rows belong to each prompt.
        prompts: how many prompts were given.
        complete_candidates: how many candidates have every selected reward.
        located: source → its comparisons of the rows of ``table``.
    """

    table: pl.DataFrame
    rewards: Sequence[str]
    scores: Numbers
    sizes: Ints
    prompts: int
    complete_candidates: int
    located: Mapping[str, Located]

    @property
    def every_pair(self) -> dict[str, Booleans]:
        """Source → ``Bool[prompts]``: where it compared all pairs, as Algorithm 1 takes it."""
        return {name: one.every_pair for name, one in self.located.items()}

    @property
    def any_pair(self) -> dict[str, Booleans]:
        """Source → ``Bool[prompts]``: where it compared any pair."""
        return {name: one.any_pair for name, one in self.located.items()}

    def blocks(self, taking_part: Mapping[str, Booleans] | None = None) -> Iterator[PromptBlock]:
        """The rows of every prompt, k by k.

        Args:
            taking_part: source → ``Bool[prompts]``, the prompts in which it does; those where it
                compared every pair, if None.
        """
        taking_part = self.every_pair if taking_part is None else taking_part
        if not taking_part:
            for rows in blocks(self.sizes):
                yield PromptBlock(rows, self.rewards, self.scores[:, rows], {})
            return
        names, starts = list(taking_part), starts_of(self.sizes)
        among, patterns = np.unique(
            np.stack([taking_part[name] for name in names]), axis=1, return_inverse=True
        )
        for number, pattern in enumerate(among.T):
            compared = {
                name: self.located[name] for name, has in zip(names, pattern, strict=True) if has
            }
            mine = patterns.ravel() == number
            for rows in blocks(self.sizes[mine], starts[mine]):
                k, m = rows.shape
                step = max(1, _SQUARE_CELLS // k**2) if compared else m
                for first in range(0, m, step):
                    piece = rows[:, first : first + step]
                    yield PromptBlock(piece, self.rewards, self.scores[:, piece], compared)

    def of_rows(self, kept: Booleans) -> Eligible:
        """The same with the rows alone that ``kept`` (``Bool[rows]``) names: of each prompt none,
        or two at least."""
        sizes = np.add.reduceat(kept, starts_of(self.sizes), dtype=np.int64)
        table = self.table.filter(pl.Series(kept))
        sizes = sizes[sizes > 0]
        row = np.cumsum(kept) - 1
        prompt = np.repeat(np.arange(len(sizes)), sizes)
        located = {}
        for name, one in self.located.items():
            pairs = kept[one.one] & kept[one.other]
            ends = row[one.one[pairs]], row[one.other[pairs]]
            located[name] = Located(prompt[ends[0]], *ends, one.share[pairs], one.tie, sizes)
        return replace(self, table=table, scores=self.scores[:, kept], sizes=sizes, located=located)


def eligible(
    scored: pl.DataFrame,
    names: Sequence[str],
    comparisons: Mapping[str, Comparisons] = NO_COMPARISONS,
) -> Eligible:
    """Check scored candidates and keep those that can be ranked.

    Where there are comparisons and no reward, every candidate can.

    Args:
        names: of rewards, and of sources in ``comparisons``; others of these are not used.

    Raises:
        RankingError: a column is missing, an id is null or a candidate is there twice.
        RewardError: the scores of a reward cannot be trusted (``refuse_untrustworthy``).
    """
    require_scored(scored, names, comparisons)
    return eligible_of_checked(scored, names, comparisons)


def require_scored(
    scored: pl.DataFrame, names: Sequence[str], comparisons: Mapping[str, Comparisons]
) -> None:
    """The checks of :func:`eligible`; raises as that."""
    require_columns(scored, ("prompt_id", "candidate_id"), "scored candidates")
    require_judges(scored, names, comparisons)
    refuse_duplicates(scored)
    if rewards := [name for name in names if name not in comparisons]:
        refuse_untrustworthy(scored, rewards)


def eligible_of_checked(
    scored: pl.DataFrame, names: Sequence[str], comparisons: Mapping[str, Comparisons]
) -> Eligible:
    """What :func:`eligible` keeps of candidates that passed :func:`require_scored`."""
    sources = {name: comparisons[name] for name in names if name in comparisons}
    rewards = [name for name in names if name not in sources]
    known = [name for name in _COLUMNS if name in scored.columns]
    order = [name for name in _ORDER if name in scored.columns]
    columns = [PREFIX + reward for reward in rewards]
    ordered = scored.select(*known, *columns).sort(order)
    complete = ordered.drop_nulls(columns) if columns else ordered
    sizes = prompt_sizes(complete["prompt_id"])
    kept = complete.filter(pl.Series(np.repeat(sizes >= 2, sizes), dtype=pl.Boolean))
    sizes, table = sizes[sizes >= 2], kept.select(known)
    scores = [kept[column].to_numpy() for column in columns]
    return Eligible(
        table=table,
        rewards=rewards,
        scores=np.stack(scores) if scores else np.empty((0, len(kept)), np.float32),
        sizes=sizes,
        prompts=len(prompt_sizes(ordered["prompt_id"])),
        complete_candidates=len(complete),
        located={name: Located.of(one, table, sizes) for name, one in sources.items()},
    )


def require_judges(
    scored: pl.DataFrame, names: Sequence[str], comparisons: Mapping[str, Comparisons]
) -> None:
    """Refuse an empty or repeated choice of ``names``, and rewards that have no scores.

    Args:
        names: of rewards, and of sources in ``comparisons``.

    Raises:
        RankingError: naming the reward.
    """
    rewards = [name for name in names if name not in comparisons]
    sources = [name for name in names if name in comparisons]
    if rewards or not sources:
        require_rewards(scored, rewards)
    if len(set(sources)) < len(sources):
        raise RankingError(
            f"a source of comparisons is selected twice: {', '.join(sources)}",
            hint="name each once",
        )
