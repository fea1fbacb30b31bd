"""Which of two images people prefer: the labels of a workspace or a release.

Labels are kept as pairs of row numbers of ``Shown.candidates``: of 58,000 prompts with four images
and a label of every pair, ids would take more memory than all else that a page holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from synpic.errors import RankingError, ReleaseError, RewardError, UnknownName, WorkspaceError
from synpic.evaluate.agree import export_hint
from synpic.pipeline.inventory import Inventory
from synpic.pipeline.labels import labels_of
from synpic.publish.table.pair_source import own_pairs_of_release
from synpic.rank import OWN, Aggregation, Comparisons, rank
from synpic.rank.comparisons import WHOLE
from synpic.release import Published
from synpic.release.rule import published_aggregation
from synpic.workspace.labels import label_sources

__all__ = [
    "NO_PEOPLE",
    "AskedQuestion",
    "People",
    "people_of_release",
    "people_of_workspace",
    "phi_of_rewards",
]

_REWARD = "reward"
"""Of ``kind``: a label that no person gave."""


@dataclass(frozen=True, eq=False)
class AskedQuestion:
    """A question of one source of labels, as people answered it.

    Args:
        source: "ingested", or a study.
        question: "overall", or another.
        comparisons: of rows of ``Shown.candidates``: ``one`` and ``other`` are their numbers
            (UInt32), from 0.
        shares: whether shares are those of votes. A release whose pairs are its own says only
            which image was chosen.
    """

    source: str
    question: str
    comparisons: Comparisons
    shares: bool = True

    @property
    def key(self) -> str:
        """Names it in columns and addresses."""
        return f"{self.source}.{self.question}"

    @property
    def label(self) -> str:
        """Names it beside others on a page; "" for what most sets have alone."""
        asked = "" if self.question == "overall" else self.question
        source = "" if self.source == "ingested" else f"({self.source})"
        return " ".join(filter(None, [asked, source]))


@dataclass(frozen=True, eq=False)
class People:
    """What people prefer, and the φ that is held to it.

    Args:
        asked: ordered by source and question, "overall" first.
        phi: of each row of ``Shown.candidates``; null where it has none. It is that of the rewards:
            labels that rank take no part in it. None where there is none.
        remark: why something is not here that could be expected.
    """

    asked: Sequence[AskedQuestion] = ()
    phi: pl.Series | None = None
    remark: str | None = None


NO_PEOPLE = People()


def people_of_workspace(
    inventory: Inventory,
    candidates: pl.DataFrame,
    comparisons: Mapping[str, Comparisons],
    phi: pl.DataFrame | None,
) -> People:
    """The labels of a workspace that people gave.

    Args:
        candidates: of ``Shown``.
        comparisons: those that rank.
        phi: from :func:`phi_of_rewards`, where some do.
    """
    workspace = inventory.workspace
    ties = {(str(one.labels), one.question): one.tie for one in inventory.recipe.labelled.values()}
    found: list[AskedQuestion] = []
    sources = label_sources(workspace)
    try:
        for source in sources:
            labels = labels_of(inventory, source).filter(pl.col("kind") != _REWARD)
            labels = labels.select("left", "right", "share", "n", "question")
            found += _asked(labels, source, candidates, ties)
    except (WorkspaceError, RankingError) as error:
        return People(remark=error.message)
    waiting = [name for name in workspace.store.list("study") if name not in sources]
    remark = export_hint(waiting[0]) if waiting else None
    return _held_to(found, candidates, comparisons, phi, remark)


def people_of_release(
    release: Published,
    scored: pl.DataFrame,
    comparisons: Mapping[str, Comparisons],
    candidates: pl.DataFrame,
) -> People:
    """The labels of a release that people gave: those that ranked, and those whose pairs it has.

    Args:
        scored: of its images: prompt_id, candidate_id and ``score_<reward>``.
        comparisons: those that ranked.
        candidates: of ``Shown``.
    """
    found = {
        (one.source, one.question): AskedQuestion(
            one.source, one.question, _numbered(one, candidates)
        )
        for one in comparisons.values()
        if one.by_people
    }
    rule, phi, remark = release.manifest.ranking, None, None
    try:
        for one in _own(release, candidates):
            found.setdefault((one.source, one.question), one)
    except ReleaseError as error:  # what is damaged there hides no image
        remark = error.message
    asked = [*found.values()]
    if asked and comparisons:
        try:
            aggregation = published_aggregation(rule, release.name)
            phi = phi_of_rewards(scored, rule.weights, comparisons, aggregation)
        except (RankingError, ReleaseError, RewardError, UnknownName) as error:
            remark = error.message
    return _held_to(asked, candidates, comparisons, phi, remark)


def _own(release: Published, candidates: pl.DataFrame) -> list[AskedQuestion]:
    """The questions whose pairs a release has as its own."""
    labels = release.manifest.labels
    if labels is None:
        return []
    if (pairs := release.manifest.pairs.get("pairwise")) is not None and pairs.strategy == OWN:
        rows = own_pairs_of_release(release).rows.filter(pl.col("label_source") == "people")
    elif "pickapic" in release.records and _REWARD not in labels.kinds:
        columns = {"left": "image_0_uid", "right": "image_1_uid", "share": "label_0"}
        rows = release.table("pickapic", [*columns.values()]).select(**columns)
    else:
        return []
    rows = rows.select("left", "right", "share", n=None, question=pl.lit(labels.question))
    asked = _asked(rows, labels.source, candidates, {})
    return [replace(one, shares=False) for one in asked]


def phi_of_rewards(
    scored: pl.DataFrame,
    weights: Mapping[str, float],
    comparisons: Mapping[str, Comparisons],
    aggregation: Aggregation,
) -> pl.DataFrame | None:
    """φ of rewards and comparers, as ``synpic agree`` holds it to labels.

    Args:
        scored: of the images that rank: prompt_id, candidate_id and ``score_<reward>``.
        weights: of all that rank.
        comparisons: of those of ``weights`` that rank by labels or by a comparer.

    Returns:
        candidate_id and preference; None where labels alone rank.

    Raises:
        RankingError, RewardError: as ``rank``.
    """
    comparers = {name: one for name, one in comparisons.items() if one.comparer is not None}
    labelled = comparisons.keys() - comparers.keys()
    rewards = {name: weight for name, weight in weights.items() if name not in labelled}
    if not rewards:
        return None
    ranked = rank(scored, rewards, comparisons=comparers, aggregation=aggregation).table
    return ranked.select("candidate_id", "preference")


def _asked(
    labels: pl.DataFrame,
    source: str,
    candidates: pl.DataFrame,
    ties: Mapping[tuple[str, str], float],
) -> list[AskedQuestion]:
    """Each question of ``labels``: left, right, share, n and question."""
    for side in ("left", "right"):
        labels = _with_rows(labels, side, candidates)
    return [
        AskedQuestion(
            source,
            question,
            Comparisons.of_labels(
                labels, tie=ties.get((source, question), 0.0), source=source, question=question
            ),
        )
        for question in labels["question"].unique()
    ]


def _numbered(comparisons: Comparisons, candidates: pl.DataFrame) -> Comparisons:
    """``comparisons`` of ids as those of rows."""
    pairs = comparisons.pairs
    for side in ("one", "other"):
        pairs = _with_rows(pairs, side, candidates)
    one, other, share = pl.col("one"), pl.col("other"), pl.col("share")
    ordered = pairs.select(
        one=pl.min_horizontal(one, other),
        other=pl.max_horizontal(one, other),
        share=pl.when(one < other).then(share).otherwise(WHOLE - share),
        votes="votes",
    )
    return replace(comparisons, pairs=ordered.sort("one", "other"))


def _with_rows(pairs: pl.DataFrame, side: str, candidates: pl.DataFrame) -> pl.DataFrame:
    """``pairs`` with row numbers in place of ids at ``side``; those of no image here are gone."""
    rows = candidates.select(pl.col("candidate_id").alias(side)).with_row_index("_row")
    found = pairs.join(rows, on=side, how="inner", maintain_order="left")
    return found.with_columns(pl.col("_row").alias(side)).drop("_row")


def _held_to(
    asked: Sequence[AskedQuestion],
    candidates: pl.DataFrame,
    comparisons: Mapping[str, Comparisons],
    phi: pl.DataFrame | None,
    remark: str | None,
) -> People:
    if not asked:
        return People(remark=remark)
    asked = sorted(asked, key=lambda one: (one.source, one.question != "overall", one.question))
    if not comparisons:
        return People(asked, candidates["preference"], remark)
    if phi is None:
        alone = "labels alone rank here, so that there is no φ of rewards to hold them to"
        return People(asked, None, remark or alone)
    rows = candidates.select("candidate_id")
    rows = rows.join(phi, on="candidate_id", how="left", maintain_order="left")
    return People(asked, rows["preference"], remark)
