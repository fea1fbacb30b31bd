"""What a release will hold, before any of it is written: ranked, planned and described.

Packing is left to who knows where the shards go; each can be packed, sent and deleted by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from synpic.errors import PublishError, did_you_mean
from synpic.pipeline.inventory import Inventory
from synpic.pipeline.labels import own_pairs
from synpic.pipeline.ranking import RankedSet, rank_candidates
from synpic.prompts.meta import with_meta, with_position
from synpic.publish.card.picture import choose_examples
from synpic.publish.manifest import describe
from synpic.publish.table.records import CONFIGS, WITH_PIXELS, join, records
from synpic.publish.table.shards import Limits, Read, ShardFile, plan_shards
from synpic.rank import OWN
from synpic.recipe import Flagged, PublishSettings, split_problem
from synpic.release.cards.words import AuthorWords, read_words
from synpic.release.manifest import PAIRED, Manifest
from synpic.workspace import Snapshot, Workspace

__all__ = ["Draft", "prepare"]

_EXAMPLES = 5


@dataclass(frozen=True, eq=False)
class Draft:
    """A release without its bytes.

    Args:
        shards: in the order in which they are to be packed.
        read: where their pixels come from.
        manifest: without a version and files.
        ranked: all candidates, and what ranked them.
        examples: the rows of ``ranked`` that the picture shows, with references for images.
        settings: the recipe's ``[publish]``.
        words: the author's.
    """

    shards: list[ShardFile]
    read: Read
    manifest: Manifest
    ranked: RankedSet
    examples: pl.DataFrame
    settings: PublishSettings
    words: AuthorWords


def prepare(
    workspace: Workspace | Snapshot,
    configs: Sequence[str] | None = None,
    limits: Limits | None = None,
    flagged: Flagged | None = None,
) -> Draft:
    """Rank what ``workspace`` holds and plan the shards of ``configs``.

    Args:
        workspace: its recipe and lock are read once, here, unless it is a snapshot already.
        configs: the recipe's where not given; one without a row is left out.
        flagged: "keep" or "leave-out" images that are flagged; as the recipe says, if None.

    Raises:
        RankingError: there is nothing to rank, and why.
        PublishError: there is nothing to publish, or not under such names.
        RewardError: the scores of a reward cannot be trusted.
        SynpicError: a model or reward of the recipe is not found, and nothing that it made is
            here; and as resolving the recipe, reading the workspace and ranking do.
    """
    snapshot = workspace.snapshot()
    recipe = snapshot.recipe
    names = _known_configs(configs or recipe.records.configs)
    words = read_words(recipe.publish, snapshot.workspace.store)
    ranked = rank_candidates(snapshot, flagged=flagged)
    inventory, scored, ranking = ranked.inventory, ranked.scored, ranked.ranking
    inventory.require_whole()
    splits = _splits(inventory)
    images = snapshot.workspace.images(dict.fromkeys(inventory.image_folders()))
    keys = list(scored.select("candidate_id", "sha256").iter_rows())
    # Without pixels to pack nothing needs their sizes, and finding them reads every image.
    packed = keys if WITH_PIXELS & set(names) else []
    sizes = pl.Series(images.sizes(packed) or [0] * len(keys), dtype=pl.Int64)
    paths = pl.Series(images.paths(packed) or [""] * len(keys), dtype=pl.String)
    known = with_meta(with_position(scored, inventory.prompts), inventory.prompts)
    candidates = join(known, ranking, sizes, paths)
    shown, strategy = ranked.shown, recipe.records.pairs
    own = own_pairs(inventory) if strategy == OWN and set(names) & set(PAIRED) else None
    tables = {
        name: records(name, ranked.candidates_of(name, candidates), shown, strategy, own)
        for name in {"ranked": None, **dict.fromkeys(names)}
    }
    shards = plan_shards([tables[name] for name in names], splits, limits or Limits())
    if not shards:
        raise PublishError(
            "there is no row to publish: "
            + (
                f"every pair that {strategy!r} picks is tied"
                if own is None
                else f"no labelled pair of {own.source!r} is decided and has both images here"
            ),
            hint="publish `ranked` as well, or let more rewards rank",
        )
    return Draft(
        shards=shards,
        read=images.read,
        manifest=describe(ranked, shards, own, words),
        ranked=ranked,
        examples=choose_examples(tables["ranked"].rows, _EXAMPLES),
        settings=recipe.publish,
        words=words,
    )


def _known_configs(names: Sequence[str]) -> list[str]:
    for name in names:
        if name not in CONFIGS:
            raise PublishError(
                f"unknown config {name!r}.{did_you_mean(name, CONFIGS)}",
                hint=f"known: {', '.join(CONFIGS)}",
            )
    return list(dict.fromkeys(names))


def _splits(inventory: Inventory) -> list[str]:
    """The splits of the prompts, in the order of their source."""
    splits: list[str] = inventory.prompts["split"].unique(maintain_order=True).to_list()
    for split in splits:
        if problem := split_problem(split):
            raise PublishError(
                problem,
                hint="rename it in the source of the prompts, and run `synpic generate` again",
            )
    return splits
