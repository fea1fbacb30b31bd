"""The preference of a group: k images of one prompt, ranked by several rewards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from synpic.errors import RewardError

if TYPE_CHECKING:
    from synpic.rank import Aggregation
    from synpic.score.api import OpenedReward, Picture

__all__ = ["GroupPreference", "group_preference", "rank_group"]


@dataclass(frozen=True)
class GroupPreference:
    """How k images of one prompt stand against each other; every list has their order.

    Args:
        preference: φ by the aggregation, higher is better; by "win-rate" 0 … 1.
        rank: τ, from 1, which is the best; tied images share the better one.
        wins: reward → how many of the others each image beats.
        scores: reward → its scores.
    """

    preference: list[float]
    rank: list[int]
    wins: dict[str, list[int]]
    scores: dict[str, list[float]]


def group_preference(
    prompt: str,
    images: Iterable[Picture],
    rewards: str | OpenedReward | Iterable[str | OpenedReward],
    *,
    weights: Mapping[str, float] | None = None,
    aggregation: str = "win-rate",
) -> GroupPreference:
    """Rank k images of ``prompt`` by ``rewards``: a reward without a scale, for groups as of GRPO.

    Args:
        prompt: the text that all of them were drawn for.
        images: two or more, as :meth:`synpic.score.api.OpenedReward.score` takes them.
        rewards: names, each of which is opened for this call; or what :func:`synpic.reward` gives,
            which is to be preferred where groups are many.
        weights: name of a reward → its weight; 1 where none is given.
        aggregation: how one preference is made of all rewards (``synpic list aggregations``), or
            ``package.module:callable``.

    Raises:
        RewardError: fewer than two images, no reward, or an image that cannot be scored.
        UnknownName: of a reward or an aggregation.
        RankingError: a weight that is not above 0, or of a reward that is not there.
    """
    from synpic.recipe.aggregation import find_aggregation
    from synpic.score.api import OpenedReward, reward

    # What is wrong with the group is known before weights are loaded.
    pictures = list(images)
    _require_two(len(pictures))
    rule = find_aggregation(aggregation)
    named = [rewards] if isinstance(rewards, str | OpenedReward) else list(rewards)
    if not named:
        raise RewardError("no reward is named", hint="`synpic list rewards` shows what there is")
    opened = [one if isinstance(one, OpenedReward) else reward(one) for one in named]
    names = [one.name for one in opened]
    if twice := {name for name in names if names.count(name) > 1}:
        raise RewardError(
            f"reward {min(twice)!r} is there twice",
            hint="name each reward once; weights can differ",
        )
    scores = {one.name: one.score(prompt, pictures) for one in opened}
    return rank_group(scores, weights or {}, rule)


def rank_group(
    scores: Mapping[str, Sequence[float]], weights: Mapping[str, float], aggregation: Aggregation
) -> GroupPreference:
    """What a workspace makes of these scores of one prompt's images.

    Args:
        scores: reward → k scores.
        weights: reward → weight; 1 where none is given.

    Raises:
        RankingError: a weight that is not above 0, or of a reward that is not there; or an
            aggregation that does not take such scores.
        RewardError: fewer than two images.
    """
    import polars as pl

    from synpic.errors import RankingError, did_you_mean
    from synpic.rank import rank

    images = len(next(iter(scores.values()), ()))
    _require_two(images)
    for name in weights:
        if name not in scores:
            raise RankingError(
                f"weights: {name!r} is no reward of this group.{did_you_mean(name, scores)}",
                hint=f"rewards: {', '.join(scores)}",
            )
    digits = len(str(images))
    table = pl.DataFrame(
        {
            "prompt_id": ["group"] * images,
            # In their order, which the ranking keeps.
            "candidate_id": [f"{number:0{digits}}" for number in range(images)],
            **{
                f"score_{name}": pl.Series(list(of), dtype=pl.Float64)
                for name, of in scores.items()
            },
        }
    )
    ranked = rank(
        table, {name: weights.get(name, 1.0) for name in scores}, aggregation=aggregation
    ).table
    return GroupPreference(
        preference=ranked["preference"].to_list(),
        rank=ranked["rank"].to_list(),
        wins={name: ranked[f"wins_{name}"].to_list() for name in scores},
        scores={name: list(of) for name, of in scores.items()},
    )


def _require_two(images: int) -> None:
    if images < 2:
        raise RewardError(
            f"a group has two images or more, and this one {images}",
            hint="give all images of the prompt in one call",
        )
