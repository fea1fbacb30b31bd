"""Whether a release's tables agree: ranks follow from scores, and every config says the same.

Everything is computed again from the scores, and from the comparisons where people rank, by
:mod:`synpic.rank`, with the rule that the manifest states, and compared row by row. Where the
aggregation is not installed here, preferences and ranks are taken as one of the tables has them;
wins are counted anyway. Where people rank, and no table has what they compared, all of this is
taken so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal

import polars as pl

from synpic.errors import RankingError, ReleaseError, RewardError, UnknownName
from synpic.rank import Ranking, agreement_by_prompt, first, margin_by_prompt, pairs, rank
from synpic.rank.aggregations import WIN_RATE
from synpic.readers.display import count
from synpic.release.checks import Problem
from synpic.release.compared import (
    COMPARED,
    SHARE,
    fingerprint,
    holds_comparisons,
    named_comparisons,
    read_compared,
    with_compared,
)
from synpic.release.manifest import MANIFEST, PAIRED
from synpic.release.own_check import check_own_pairs, has_own_pairs
from synpic.release.rule import missing_aggregation, published_aggregation
from synpic.release.source import Published

__all__ = ["check_consistency", "scored_images"]

_SCORE = "score_"
_WINS = "wins_"
_NEAR = 1e-5
"""How far a published float32 may be from the one computed here, relative to values above 1."""

_LISTS = {"candidate_ids": "candidate_id", "models": "model", "seeds": "seed"}
_SIDES = ["prompt_id", "chosen_id", "rejected_id"]


def scored_images(release: Published) -> pl.DataFrame | None:
    """``candidate_id`` and ``sha256`` of every image; None if neither config that says it is there.

    Raises:
        ReleaseError, HubUnreachable: the table cannot be read.
    """
    for config in ("scores", "images"):
        if config in release.records:
            return release.table(config, ["candidate_id", "sha256"]).drop("split")
    return None


def check_consistency(release: Published) -> list[Problem]:
    """Compare ``scores``, ``images``, ``ranked``, ``pairwise`` and ``pickapic`` with one another.

    Raises:
        ReleaseError, HubUnreachable: a table cannot be read.
    """
    tables = {name: release.table(name) for name in ("scores", "images") if name in release.records}
    try:
        if "ranked" in release.records:
            tables["ranked"] = _unfolded(release.table("ranked"))
        if not tables:
            return []
        base = next(iter(tables))
        top = release.manifest.cuts.top if release.manifest.cuts else None
        compared = release.manifest.ranking.comparisons
        if (top is not None and base != "scores") or not holds_comparisons(tables[base], compared):
            # Ranks are among all images of a prompt, and only the first are here; or what people
            # compared is not.
            return _check_first(base, tables[base], release)
        ranking = _rank(release, tables[base])
        shown = ranking if top is None else replace(ranking, table=first(ranking.table, top))
    except pl.exceptions.PolarsError as error:
        return [Problem("ranked", f"the lists of a row do not fit together: {_first_line(error)}")]
    except (RankingError, RewardError, UnknownName) as error:
        return [Problem(base, f"cannot be ranked as the manifest says: {error.message}")]
    found: list[Problem] = []
    try:
        for name, table in tables.items():
            found += _compare_ranks(name, table, ranking if name == "scores" else shown)
            if name != base:
                found += _compare_images(name, table, base, tables[base])
        if "ranked" in tables:
            found += _compare_best(tables["ranked"])
        found += _check_pairs(release, shown, tables[base])
        found += _check_cuts(release, base, ranking, tables[base])
        found += _check_compared(release, base, ranking, tables[base])
    except pl.exceptions.PolarsError as error:
        found.append(Problem(base, f"the tables cannot be compared: {_first_line(error)}"))
    return found


def _check_cuts(
    release: Published, base: str, ranking: Ranking, scored: pl.DataFrame
) -> Iterator[Problem]:
    """Whether every ranked prompt passes the rules that are numbers."""
    cuts = release.manifest.cuts
    if cuts is None:
        return
    values: list[tuple[str, float, pl.DataFrame]] = []
    if cuts.min_margin is not None:
        values.append(("margin", cuts.min_margin, margin_by_prompt(ranking.table)))
    if cuts.min_agreement is not None:
        taus = agreement_by_prompt(scored, list(ranking.weights), ranking.comparisons)
        values.append(("agreement", cuts.min_agreement, taus))
    for name, least, table in values:
        passes = (pl.col(name) >= least - _NEAR).fill_null(False)
        wrong = table.filter(~passes)["prompt_id"].sort()
        if wrong.len():
            text = f"min_{name} = {least:g} of {MANIFEST} leaves out what is there"
            yield Problem(base, f"{text}: {count(wrong.len(), 'prompt')} ({wrong[0]} the first)")


def _check_compared(
    release: Published, base: str, ranking: Ranking, table: pl.DataFrame
) -> Iterator[Problem]:
    """Whether every pair stands alike on both of its images, and is one of those that ranked."""
    ids = table["candidate_id"]
    again = with_compared(table.select("candidate_id"), ranking.comparisons)
    for name, row in release.manifest.ranking.comparisons.items():
        for column in (COMPARED + name, SHARE + name):
            wrong = table[column].ne_missing(again[column])
            both = pl.DataFrame([ids, wrong.alias("wrong")])
            text = f"`{column}` is not what it says of the other image of a pair"
            yield from _told(base, both, pl.col("wrong"), text)
        pairs = ranking.comparisons[name].among(ids)
        if (pairs.height, fingerprint(pairs)) != (row.pairs, row.fingerprint):
            text = f"its comparisons are not those of `{name}` in {MANIFEST}"
            yield Problem(base, f"{text}: {count(pairs.height, 'pair')}, expected {row.pairs:,}")


def _check_first(base: str, table: pl.DataFrame, release: Published) -> list[Problem]:
    """Where wins cannot be counted again: whether ranks follow from preferences."""
    order = table.drop_nulls(["preference", "rank"]).sort("prompt_id", "preference", "rank")
    better = pl.col("preference", "rank").shift(-1).over("prompt_id").name.suffix("_better")
    wrong = (pl.col("preference") < pl.col("preference_better")) & (
        pl.col("rank") <= pl.col("rank_better")
    )
    text = "`rank` does not follow from `preference`"
    found = list(_told(base, order.with_columns(better), wrong, text))
    rule = release.manifest.ranking
    ranking = Ranking(
        table=order.select("prompt_id", "candidate_id", "preference"),
        weights=rule.weights,
        aggregation=rule.aggregation,
        ties=rule.ties,
        counts=release.manifest.counts.of_ranking(),
        comparisons=named_comparisons(rule.comparisons),
    )
    return found + list(_check_pairs(release, ranking, table))


def _unfolded(ranked: pl.DataFrame) -> pl.DataFrame:
    """``ranked`` with a row per image."""
    lists = [name for name, dtype in ranked.schema.items() if dtype == pl.List]
    return (
        ranked.select("split", "prompt_id", "best", *lists)
        .with_columns(place=pl.int_ranges(pl.col("candidate_ids").list.len()))
        .explode([*lists, "place"])
        .rename(_LISTS)
    )


def _rank(release: Published, table: pl.DataFrame) -> Ranking:
    rule = release.manifest.ranking
    columns = [name for name in table.columns if name.startswith(_SCORE)]
    # In the order of columns, as they were added up; JSON has lost the recipe's.
    order = [name.removeprefix(_SCORE) for name in columns]
    weights = {name: rule.weights[name] for name in order if name in rule.weights}
    weights |= {name: weight for name, weight in rule.weights.items() if name not in weights}
    missing = missing_aggregation(rule) is not None
    try:
        comparisons = read_compared(table, rule.comparisons, release.name)
    except ReleaseError as error:
        raise RankingError(error.message, hint=error.hint) from error
    ranking = rank(
        table.select("prompt_id", "candidate_id", "model", *columns),
        weights,
        comparisons=comparisons,
        aggregation=WIN_RATE if missing else published_aggregation(rule, release.name),
        ties=rule.ties,
    )
    if not missing:
        return ranking
    published = table.select("candidate_id", "preference", "rank")
    counted = ranking.table.drop("preference", "rank")
    kept = counted.join(published, on="candidate_id", how="left", maintain_order="left")
    return replace(ranking, table=kept)


def _compare_ranks(name: str, table: pl.DataFrame, ranking: Ranking) -> Iterator[Problem]:
    """Wins, preference and rank as computed, and null where there is no ranking."""
    derived = [name for name in ranking.table.columns if name.startswith(_WINS)]
    names = ("wins", "preference", "rank", *derived)
    columns = [column for column in names if column in table.columns]
    expected = ranking.table.select("candidate_id", *columns)
    how: Literal["full", "left"] = "full" if name == "ranked" else "left"
    both = table.select("candidate_id", *columns).join(
        expected, on="candidate_id", how=how, suffix="_new", coalesce=True
    )
    for column in columns:
        yield from _told(
            name, both, _differs(column), f"`{column}` does not follow from the scores"
        )


def _compare_images(
    name: str, table: pl.DataFrame, base: str, known: pl.DataFrame
) -> Iterator[Problem]:
    """What two configs both say of an image."""
    columns = [
        column
        for column in table.columns
        if column in known.columns
        and column not in ("candidate_id", "rank", "preference")
        and not column.startswith(_WINS)
    ]
    both = table.select("candidate_id", *columns).join(
        known.select("candidate_id", *columns), on="candidate_id", how="left", suffix="_new"
    )
    for column in columns:
        yield from _told(name, both, _differs(column), f"`{column}` is not what `{base}` says")


def _compare_best(table: pl.DataFrame) -> Iterator[Problem]:
    first = table.filter(pl.col("rank") == 1).group_by("prompt_id").agg(pl.col("place").min())
    both = table.unique("prompt_id").join(first, on="prompt_id", how="left", suffix="_new")
    wrong = both.filter(pl.col("best").ne_missing(pl.col("place_new")))["prompt_id"].sort()
    if wrong.len():
        text = "`best` is not the first image of rank 1"
        yield Problem("ranked", f"{text}, in {count(wrong.len(), 'prompt')} ({wrong[0]} the first)")


def _check_pairs(release: Published, ranking: Ranking, images: pl.DataFrame) -> Iterator[Problem]:
    """Whether pairs are those of the strategy; or, where labels brought them, of the images."""
    for name in PAIRED:
        if name in release.records and not has_own_pairs(release, name):
            yield from _compare_pairs(release, name, ranking)
    yield from check_own_pairs(release, images)


def _compare_pairs(release: Published, name: str, ranking: Ranking) -> Iterator[Problem]:
    """Whether the pairs are those that the strategy picks."""
    strategy = release.manifest.pairs[name].strategy
    expected = pairs(ranking.table, strategy).select(_SIDES[1:])
    if name == "pairwise":
        published = release.table(name, _SIDES).select(_SIDES[1:])
    else:
        rows = release.table(name, ["best_image_uid", "image_0_uid", "image_1_uid", "label_0"])
        first = pl.col("label_0") == 1.0
        one, other = pl.col("image_0_uid"), pl.col("image_1_uid")
        published = rows.select(
            chosen_id=pl.when(first).then(one).otherwise(other),
            rejected_id=pl.when(first).then(other).otherwise(one),
        )
        if not rows["best_image_uid"].equals(published["chosen_id"]):
            yield Problem(name, "`best_image_uid` is not the image that the labels prefer")
    missing = expected.join(published, on=_SIDES[1:], how="anti")
    foreign = published.join(expected, on=_SIDES[1:], how="anti")
    for rows, text in (
        (missing, f"pairs that `{strategy}` picks are missing"),
        (foreign, f"pairs are not picked by `{strategy}`"),
    ):
        if rows.height:
            chosen, rejected = rows.sort(_SIDES[1:]).row(0)
            yield Problem(name, f"{rows.height:,} {text} ({chosen} over {rejected} the first)")


def _differs(column: str) -> pl.Expr:
    """Where ``column`` is not ``column_new``; floats may be off by their last digits."""
    was, now = pl.col(column), pl.col(f"{column}_new")
    other = was.ne_missing(now)
    if column in ("wins", "preference") or column.startswith(_SCORE):
        distance = (was.cast(pl.Float64) - now.cast(pl.Float64)).abs()
        room = _NEAR * pl.max_horizontal(now.cast(pl.Float64).abs(), pl.lit(1.0))
        other = (was.is_null() != now.is_null()) | (distance > room).fill_null(False)
    return other


def _told(name: str, rows: pl.DataFrame, wrong: pl.Expr, text: str) -> Iterator[Problem]:
    ids = rows.filter(wrong)["candidate_id"].sort()
    if ids.len():
        yield Problem(name, f"{text}, for {count(ids.len(), 'image')} ({ids[0]} the first)")


def _first_line(error: Exception) -> str:
    lines: Sequence[str] = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
