"""Ingested images as a want: what a recipe has instead of models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from synpic import ids
from synpic.ingest.index import NAME, OLD_NAME, Index
from synpic.recipe import Recipe
from synpic.workspace import Workspace, tables

__all__ = ["IngestedImages"]

_COPIES = {"candidate_id": pl.String, "place": pl.String}
_COUNTED = {"candidate_id": pl.String, "counts": pl.String}


@dataclass(frozen=True)
class IngestedImages:
    """All images of a source, whichever models drew them: they are read together.

    Args:
        index: what the source has.
        rows: of the index, without images that turned out to be another's equal.
        equal: those images: ``place``, and ``candidate_id`` of the one that counts.
        counted: their own ``candidate_id``, and ``counts``, that of the one that counts.
        name: of all of them; the name of the model that drew one is in its row.
    """

    index: Index
    rows: pl.DataFrame
    equal: pl.DataFrame
    counted: pl.DataFrame
    name: str = NAME

    @classmethod
    def take(cls, workspace: Workspace, index: Index) -> IngestedImages:
        """``index`` over what ``workspace`` has ingested of it.

        Of images of one prompt and model that have the same bytes, the first counts and the others
        are left out. A source without ids names an image anew for every pair it is in; only the
        bytes show that it is the same. What an earlier synpic has ingested stays in its folder.
        """
        none = pl.DataFrame(schema=_COPIES), pl.DataFrame(schema=_COUNTED)
        whole = cls(index, index.rows, *none)
        old = replace(whole, name=OLD_NAME)
        if workspace.parts(old.folder):
            whole = old
        there = workspace.read(
            workspace.parts(whole.folder), tables.CANDIDATES, ["candidate_id", "sha256"]
        )
        keys = ["prompt_id", "model", "sha256"]
        known = index.rows.select("candidate_id", "prompt_id", "model", "sample").join(
            there.unique("candidate_id"), on="candidate_id", how="inner"
        )
        first = known.sort("sample").unique(keys, keep="first")
        equal = known.join(first.select("candidate_id"), on="candidate_id", how="anti")
        rows = index.rows.join(equal, on="candidate_id", how="anti", maintain_order="left")
        counted = first.select(*keys, counts="candidate_id")
        others = equal.join(counted, on=keys, how="inner", maintain_order="left")
        others = others.select("candidate_id", "counts")
        places = (
            index.rows.select("candidate_id", pl.concat_list("place", "copies").alias("place"))
            .join(others, on="candidate_id", how="inner", maintain_order="left")
            .select(candidate_id="counts", place="place")
        )
        return replace(whole, rows=rows, equal=places.explode("place"), counted=others)

    @property
    def copies(self) -> pl.DataFrame:
        """Where other files or cells hold the same image: ``candidate_id`` and ``place``."""
        named = self.rows.select("candidate_id", place="copies").explode("place").drop_nulls()
        return pl.concat([named, self.equal])

    @property
    def fingerprint_inputs(self) -> Mapping[str, Any]:
        """What their fingerprint is a hash of."""
        return self.index.fingerprint_inputs

    @property
    def fingerprint(self) -> str:
        """The hash of :attr:`fingerprint_inputs`."""
        return self.index.fingerprint

    @property
    def folder(self) -> str:
        """Where they lie in a workspace."""
        return f"candidates/{self.name}-{ids.short(self.fingerprint)}"

    def wanted(self, recipe: Recipe, prompts: pl.DataFrame) -> pl.DataFrame:
        """Every image, in the order in which it is read; columns as a model's.

        A seed of 0 says that none is known.
        """
        return self.rows.select(
            "candidate_id",
            "prompt_id",
            "prompt",
            "sample",
            pl.lit(0, pl.Int64).alias("seed"),
            "batch",
            "model",
            "place",
        )
