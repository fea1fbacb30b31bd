"""How far the rewards of a workspace agree with the people who labelled its images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from synpic.errors import RankingError, WorkspaceError, did_you_mean
from synpic.evaluate.accuracy import (
    Accuracy,
    LabelledPairs,
    accuracies,
    count_pairs,
    judged_pairs,
    one_vote,
    phi_judges,
)
from synpic.evaluate.intervals import Estimate
from synpic.pipeline.comparisons import compared_by
from synpic.pipeline.inventory import Inventory, take_inventory
from synpic.pipeline.labels import settled_labels_of
from synpic.pipeline.ranking import aggregation_of
from synpic.rank import rank_each, refuse_untrustworthy
from synpic.rank.comparisons import Comparisons
from synpic.workspace import Snapshot, Workspace
from synpic.workspace.labels import SourceLabels, label_sources

__all__ = ["PeopleAgreement", "QuestionAgreement", "agree", "agree_on", "export_hint"]


@dataclass(frozen=True, eq=False)
class QuestionAgreement:
    """One question of one source of labels, and the judges held to it.

    Args:
        source: of the labels.
        fingerprint: of the labels.
        question: what was asked.
        kinds: who answered, of ``LABEL_KINDS``.
        counts: what became of the pairs.
        one_vote: how often one vote is on the side of the others.
        accuracies: of each judge over all pairs, then by models where that was asked.
        pairs: each pair with its outcomes, as :func:`judged_pairs` gives it.
    """

    source: str
    fingerprint: str
    question: str
    kinds: Sequence[str]
    counts: LabelledPairs
    one_vote: Estimate
    accuracies: Sequence[Accuracy]
    pairs: pl.DataFrame


@dataclass(frozen=True, eq=False)
class PeopleAgreement:
    """All questions of all sources.

    Args:
        rewards: name → fingerprint, of the rewards and comparers that judged.
        weights: their weights in φ.
        aggregation: which makes φ of them.
        tie: the distance from one half within which people prefer neither image.
        questions: one or more.
    """

    rewards: Mapping[str, str]
    weights: Mapping[str, float]
    aggregation: str
    tie: float
    questions: Sequence[QuestionAgreement]

    def as_dict(self) -> dict[str, Any]:
        """For JSON: a row for each judge names the labels and the reward by fingerprint."""
        return {
            "rewards": dict(self.rewards),
            "weights": dict(self.weights),
            "aggregation": self.aggregation,
            "tie": self.tie,
            "questions": [
                {
                    "labels": one.source,
                    "question": one.question,
                    "kinds": list(one.kinds),
                    **asdict(one.counts),
                    "one_vote": one.one_vote.as_dict(),
                }
                for one in self.questions
            ],
            "rows": [
                {
                    "labels": one.source,
                    "labels_fingerprint": one.fingerprint,
                    "question": one.question,
                    **row.as_dict(),
                    "fingerprint": self.rewards.get(row.judge),
                }
                for one in self.questions
                for row in one.accuracies
            ],
        }

    def pairs(self) -> pl.DataFrame:
        """Every pair of every question: labels, question, then as :func:`judged_pairs` gives it."""
        return pl.concat(
            [
                one.pairs.select(
                    pl.lit(one.source).alias("labels"), pl.lit(one.question).alias("question"), "*"
                )
                for one in self.questions
            ],
            how="diagonal",
        )


def agree(
    workspace: Workspace | Snapshot,
    *,
    labels: Sequence[str] | None = None,
    questions: Sequence[str] | None = None,
    tie: float = 0.0,
    by_models: bool = False,
) -> PeopleAgreement:
    """Hold the rewards and comparers of a workspace, φ of them, and φ of all but each, to labels of
    its images.

    φ is that of the recipe's aggregation and weights over all scored images; labels take no part in
    it. All judges are compared on the same pairs: those of which each reward scored both images,
    and that each comparer compared, of those that compared any.

    Args:
        workspace: or a snapshot of one, where a command has taken it already.
        labels: sources of labels; all that are here if None.
        questions: all that the labels answer if None.
        tie: 0 … ½, the distance from one half within which people prefer neither image.
        by_models: also apart for every two models.

    Raises:
        WorkspaceError: there are no labels, or not those.
        RankingError: no reward has scored an image, or no label answers the question.
        SynpicError: as ranking a workspace.
    """
    inventory = take_inventory(workspace)
    sources = label_sources(inventory.workspace) if labels is None else labels
    read = {source: settled_labels_of(inventory, source) for source in sources}
    if not read:
        raise WorkspaceError(
            f"{inventory.workspace.store} has no labels",
            hint=_where_labels_come_from(inventory.workspace),
        )
    return _agree(inventory, [*read.values()], questions, tie, by_models)


def agree_on(workspace: Workspace | Snapshot, labels: SourceLabels) -> PeopleAgreement:
    """As :func:`agree`, on labels that are at hand and lie in no workspace.

    Raises:
        RankingError: no reward has scored an image, or there is no label.
        SynpicError: as ranking a workspace.
    """
    return _agree(take_inventory(workspace), [labels], None, 0.0, False)


def _agree(
    inventory: Inventory,
    labels: Sequence[SourceLabels],
    questions: Sequence[str] | None,
    tie: float,
    by_models: bool,
) -> PeopleAgreement:
    known = sorted({one for of_source in labels for one in of_source.rows["question"]})
    for name in questions or ():
        if name not in known:
            raise RankingError(
                f"no label answers the question {name!r}.{did_you_mean(name, known)}",
                hint=f"questions with labels: {', '.join(known) or 'none'}",
            )
    judges = _judge(inventory)
    found = [
        _hold(judges, of_source, question, tie, by_models)
        for of_source in labels
        for question in of_source.rows["question"].unique().sort()
        if questions is None or question in questions
    ]
    if not found:
        sources = ", ".join(one.source for one in labels)
        raise RankingError(
            f"the labels of {sources} are none: no row labels a pair",
            hint="ingest their images again, or export the study again",
        )
    return PeopleAgreement(judges.rewards, judges.weights, judges.aggregation, tie, found)


def _where_labels_come_from(workspace: Workspace) -> str:
    studies = workspace.store.list("study")
    if studies:
        return export_hint(studies[0])
    return (
        "a dataset brings them when its images are ingested; or ask people: `synpic study new`, "
        "then `synpic study export`"
    )


def export_hint(study: str) -> str:
    """What makes labels of the votes of ``study``."""
    return f"`synpic study export --name {study}` writes the labels of a study"


@dataclass(frozen=True, eq=False)
class _Judges:
    """Rewards, comparers, and φ of them.

    Args:
        names: of those that have a value for each image: rewards, and φ.
        comparers: name → the pairs that it compared.
        candidates: as :func:`judged_pairs` takes them.
        rewards, weights, aggregation: as :class:`PeopleAgreement` has them.
    """

    names: Sequence[str]
    comparers: Mapping[str, Comparisons]
    candidates: pl.DataFrame
    rewards: Mapping[str, str]
    weights: Mapping[str, float]
    aggregation: str


def _judge(inventory: Inventory) -> _Judges:
    recipe, scored = inventory.recipe, inventory.scored()
    inventory.require_readable(one.name for one in [*inventory.rewards, *inventory.comparers])
    inventory.log_remarks()
    rewards = {
        one.name: one.fingerprint
        for one in inventory.rewards
        if scored[f"score_{one.name}"].count() > 0
    }
    comparers = _comparers(inventory, scored)
    if not rewards and not comparers:
        raise RankingError(
            "no reward has scored an image here, so that none can be held to people",
            hint="run `synpic score`; `synpic list rewards` shows what there is",
        )
    scoring = list(rewards)
    rewards |= {one.name: one.fingerprint for one in inventory.comparers if one.name in comparers}
    weights = {name: weight for name, weight in recipe.weights.items() if name in rewards}
    together = phi_judges(weights)
    # Ranking checks the others.
    if unranked := [name for name in scoring if not together or name not in weights]:
        refuse_untrustworthy(scored, unranked)
    aggregation = aggregation_of(inventory.snapshot)
    candidates = scored.select(
        "candidate_id",
        "prompt_id",
        "model",
        *(
            pl.col(f"score_{name}").alias(f"value.{name}")
            for name in rewards
            if name not in comparers
        ),
    )
    every = rank_each(scored, together, comparisons=comparers, aggregation=aggregation)
    for judge, ranking in every.items():
        values = ranking.table.select("candidate_id", pl.col("preference").alias(f"value.{judge}"))
        candidates = candidates.join(values, on="candidate_id", how="left", maintain_order="left")
    names = [*(name for name in rewards if name not in comparers), *together]
    return _Judges(names, comparers, candidates, rewards, weights, aggregation.name)


def _comparers(inventory: Inventory, scored: pl.DataFrame) -> dict[str, Comparisons]:
    """What the comparers that compared anything say, by name."""
    found = {}
    for one in inventory.comparers:
        # What has compared nothing is no judge.
        with suppress(WorkspaceError):
            found[one.name] = compared_by(inventory, one, scored)
    return found


def _hold(
    judges: _Judges,
    labels: SourceLabels,
    question: str,
    tie: float,
    by_models: bool,
) -> QuestionAgreement:
    """One question of one source."""
    asked = labels.rows.filter(pl.col("question") == question)
    comparisons = Comparisons.of_labels(asked, tie=tie, source=labels.source, question=question)
    there = comparisons.pairs.select("one", "other")
    # One that compared none of these pairs is no judge of them.
    comparers = {
        name: said
        for name, said in judges.comparers.items()
        if there.join(said.pairs, on=["one", "other"], how="semi").height
    }
    scoring = [name for name in judges.names if name in judges.rewards]
    names = [*scoring, *comparers, *judges.names[len(scoring) :]]
    judged = judged_pairs(comparisons, judges.candidates, judges.names, comparers)
    return QuestionAgreement(
        source=labels.source,
        fingerprint=labels.fingerprint,
        question=question,
        kinds=sorted(asked["kind"].unique()),
        counts=count_pairs(comparisons, judged, names),
        one_vote=one_vote(asked),
        accuracies=accuracies(judged, names, by_models=by_models),
        pairs=judged,
    )
