"""Candidates that can be paired, with where their pixels are: of a workspace or of a release."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from synpic.errors import ReleaseError
from synpic.pipeline.cuts import AS_THE_RECIPE_SAYS, Cuts, choose, with_cuts
from synpic.pipeline.inventory import take_inventory
from synpic.pipeline.labels import own_pairs
from synpic.pipeline.ranking import rank_candidates
from synpic.publish.table.records import join
from synpic.publish.table.resolve_source import Where, find
from synpic.publish.table.shards import Read
from synpic.publish.table.unranked import NO_RANKING, unranked_candidates
from synpic.rank import OWN, OwnPairs, Ranking, first
from synpic.release import Published
from synpic.release.compared import named_comparisons, read_compared
from synpic.release.images import PublishedImages
from synpic.release.manifest import MANIFEST, Rule
from synpic.workspace import Snapshot, Workspace

__all__ = ["PairSource", "open_pair_source", "own_pairs_of_release"]

_DEFAULT = "best-worst"


@dataclass(frozen=True, eq=False)
class PairSource:
    """What pairs are made of.

    Args:
        candidates: split, prompt_id, prompt, candidate_id, model and ``image`` (a reference, as
            ``records`` describes it), in the order of prompts.
        ranking: of them.
        read: where their pixels come from.
        strategy: by which they are paired, where nothing else is asked for.
        origin: what a manifest says of where they come from; no path of a machine.
        rule: of a release, what its manifest says of what ranked them.
        own: the pairs that came with labels, where the strategy is "own".
    """

    candidates: pl.DataFrame
    ranking: Ranking
    read: Read
    strategy: str
    origin: Mapping[str, Any]
    rule: Rule | None = None
    own: OwnPairs | None = None


def open_pair_source(
    where: Where,
    strategy: str | None = None,
    *,
    cuts: Cuts = AS_THE_RECIPE_SAYS,
    revision: str | None = None,
    token: str | None = None,
) -> PairSource:
    """The candidates at ``where``: a workspace is ranked, a release is taken as it was ranked.

    Args:
        strategy: by which they are to be paired; the recipe's if None.
        cuts: in the place of the recipe's; of a release, besides those that it was published with.

    Raises:
        RecipeError, RankingError: a cut cannot be made, or leaves nothing.
        ReleaseError: there is no release, or it has neither ``ranked`` nor ``pairwise``, or only
            pairs of another strategy.
        SynpicError: as ranking a workspace and opening a release do.
    """
    origin = find(where, revision=revision, token=token)
    if isinstance(origin, Workspace):
        return _of_workspace(with_cuts(origin, cuts), strategy)
    return _cut(origin, _of_release(origin, strategy), cuts)


def _of_workspace(workspace: Snapshot, strategy: str | None) -> PairSource:
    strategy = strategy or workspace.recipe.records.pairs
    if strategy == OWN and not workspace.recipe.weights:
        inventory, ranking = take_inventory(workspace), NO_RANKING
        inventory.require_readable([])
        scored, shown = unranked_candidates(inventory), NO_RANKING
    else:
        ranked = rank_candidates(workspace)
        inventory, ranking = ranked.inventory, ranked.ranking
        scored, shown = ranked.scored, ranked.shown
    images = workspace.workspace.images(dict.fromkeys(inventory.image_folders()))
    keys = list(scored.select("candidate_id", "sha256").iter_rows())
    sizes = pl.Series(images.sizes(keys), dtype=pl.Int64)
    paths = pl.Series(images.paths(keys), dtype=pl.String)
    return PairSource(
        candidates=join(scored, ranking, sizes, paths),
        ranking=shown,
        read=images.read,
        strategy=strategy,
        origin={},
        own=own_pairs(inventory) if strategy == OWN else None,
    )


def _of_release(release: Published, strategy: str | None) -> PairSource:
    config = next((name for name in ("ranked", "pairwise") if name in release.records), None)
    if config is None:
        raise ReleaseError(
            f"{release.name} has neither `ranked` nor `pairwise`: {', '.join(release.records)}",
            hint="export from the workspace it was made from",
        )
    strategy = _strategy(release, config, strategy)
    images = PublishedImages(release, config)
    reference = pl.struct("candidate_id", "sha256", "path", "size").alias("image")
    # Pairs are picked from the images of a release of pairs as they were from all images: one that
    # is in no pair is tied with its neighbour, and leaving it out moves no other.
    candidates = images.candidates.with_columns(reference)
    rule = release.manifest.ranking
    code = rule.aggregation_from
    ranking = Ranking(
        table=candidates.select("prompt_id", "candidate_id", "model", "preference"),
        weights=rule.weights,
        aggregation=rule.aggregation,
        aggregation_from=code.model_dump(exclude_unset=True) if code else {},
        ties=rule.ties,
        counts=release.manifest.counts.of_ranking(),
        comparisons=named_comparisons(rule.comparisons),
    )
    return PairSource(
        candidates=candidates,
        ranking=ranking,
        read=images.read,
        strategy=strategy,
        origin={"repository": release.repository, "revision": release.revision}
        if release.repository
        else {},
        rule=rule,
        own=own_pairs_of_release(release) if strategy == OWN else None,
    )


def own_pairs_of_release(release: Published) -> OwnPairs:
    """The pairs that a release has from labels.

    Raises:
        ReleaseError: it has none, or only in the columns of Pick-a-Pic, which do not say of whom.
    """
    pairs = release.manifest.pairs.get("pairwise")
    if pairs is None or pairs.strategy != OWN:
        raise ReleaseError(
            f"{release.name} has no `pairwise` with pairs of its own",
            hint="export from the workspace whose labels they are; or choose other --pairs",
        )
    columns = ["prompt_id", "chosen_id", "rejected_id", "label_source"]
    rows = release.table("pairwise", columns).with_row_index("row")
    labels = release.manifest.labels
    made = rows.select(
        "row",
        "prompt_id",
        pl.col("chosen_id").alias("left"),
        pl.col("rejected_id").alias("right"),
        pl.lit(1.0).alias("share"),
        "label_source",
        pl.lit(None, pl.String).alias("group"),
        pl.lit(None, pl.String).alias("rater"),
    )
    source = (labels.source, labels.question) if labels else ("", "overall")
    return OwnPairs(made, *source)


def _cut(release: Published, source: PairSource, cuts: Cuts) -> PairSource:
    """``source`` with the prompts and images of a release that ``cuts`` leaves."""
    if not cuts.given:
        return source
    if cuts.drop is not None:
        raise ReleaseError(
            f"{release.name} is ranked already: what is dropped goes before ranking",
            hint="drop in the workspace it was made from, and publish or export that",
        )
    if cuts.min_agreement is not None and "scores" not in release.records:
        raise ReleaseError(
            f"{release.name} has no `scores`, from which the agreement of rewards follows",
            hint="export from the workspace it was made from",
        )
    config = "ranked" if "ranked" in release.records else "pairwise"
    features = [feature.name for feature in release.manifest.features[config]]
    meta = [name for name in features if name.startswith("meta_")]
    prompts = release.table(config, ["prompt_id", "prompt", *meta]).unique("prompt_id")
    ranking = source.ranking
    scored = ranking.table
    if cuts.min_agreement is not None:
        scored = release.table("scores")
        known = read_compared(scored, release.manifest.ranking.comparisons, release.name)
        ranking = replace(ranking, comparisons=known)
    chosen = choose(scored, ranking, cuts, prompts).ranking
    if cuts.top is not None:
        chosen = replace(chosen, table=first(chosen.table, cuts.top))
    return replace(source, ranking=chosen)


def _strategy(release: Published, config: str, asked: str | None) -> str:
    if config == "pairwise":
        published = str(release.table("pairwise", ["strategy"])["strategy"][0])
        if asked not in (None, published):
            raise ReleaseError(
                f"{release.name} has no rankings, only pairs picked by {published!r}, and not by "
                f"{asked!r}",
                hint=f"export --pairs {published}, or from a release that has `ranked`",
            )
        return published
    if asked is not None:
        return asked
    for pairs in release.manifest.pairs.values():
        return pairs.strategy
    try:
        # As plain TOML: a recipe of an earlier synpic may have keys that this one refuses.
        records = tomllib.loads(release.manifest.recipe).get("records", {})
        return str(records.get("pairs", _DEFAULT))
    except (tomllib.TOMLDecodeError, AttributeError, RecursionError) as error:
        raise ReleaseError(
            f"{release.name}: {MANIFEST}: recipe: is no recipe: {error}",
            hint="name the strategy with --pairs",
        ) from error
