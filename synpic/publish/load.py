"""Rankings as a dataset, whether they were published or not.

A release is loaded by ``datasets.load_dataset``. A workspace is ranked on the spot, and its images
stay in their parts: the dataset holds their addresses, in columns of the same ``Image`` feature. So
a workspace of any size is there in seconds, nothing is written, and after another reward has scored
it is ranked anew without moving a pixel.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa

from synpic.errors import PublishError, ReleaseError, did_you_mean
from synpic.pipeline.labels import own_pairs
from synpic.pipeline.ranking import RankedSet, rank_candidates
from synpic.prompts.meta import with_meta, with_position
from synpic.publish.in_place import addresses
from synpic.publish.table.features import IMAGE, arrow_schema
from synpic.publish.table.records import CONFIGS, ConfigRows, join, records
from synpic.publish.table.resolve_source import Where, find
from synpic.rank import OWN
from synpic.release.load import load_release
from synpic.release.manifest import PAIRED
from synpic.workspace import Workspace

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

__all__ = ["load_rankings"]

Addresses = Mapping[tuple[str, str], str]


def load_rankings(
    where: Where,
    *,
    revision: str | None = None,
    split: str | None = None,
    config: str = "ranked",
    token: str | None = None,
) -> Dataset | DatasetDict:
    """The rankings at ``where``, one row per prompt, images decoded when they are asked for.

    Args:
        where: a release on the Hub ("user/name", "user/name@v1.2.0"), the folder of one, or a
            workspace, which is ranked as its recipe says.
        revision: a branch, tag or commit of a release on the Hub.
        split: one of them, which gives a ``Dataset``; all of them, as a ``DatasetDict``, if None.
        config: another table than the rankings. ``pickapic`` has to be published or exported.
        token: of an account that may read the release; the one that is logged in if None.

    Returns:
        What ``datasets.load_dataset(…, config)`` gives, with the same columns and features. Of a
        workspace, an image's undecoded form has a path and no bytes. ``push_to_hub`` embeds them;
        ``to_parquet`` and ``save_to_disk`` do not, as of any files that a dataset names by path:
        for whole copies there is ``synpic publish``.

    Raises:
        ReleaseError: there is no such release, config or split.
        HubUnreachable: the Hub did not answer.
        RankingError: the workspace has nothing to rank.
        SynpicError: as ranking a workspace and opening a release do.
    """
    origin = find(where, revision=revision, token=token)
    if not isinstance(origin, Workspace):
        return load_release(origin, split=split, config=config)
    return _rank_in_place(origin, split, config)


def _rank_in_place(workspace: Workspace, split: str | None, config: str) -> Dataset | DatasetDict:
    from datasets import DatasetDict

    lazy = [name for name in CONFIGS if name != "pickapic"]
    if config not in lazy:
        raise PublishError(
            f"config {config!r} cannot be loaded from a workspace.{did_you_mean(config, lazy)}",
            hint=f"it has: {', '.join(lazy)}; `synpic export --to pickapic DIR` writes the bytes "
            "that Pick-a-Pic's columns hold",
        )
    ranked = rank_candidates(workspace)
    recipe = ranked.inventory.recipe
    # An image is named by its address here, and not by a path.
    unsized = pl.zeros(ranked.scored.height, pl.Int64, eager=True)
    prompts = ranked.inventory.prompts
    scored = with_meta(with_position(ranked.scored, prompts), prompts)
    candidates = join(scored, ranked.ranking, unsized, scored["candidate_id"])
    candidates = ranked.candidates_of(config, candidates)
    strategy = recipe.records.pairs
    own = own_pairs(ranked.inventory) if strategy == OWN and config in PAIRED else None
    made = records(config, candidates, ranked.shown, strategy, own)
    with_rows = set(made.rows["split"])
    order = prompts["split"].unique(maintain_order=True)
    splits = [name for name in order if name in with_rows]
    if split is not None and split not in splits:
        raise ReleaseError(
            f"{workspace.store}: {config!r} has no row of split {split!r}."
            f"{did_you_mean(split, splits)}",
            hint=f"it has: {', '.join(splits) or 'none'}",
        )
    where = _where(ranked) if made.images else {}
    if split is not None:
        return _dataset(made, split, where)
    return DatasetDict({name: _dataset(made, name, where) for name in splits})


def _where(ranked: RankedSet) -> Addresses:
    inventory = ranked.inventory
    folders = dict.fromkeys(inventory.image_folders())
    parts = [part for folder in folders for part in inventory.workspace.parts(folder)]
    return addresses(inventory.workspace.store, parts)


def _dataset(made: ConfigRows, split: str, where: Addresses) -> Dataset:
    from datasets import Dataset

    rows = made.rows.filter(pl.col("split") == split).drop("split")
    schema = arrow_schema(rows.schema, made.images)
    plain = rows.drop(list(made.images)).to_arrow()
    columns: list[Any] = [
        _images(rows[field.name], where)
        if field.name in made.images
        else plain.column(field.name).cast(field.type)
        for field in schema
    ]
    return Dataset(pa.Table.from_arrays(columns, schema=schema))


def _images(references: pl.Series, where: Addresses) -> pa.Array:
    """References as the storage of an ``Image`` column: paths, and no bytes."""
    values = [
        None if one is None else {"bytes": None, "path": where[one["candidate_id"], one["sha256"]]}
        for one in references
    ]
    return pa.array(values, IMAGE)
