"""A workspace, ranked: its scores joined, checked and made into preferences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import polars as pl

from synpic.errors import RankingError, RecipeError, SynpicError
from synpic.pipeline.comparisons import read_comparisons
from synpic.pipeline.cuts import Cuts, Dropped, choose, rankable
from synpic.pipeline.inventory import Inventory, take_inventory
from synpic.prompts.meta import in_published_types, meta_columns, with_meta
from synpic.rank import Aggregation, Ranking, first, rank
from synpic.readers.display import count
from synpic.readers.notebook import html_table
from synpic.recipe import Flagged
from synpic.recipe.aggregation import find_aggregation
from synpic.recipe.toml import line_of
from synpic.workspace import RECIPE, Snapshot, Workspace

__all__ = ["RankedSet", "aggregation_of", "rank_candidates", "ranking_for_people"]


@dataclass(frozen=True, eq=False, repr=False)
class RankedSet:
    """Everything known of a workspace's candidates but their pixels.

    Args:
        scored: a row per candidate of a prompt that is left, with its prompt and
            ``score_<reward>``.
        ranking: of the prompts that are left; its counts are of all that were ranked.
        left_out: the rows that are not in ``scored`` because they are flagged; None where flagged
            ones are kept.
        there: all candidates, before anything was left out.
        cuts: the rules by which prompts and candidates were.
        dropped: what was taken out before ranking; None without ``drop``.
        cut: rule → how many ranked prompts it left out, that the rules before it did not.
        cut_unranked: how many prompts without a ranking the rules left out.
    """

    inventory: Inventory
    scored: pl.DataFrame
    ranking: Ranking
    left_out: pl.DataFrame | None
    there: pl.DataFrame
    cuts: Cuts
    dropped: Dropped | None
    cut: Mapping[str, int]
    cut_unranked: int

    def __repr__(self) -> str:
        return f"RankedSet({self._in_words()})"

    def _repr_html_(self) -> str:
        by_model = (
            self.scored.select("candidate_id", "model")
            .join(self.ranking.table.select("candidate_id", "rank"), on="candidate_id")
            .group_by("model")
            .agg(pl.len(), (pl.col("rank") == 1).sum().alias("first"), pl.col("rank").mean())
            .sort("rank", "model")
        )
        head = ["model", "images ranked", "ranked first", "mean rank"]
        return html_table(self._in_words(), head, by_model.rows())

    def _in_words(self) -> str:
        table = self.ranking.table
        return (
            f"{count(table['prompt_id'].n_unique(), 'prompt')}, "
            f"{count(table.height, 'image')} ranked by {', '.join(self.ranking.weights)}"
        )

    @property
    def shown(self) -> Ranking:
        """The ranking with the images of each prompt that are published: all, or the first k."""
        if self.cuts.top is None:
            return self.ranking
        return replace(self.ranking, table=first(self.ranking.table, self.cuts.top))

    def candidates_of(self, config: str, candidates: pl.DataFrame) -> pl.DataFrame:
        """Those of ``candidates`` that a published table has.

        Of ``scores`` that is all, so that wins, φ and τ follow from what it holds; of others those
        that are shown.
        """
        if config == "scores" or self.cuts.top is None:
            return candidates
        ids = self.shown.table.select("candidate_id")
        return candidates.join(ids, on="candidate_id", how="semi", maintain_order="left")


def rank_candidates(
    workspace: Workspace | Snapshot, *, flagged: Flagged | None = None
) -> RankedSet:
    """Rank what a workspace holds, and cut it, as its recipe says: from scores, in seconds.

    For other cuts than the recipe's, give a snapshot from :func:`synpic.pipeline.cuts.with_cuts`.

    Where a model or a reward is not found, a warning is logged, and what was made of it is read.
    Another names a model that has images, and none with the recipe's present settings.

    Args:
        workspace: or a snapshot of one, where a command has taken it already.
        flagged: "leave-out" ranks the others alone, so that k and φ are over what is published; as
            the recipe says, if None. What no check has seen is not flagged.

    Raises:
        RecipeError: it names no reward, or a cut cannot be made.
        UnknownName, CheckpointError: it names a reward that is not found and has no scores here, or
            an aggregation that is not found; or nothing tells which of several folders are of a
            model or reward that is not found.
        WorkspaceError: labels that a reward names are not there.
        RankingError: there is nothing to rank; the message says what is missing.
        RewardError: the scores of a reward cannot be trusted.
    """
    inventory = take_inventory(workspace)
    recipe = inventory.recipe
    if not recipe.weights:
        raise RecipeError(
            "there is nothing to rank by: the recipe has no [rewards.NAME]",
            hint="add one and run `synpic score`; `synpic list rewards` shows what there is",
        )
    aggregation = aggregation_of(inventory.snapshot)
    inventory.require_readable(recipe.weights)
    inventory.log_remarks()
    scored = inventory.scored()
    if scored.is_empty():
        raise RankingError(
            f"there is nothing to rank: {inventory.workspace.store} holds no image that the "
            "recipe wants",
            hint="run `synpic generate`, then `synpic score`",
        )
    left = rankable(inventory.snapshot, scored, flagged)
    there, scored, cuts = scored, left.rows, Cuts.of(recipe)
    comparisons = read_comparisons(inventory, recipe.weights, there)
    for name in recipe.weights:
        if name in comparisons:
            continue
        if scored[f"score_{name}"].count() == 0:
            raise RankingError(
                f"there is nothing to rank by: reward {name!r} has scored none of "
                f"{count(scored.height, 'image')}",
                hint="run `synpic score`, or leave the reward out of ranking.rewards",
            )
    ranking = rank(
        scored,
        recipe.weights,
        comparisons=comparisons,
        aggregation=aggregation,
        ties=recipe.ranking.ties,
    )
    counts = ranking.counts
    if counts.kept_prompts == 0 and counts.without_preference:
        raise RankingError(
            f"there is nothing to rank: {', '.join(comparisons)} compares every pair of images of "
            f"none of {count(counts.without_preference, 'prompt')}",
            hint='`synpic status` says what is labelled; ranking.aggregation = "bradley-terry" '
            "ranks where some pairs are compared",
        )
    if counts.kept_prompts == 0:
        raise RankingError(
            f"there is nothing to rank: of {count(counts.prompts, 'prompt')} none has two images "
            "with all scores "
            f"({counts.incomplete:,} of {count(counts.candidates, 'image')} without one)",
            hint="`synpic status` says what is missing; run `synpic generate` and `synpic score`",
        )
    chosen = choose(scored, ranking, cuts, in_published_types(inventory.prompts))
    return RankedSet(
        inventory,
        chosen.scored,
        chosen.ranking,
        left.left_out,
        there=there,
        cuts=cuts,
        dropped=left.dropped,
        cut=chosen.cut,
        cut_unranked=chosen.unranked,
    )


def ranking_for_people(ranked: RankedSet) -> pl.DataFrame:
    """The images that are shown, each with its prompt, its rank and what it scored, best first.

    Returns:
        prompt_id, prompt, split, rank, preference, wins, model, sample, seed, candidate_id and
        flagged, then ``wins_<reward>`` of the rewards that rank, ``score_<reward>`` of all and the
        ``meta_<name>`` of the prompt; ordered by prompt_id, rank and candidate_id.
    """
    table = ranked.shown.table
    known = with_meta(ranked.scored, ranked.inventory.prompts).select(
        "candidate_id",
        "prompt",
        "split",
        "seed",
        "flagged",
        *(name for name in ranked.scored.columns if name.startswith("score_")),
        *meta_columns(ranked.inventory.prompts),
    )
    rows = table.join(known, on="candidate_id", how="left").sort(
        "prompt_id", "rank", "candidate_id"
    )
    first_columns = ["prompt_id", "prompt", "split", "rank", "preference", "wins", "model"]
    first_columns += ["sample", "seed", "candidate_id", "flagged"]
    wins = [name for name in table.columns if name.startswith("wins_")]
    others = [name for name in known.columns if name not in first_columns]
    return rows.select(*first_columns, *wins, *others)


def aggregation_of(snapshot: Snapshot) -> Aggregation:
    """The aggregation that the recipe names.

    Raises:
        UnknownName, RankingError: it is not found, or none; the message has the line.
    """
    try:
        return find_aggregation(snapshot.recipe.ranking.aggregation, snapshot.workspace.folder)
    except SynpicError as error:
        line = line_of(["ranking", "aggregation"], snapshot.recipe_text)
        where = f"{RECIPE}:{line}" if line else RECIPE
        text = f"{where}: ranking.aggregation: {error.message}"
        raise type(error)(text, hint=error.hint) from error
