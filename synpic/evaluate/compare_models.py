"""Models on the same items: their means, and how much better than the base each one is.

An item is what every model was asked for once: a prompt with one seed. Differences are paired: an
item counts where both models have a value.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from synpic.evaluate.bootstrap import RESAMPLES, Floats, draw_again, number_units, percentiles
from synpic.evaluate.intervals import Estimate, units_to_see, wilson
from synpic.evaluate.significance import sign_flip_p

__all__ = [
    "OVERALL",
    "Items",
    "Overall",
    "PairedDifference",
    "Result",
    "compare_models",
    "means_and_differences",
]

OVERALL = "overall"
"""In place of a tag: of all of them."""

Overall = Literal["items", "tags", "prompts"]
"""The mean over all items, the mean of the tags' means, or the mean over units of the means over
their items."""


@dataclass(frozen=True)
class Items:
    """What models got on the same n items.

    Args:
        values: of each model, ``Float[n]``; NaN where it is missing.
        units: of each item, what is independent of the others: its prompt.
        tags: of each item, its category; all the items of a unit have one.

    Raises:
        ValueError: lengths differ, there is no model, or a unit has two tags.
    """

    values: Mapping[str, Floats]
    units: Sequence[str]
    tags: Sequence[str]

    def __post_init__(self) -> None:
        n = len(self.units)
        if not self.values or any(len(found) != n for found in (*self.values.values(), self.tags)):
            raise ValueError(f"expected a value of each model, and a tag, for each of {n} items")
        tag_of = dict(zip(self.units, self.tags, strict=True))
        for unit, tag in zip(self.units, self.tags, strict=True):
            if tag_of[unit] != tag:
                raise ValueError(
                    f"{unit} is of the tags {tag!r} and {tag_of[unit]!r}: expected one"
                )


@dataclass(frozen=True)
class PairedDifference:
    """How much more than the base a model has.

    Args:
        mean: of the differences.
        win_rate: the share of items on which the model has more than the base; a tie is half a win.
        ties: items on which they have the same.
        p: of the sign-flip test that the mean difference is 0, 0 … 1.
        units_to_see: how many units would show the difference that was seen, with a chance of 80 %;
            None where none was seen, or all units have the same.
    """

    mean: Estimate
    win_rate: Estimate
    ties: int
    p: float
    units_to_see: int | None

    @property
    def seen(self) -> bool:
        """Whether the interval leaves out 0."""
        low, high = self.mean.low, self.mean.high
        return low is not None and high is not None and not low <= 0 <= high


@dataclass(frozen=True)
class Result:
    """What a model got on a tag, or overall.

    Args:
        mean: of its items.
        missing: items that it has no value of.
        difference: from the base; None of the base itself, and where no item has both.
    """

    model: str
    tag: str
    mean: Estimate
    missing: int
    difference: PairedDifference | None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def compare_models(
    items: Items,
    base: str,
    *,
    fingerprint: str,
    overall: Overall = "items",
    without_interval: frozenset[str] = frozenset(),
    resamples: int = RESAMPLES,
) -> list[Result]:
    """Each model on each tag and overall, in the order of ``items``; overall comes first.

    Intervals are of 95 %: bootstrap over units within tags, percentile; Wilson's for a model's own
    mean where each unit has one item and each value is 0 or 1. The draws depend on ``fingerprint``
    alone, and are the same for all models. Where a tag has one unit alone, it has no interval, and
    neither has overall.

    Args:
        base: the model that the others are compared with.
        fingerprint: of the evaluation; the seed.
        overall: what the mean of all tags is.
        without_interval: tags with too few units for an interval.
        resamples: sets that are drawn again.

    Raises:
        ValueError: ``base`` is no model of ``items``, or a tag is called :data:`OVERALL`.
    """
    if OVERALL in items.tags and len(set(items.tags)) > 1:
        raise ValueError(f"a tag is called {OVERALL!r}")
    if base not in items.values:
        raise ValueError(f"{base!r} is none of the models {', '.join(items.values)}")
    columns = _columns(items, base)
    tags = {
        tag: _tag(items, tag, columns, fingerprint, resamples, by_unit=overall == "prompts")
        for tag in dict.fromkeys(items.tags)
    }
    groups = {OVERALL: list(tags.values())}
    if len(tags) > 1:
        groups |= {tag: [one] for tag, one in tags.items()}
    return [
        _result(
            model,
            tag,
            _Group(list(columns), group, overall),
            # Of one unit alone it is not known how much it varies.
            tag not in without_interval and all(len(one.sums) > 1 for one in group),
        )
        for tag, group in groups.items()
        for model in items.values
    ]


def means_and_differences(
    items: Items, base: str, *, fingerprint: str, resamples: int = RESAMPLES
) -> dict[str, tuple[Estimate, Estimate | None]]:
    """The mean of each model over all items, and how much more than the base it has.

    With the intervals of :func:`compare_models`, and none of its tests.

    Returns:
        Model → both; the base has no difference, nor has one that shares no item with it.

    Raises:
        ValueError: ``base`` is no model of ``items``.
    """
    if base not in items.values:
        raise ValueError(f"{base!r} is none of the models {', '.join(items.values)}")
    columns = _columns(items, base)
    tags = [
        _tag(items, tag, columns, fingerprint, resamples, by_unit=False)
        for tag in dict.fromkeys(items.tags)
    ]
    group = _Group(list(columns), tags, "items")
    intervals = all(len(one.sums) > 1 for one in tags)
    found: dict[str, tuple[Estimate, Estimate | None]] = {}
    for model in items.values:
        column = (model, "difference")
        paired = column in columns and group.units(column) > 0
        found[model] = (
            _mean(model, group, intervals),
            _estimate(group, column, intervals) if paired else None,
        )
    return found


_ROUNDING = 1e-12

Column = tuple[str, str]
"""A model, and what of it: "value", "difference" from the base, or "win" over it."""


def _columns(items: Items, base: str) -> dict[Column, Floats]:
    columns: dict[Column, Floats] = {}
    for model, found in items.values.items():
        columns[model, "value"] = np.asarray(found, np.float64)
        if model != base:
            difference = columns[model, "value"] - np.asarray(items.values[base], np.float64)
            columns[model, "difference"] = difference
            columns[model, "win"] = (np.sign(difference) + 1) / 2
    return columns


@dataclass(frozen=True)
class _Tag:
    """The items of a tag.

    Args:
        values: ``Float[n, c]``; NaN where missing.
        sums, sizes: ``Float[u, c]``, of each unit: the sum of its values, and how many there are;
            or their mean, and 1.
        drawn_sums, drawn_sizes: ``Float[r, c]``, the same of each drawn set of units.
    """

    values: Floats
    sums: Floats
    sizes: Floats
    drawn_sums: Floats
    drawn_sizes: Floats


def _tag(
    items: Items,
    tag: str,
    columns: Mapping[Column, Floats],
    fingerprint: str,
    resamples: int,
    *,
    by_unit: bool,
) -> _Tag:
    here = [at for at, one in enumerate(items.tags) if one == tag]
    values = np.column_stack(list(columns.values()))[here]
    numbers = number_units(items.units[at] for at in here)
    unit = [numbers[items.units[at]] for at in here]
    sums, sizes = np.zeros((2, len(numbers), len(columns)))
    np.add.at(sums, unit, np.nan_to_num(values))
    np.add.at(sizes, unit, ~np.isnan(values))
    if by_unit:  # each unit counts as one, with its mean
        sums, sizes = sums / np.maximum(sizes, 1), np.minimum(sizes, 1)
    drawn = draw_again(len(numbers), resamples, fingerprint, tag).sums(np.hstack([sums, sizes]))
    return _Tag(values, sums, sizes, drawn[:, : len(columns)], drawn[:, len(columns) :])


@dataclass(frozen=True)
class _Group:
    """Some tags as one.

    Args:
        columns: what the columns of ``tags`` are.
        tags: at least one.
        overall: how they count together.
    """

    columns: Sequence[Column]
    tags: Sequence[_Tag]
    overall: Overall

    @property
    def resamples(self) -> int:
        """How many sets were drawn."""
        return len(self.tags[0].drawn_sums)

    def values(self, column: Column) -> Floats:
        """Those that are there, of each item."""
        found = np.concatenate([tag.values[:, self._at(column)] for tag in self.tags])
        there: Floats = found[~np.isnan(found)]
        return there

    def missing(self, column: Column) -> int:
        """How many items have no value."""
        return sum(int(np.isnan(tag.values[:, self._at(column)]).sum()) for tag in self.tags)

    def units(self, column: Column) -> int:
        """How many units have a value."""
        return sum(int((tag.sizes[:, self._at(column)] > 0).sum()) for tag in self.tags)

    def one_item_each(self, column: Column) -> bool:
        """Whether no unit has two values."""
        return len(self.values(column)) == self.units(column)

    def shares(self, column: Column) -> Floats:
        """What each unit adds to the mean; they sum up to it."""
        at = self._at(column)
        return np.concatenate(
            [tag.sums[:, at] * weight / size for tag, weight, size in self._weighted(column)]
        )

    def drawn(self, column: Column) -> Floats:
        """The means of the drawn sets, without those in which a tag has no value."""
        at = self._at(column)
        with np.errstate(invalid="ignore"):
            means = sum(
                weight * tag.drawn_sums[:, at] / tag.drawn_sizes[:, at]
                for tag, weight, _ in self._weighted(column)
            )
        found = np.asarray(means, np.float64)
        there: Floats = found[~np.isnan(found)]
        return there

    def _weighted(self, column: Column) -> list[tuple[_Tag, float, float]]:
        """The tags that have values, the weight of each, and how many values."""
        sizes = [float(tag.sizes[:, self._at(column)].sum()) for tag in self.tags]
        there = [(tag, size) for tag, size in zip(self.tags, sizes, strict=True) if size]
        if self.overall != "tags":
            return [(tag, size / sum(sizes), size) for tag, size in there]
        return [(tag, 1 / len(there), size) for tag, size in there]

    def _at(self, column: Column) -> int:
        return self.columns.index(column)


def _mean(model: str, group: _Group, intervals: bool) -> Estimate:
    column = (model, "value")
    mean = _estimate(group, column, intervals)
    values = group.values(column)
    # Of independent answers Wilson's holds better near 0 and 1.
    alone = len(group.tags) == 1 or group.overall != "tags"
    if intervals and alone and group.one_item_each(column) and np.isin(values, (0, 1)).all():
        return wilson(float(values.sum()), len(values))
    return mean


def _result(model: str, tag: str, group: _Group, intervals: bool) -> Result:
    return Result(
        model,
        tag,
        _mean(model, group, intervals),
        group.missing((model, "value")),
        _difference(model, group, intervals),
    )


def _difference(model: str, group: _Group, intervals: bool) -> PairedDifference | None:
    column = (model, "difference")
    if column not in group.columns or not group.units(column):
        return None
    mean = _estimate(group, column, intervals)
    to_see = None
    if mean.value and mean.clusters > 1:
        error = float(group.drawn(column).std(ddof=1))
        if error > _ROUNDING * abs(mean.value):
            to_see = units_to_see(mean.value, error, mean.clusters)
    return PairedDifference(
        mean=mean,
        win_rate=_estimate(group, (model, "win"), intervals),
        ties=int((group.values(column) == 0).sum()),
        p=sign_flip_p(group.shares(column), group.resamples),
        units_to_see=to_see,
    )


def _estimate(group: _Group, column: Column, intervals: bool) -> Estimate:
    values, units = group.values(column), group.units(column)
    if not len(values):
        return Estimate(None, None, None, 0, 0)
    shares = group.shares(column)
    mean = math.fsum(shares)
    if abs(mean) < _ROUNDING * math.fsum(abs(shares)):
        mean = 0.0  # what rounding leaves of values that are even
    if not intervals or units < 2:
        return Estimate(mean, None, None, len(values), units)
    low, high = percentiles(group.drawn(column))
    return Estimate(mean, float(low), float(high), len(values), units)
