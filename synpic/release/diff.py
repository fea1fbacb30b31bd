"""What differs between two releases, from their ``scores`` alone: tables in, counts and ids out.

An image is the same where its ``candidate_id`` and its ``sha256`` are; one of the same id and other
bytes was redrawn. Scores are compared on images that are the same, so that a redrawn image counts
once. The order of a prompt is compared on the images that both releases rank: an image that came or
went changes no order by itself, though it may be a new best one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from synpic.errors import ReleaseError
from synpic.release.label_diff import LabelDifference, diff_labels
from synpic.release.source import Published

__all__ = ["Difference", "ScoreDifference", "diff", "diff_releases"]

_PREFIX = "score_"
_OLD, _NEW = "old_", "new_"
_COLUMNS = ("prompt_id", "candidate_id", "model", "sha256", "rank")


@dataclass(frozen=True)
class ScoreDifference:
    """One reward, on the images that both releases have with the same pixels.

    Args:
        changed: how many have another score.
        largest: the largest change among them, as a distance; 0 where none has.
        appeared: how many have a score now and had none.
        gone: how many had one and have none now.
    """

    changed: int
    largest: float
    appeared: int
    gone: int

    @property
    def any(self) -> bool:
        """Whether there is any difference."""
        return bool(self.changed or self.appeared or self.gone)


@dataclass(frozen=True)
class PromptDifference:
    """Prompts of two releases. Ids stand in order.

    Args:
        added, removed: prompt_ids in one and not in the other.
        moved: in both, in other splits.
        kept: how many are in both.
    """

    added: Sequence[str]
    removed: Sequence[str]
    moved: Sequence[str]
    kept: int

    @property
    def any(self) -> bool:
        """Whether there is any difference."""
        return bool(self.added or self.removed or self.moved)


@dataclass(frozen=True)
class ImageDifference:
    """Images of two releases. Ids stand in order.

    Args:
        added, removed: candidate_ids in one and not in the other.
        redrawn: in both, with other bytes.
        kept: how many are in both with the same bytes.
    """

    added: Sequence[str]
    removed: Sequence[str]
    redrawn: Sequence[str]
    kept: int

    @property
    def any(self) -> bool:
        """Whether there is any difference."""
        return bool(self.added or self.removed or self.redrawn)


@dataclass(frozen=True)
class NameDifference:
    """Names of models or rewards in one release and not in the other."""

    added: Sequence[str]
    removed: Sequence[str]

    @property
    def any(self) -> bool:
        """Whether there is any difference."""
        return bool(self.added or self.removed)


@dataclass(frozen=True, eq=False)
class RankDifference:
    """Rankings of two releases.

    Args:
        prompts: how many both releases rank.
        best_changed: those of them in which other images hold rank 1, with the models that held it
            and that hold it: ``prompt_id``, ``before``, ``after`` (lists of String).
        order_changed: those of them in which two images that both rank stand otherwise to one
            another; a tie that was broken, or made, counts.
    """

    prompts: int
    best_changed: pl.DataFrame
    order_changed: Sequence[str]

    @property
    def any(self) -> bool:
        """Whether there is any difference."""
        return self.best_changed.height > 0 or bool(self.order_changed)


@dataclass(frozen=True, eq=False)
class Difference:
    """Two releases, side by side.

    Args:
        scores: reward → how it differs, of the rewards that are in both.
        labels: pairs compared by people, others' rewards or a comparer, that are not the same.
    """

    prompts: PromptDifference
    images: ImageDifference
    models: NameDifference
    rewards: NameDifference
    scores: Mapping[str, ScoreDifference]
    ranks: RankDifference
    labels: Sequence[LabelDifference] = ()

    @property
    def any(self) -> bool:
        """Whether there is any difference."""
        names = self.models.any or self.rewards.any
        scores = any(score.any for score in self.scores.values())
        rows = self.prompts.any or self.images.any or self.ranks.any
        return rows or names or scores or bool(self.labels)

    def as_dict(self, prompts: int = 0) -> dict[str, Any]:
        """Counts as JSON-like data.

        Args:
            prompts: how many ids to give of each kind of prompt, as ``examples``.
        """
        return {
            "prompts": _counts(self.prompts),
            "images": _counts(self.images),
            "models": {"added": list(self.models.added), "removed": list(self.models.removed)},
            "rewards": {"added": list(self.rewards.added), "removed": list(self.rewards.removed)},
            "scores": {reward: vars(score) for reward, score in self.scores.items()},
            "ranks": {
                "prompts": self.ranks.prompts,
                "best_changed": self.ranks.best_changed.height,
                "order_changed": len(self.ranks.order_changed),
            },
            "labels": [one.as_dict() for one in self.labels],
            "examples": {
                "added": list(self.prompts.added[:prompts]),
                "removed": list(self.prompts.removed[:prompts]),
                "moved": list(self.prompts.moved[:prompts]),
                "best_changed": self.ranks.best_changed.head(prompts).to_dicts(),
                "order_changed": list(self.ranks.order_changed[:prompts]),
            },
        }


def _counts(of: PromptDifference | ImageDifference) -> dict[str, int]:
    """How many ids each list has; what is a number already, as it is."""
    return {name: x if isinstance(x, int) else len(x) for name, x in vars(of).items()}


def diff_releases(old: Published, new: Published) -> Difference:
    """Compare two releases by their ``scores``; no image is read or downloaded.

    Raises:
        ReleaseError: one of them was published without ``scores``, or is damaged.
        HubUnreachable: the Hub did not answer.
    """
    found = diff(*(_scores(release) for release in (old, new)))
    return replace(found, labels=diff_labels(old, new))


def diff(old: pl.DataFrame, new: pl.DataFrame) -> Difference:
    """Compare two tables of scores.

    Args:
        old, new: a row per candidate: ``split``, ``prompt_id``, ``candidate_id``, ``model``,
            ``sha256``, ``rank`` (null where it is in no ranking) and ``score_<reward>`` (null where
            it has none); other columns are ignored.

    Raises:
        ReleaseError: a column is missing, or a candidate is there twice.
    """
    for table in (old, new):
        _require_scores(table)
    before, after = (_prompts(table) for table in (old, new))
    kept = before.join(after, on="prompt_id", suffix="_new")
    rewards = _rewards(old), _rewards(new)
    both = _side_by_side(old, new)
    same = pl.col(f"{_OLD}sha256") == pl.col(f"{_NEW}sha256")
    best, order, ranked = _ranks(old, new)
    return Difference(
        prompts=PromptDifference(
            added=_only(after, before, "prompt_id"),
            removed=_only(before, after, "prompt_id"),
            moved=kept.filter(pl.col("split") != pl.col("split_new"))["prompt_id"].to_list(),
            kept=kept.height,
        ),
        images=ImageDifference(
            added=_only(new, old, "candidate_id"),
            removed=_only(old, new, "candidate_id"),
            redrawn=both.filter(~same)[f"{_OLD}candidate_id"].to_list(),
            kept=both.filter(same).height,
        ),
        models=NameDifference(_only(new, old, "model"), _only(old, new, "model")),
        rewards=NameDifference(
            [name for name in rewards[1] if name not in rewards[0]],
            [name for name in rewards[0] if name not in rewards[1]],
        ),
        scores={
            name: _score(both.filter(same), _PREFIX + name)
            for name in rewards[0]
            if name in rewards[1]
        },
        ranks=RankDifference(ranked, best, order),
    )


def _scores(release: Published) -> pl.DataFrame:
    rewards = [_PREFIX + reward.name for reward in release.manifest.rewards]
    return release.table("scores", [*_COLUMNS, *rewards])


def _require_scores(table: pl.DataFrame) -> None:
    for name in ("split", *_COLUMNS):
        if name not in table.columns:
            raise ReleaseError(
                f"there is no column {name!r} among the scores",
                hint="compare the `scores` of two releases, read by `Published.table`",
            )
    ids = table["candidate_id"]
    if ids.n_unique() < len(ids):
        raise ReleaseError(
            f"candidate {ids.filter(ids.is_duplicated()).min()!r} is there more than once",
            hint="`synpic verify` says what else is wrong with the release",
        )


def _prompts(table: pl.DataFrame) -> pl.DataFrame:
    return table.select("prompt_id", "split").unique("prompt_id").sort("prompt_id")


def _only(one: pl.DataFrame, other: pl.DataFrame, column: str) -> list[str]:
    """What is in ``column`` of ``one`` and not of ``other``, in order."""
    rows = one.select(column).unique().join(other.select(column).unique(), on=column, how="anti")
    found: list[str] = rows[column].sort().to_list()
    return found


def _side_by_side(old: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
    """The images of both, each column with its side before its name.

    A suffix could make one reward's column of another's: there may be an ``x`` and an ``x_new``.
    """
    sides = (
        table.select(
            pl.col(
                "candidate_id", "sha256", *(_PREFIX + name for name in _rewards(table))
            ).name.prefix(side)
        )
        for side, table in ((_OLD, old), (_NEW, new))
    )
    before, after = sides
    key = f"{_OLD}candidate_id"
    return before.join(after, left_on=key, right_on=f"{_NEW}candidate_id").sort(key)


def _rewards(table: pl.DataFrame) -> list[str]:
    return [name.removeprefix(_PREFIX) for name in table.columns if name.startswith(_PREFIX)]


def _score(both: pl.DataFrame, column: str) -> ScoreDifference:
    was, now = (pl.col(side + column).cast(pl.Float64) for side in (_OLD, _NEW))
    found = both.select(
        changed=(was != now).sum(),
        largest=(now - was).abs().max().fill_null(0.0),
        appeared=(was.is_null() & now.is_not_null()).sum(),
        gone=(was.is_not_null() & now.is_null()).sum(),
    )
    return ScoreDifference(**found.row(0, named=True))


def _ranks(old: pl.DataFrame, new: pl.DataFrame) -> tuple[pl.DataFrame, list[str], int]:
    """Prompts with another best image, prompts in another order, and how many both rank."""
    before, after = (
        table.filter(pl.col("rank").is_not_null()).select(
            "prompt_id", "candidate_id", "model", "rank"
        )
        for table in (old, new)
    )
    first = [
        table.filter(pl.col("rank") == 1)
        .sort("candidate_id")
        .group_by("prompt_id")
        .agg("candidate_id", "model")
        for table in (before, after)
    ]
    firsts = first[0].join(first[1], on="prompt_id", suffix="_new").sort("prompt_id")
    best = firsts.filter(pl.col("candidate_id") != pl.col("candidate_id_new"))
    # Among the images that both rank, places without gaps: equal where the orders are.
    common = before.join(after, on=["prompt_id", "candidate_id"], suffix="_new")
    place, place_new = (
        pl.col(name).rank("dense").over("prompt_id") for name in ("rank", "rank_new")
    )
    order = common.filter(place != place_new)["prompt_id"].unique().sort().to_list()
    return (
        best.select("prompt_id", before="model", after="model_new"),
        order,
        firsts.height,
    )
