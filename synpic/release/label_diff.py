"""What differs between the compared pairs of two releases: those that rank, by labels or by a
comparer, and own pairs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from synpic.readers.display import count
from synpic.release.compared import COMPARED, SHARE, ComparedRow, read_compared
from synpic.release.label_row import LabelRow
from synpic.release.source import Published

__all__ = ["OWN_PAIRS", "LabelDifference", "LabelSource", "diff_labels"]

OWN_PAIRS = "own pairs"
"""Names the labels of pairs that a release has as its own."""


@dataclass(frozen=True)
class LabelSource:
    """Compared pairs of one release.

    Args:
        labels, question: by which labels; by what a comparer is registered as, without a question.
        tie: the distance from ½ within which neither image wins; None of own pairs.
        pairs: how many pairs of images they are of.
    """

    labels: str
    question: str
    tie: float | None
    pairs: int

    def __str__(self) -> str:
        tie = f", tie {self.tie:g}" if self.tie else ""
        return ", ".join(filter(None, [self.labels, self.question])) + tie


@dataclass(frozen=True)
class LabelDifference:
    """Compared pairs that are not the same in two releases.

    Args:
        name: of the reward that ranks by them, or ``OWN_PAIRS``.
        old, new: None where a release has none.
        added, removed: pairs in one and not in the other.
        changed: pairs in both, with another share of the votes, or another probability.
        kept: pairs in both with the same. All four are None where a release does not hold shares.
    """

    name: str
    old: LabelSource | None
    new: LabelSource | None
    added: int | None = None
    removed: int | None = None
    changed: int | None = None
    kept: int | None = None

    def __str__(self) -> str:
        if self.old is None or self.new is None:
            there, how = (self.new, "appeared") if self.new else (self.old, "gone")
            pairs = count(there.pairs, "pair") if there else ""
            return f"{self.name} {how} ({there}): {pairs}"
        was = "" if str(self.old) == str(self.new) else f", was {self.old}"
        if self.added is None and self.new.pairs == self.old.pairs:
            pairs = f"{count(self.new.pairs, 'pair')} with other labels"
        elif self.added is None:
            pairs = f"{count(self.new.pairs, 'pair')}, were {self.old.pairs:,}"
        else:
            pairs = (
                f"{count(self.added, 'pair')} added, {self.removed:,} removed, "
                f"{self.changed:,} with another share, {self.kept:,} the same"
            )
        return f"{self.name} ({self.new}{was}): {pairs}"

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def diff_labels(old: Published, new: Published) -> list[LabelDifference]:
    """The labels that differ, by what they are for; pairs are read only where they do.

    Raises:
        ReleaseError: a release is damaged.
        HubUnreachable: the Hub did not answer.
    """
    return [*_that_rank(old, new), *_of_own_pairs(old.manifest.labels, new.manifest.labels)]


def _that_rank(old: Published, new: Published) -> Iterator[LabelDifference]:
    before, after = old.manifest.ranking.comparisons, new.manifest.ranking.comparisons
    for name in dict.fromkeys([*before, *after]):
        was, now = before.get(name), after.get(name)
        first, second = _source(was), _source(now)
        if was is None or now is None:
            yield LabelDifference(name, first, second)
        elif was.fingerprint != now.fingerprint:
            yield LabelDifference(name, first, second, *_pairs(old, new, name))
        elif first != second:
            yield LabelDifference(name, first, second, 0, 0, 0, now.pairs)


def _source(row: ComparedRow | None) -> LabelSource | None:
    return None if row is None else LabelSource(row.labels, row.question, row.tie, row.pairs)


def _pairs(old: Published, new: Published, name: str) -> tuple[int, int, int, int]:
    """Pairs added, removed, changed and kept."""
    before, after = (_compared(release, name) for release in (old, new))
    on = ["one", "other"]
    both = before.join(after, on=on, suffix="_new")
    changed = both.filter(pl.col("share") != pl.col("share_new")).height
    added, removed = after.height - both.height, before.height - both.height
    return added, removed, changed, both.height - changed


def _compared(release: Published, name: str) -> pl.DataFrame:
    table = release.table("scores", ["candidate_id", COMPARED + name, SHARE + name])
    row = release.manifest.ranking.comparisons[name]
    return read_compared(table, {name: row}, release.name)[name].pairs


def _of_own_pairs(was: LabelRow | None, now: LabelRow | None) -> Iterator[LabelDifference]:
    if was is None and now is None:
        return
    if was is not None and now is not None and was.fingerprint == now.fingerprint:
        return
    old, new = (
        None if one is None else LabelSource(one.source, one.question, None, one.pairs)
        for one in (was, now)
    )
    yield LabelDifference(OWN_PAIRS, old, new)
