"""What a study of a workspace can show: its images, and pairs of them at equal prompt and seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from synpic.errors import WorkspaceError, did_you_mean
from synpic.pipeline.cuts import Cuts, drop_candidates, read_drop
from synpic.pipeline.inventory import take_inventory
from synpic.workspace import Snapshot

__all__ = ["ImagesToShow", "compared_models", "images_to_show"]


@dataclass(frozen=True, eq=False)
class ImagesToShow:
    """Images that raters may see.

    Args:
        candidates: a table of candidates.
        flagged: images that are left out because a safety check flagged them.
        dropped: images that are left out because ``[ranking] drop`` takes them out.
    """

    candidates: pl.DataFrame
    flagged: int
    dropped: int


def images_to_show(snapshot: Snapshot) -> ImagesToShow:
    """The images of a workspace but those that are flagged, or that its recipe drops.

    Raises:
        RecipeError: a file to drop by cannot be read.
        RankingError: all images are dropped.
    """
    candidates = take_inventory(snapshot).candidates()
    drop, dropped = Cuts.of(snapshot.recipe).drop, 0
    if drop is not None and not candidates.is_empty():
        candidates, out = drop_candidates(candidates, read_drop(snapshot.workspace, drop))
        dropped = out.rows.height
    shown = candidates.filter(~pl.col("flagged").fill_null(False))
    return ImagesToShow(shown, candidates.height - shown.height, dropped)


def compared_models(named: Sequence[str] | None, candidates: pl.DataFrame) -> list[str]:
    """The models that are compared with each other: those that are named, or all.

    Raises:
        WorkspaceError: one has no images or is named twice, or there are fewer than two.
    """
    known = sorted(candidates["model"].unique())
    for name in named or ():
        if name not in known:
            raise WorkspaceError(
                f"--models: {name!r} has no images here.{did_you_mean(name, known)}",
                hint=f"images are here of: {', '.join(known) or 'no model'}",
            )
    models = list(named or known)
    if not known:
        raise WorkspaceError(
            "there are no images to compare yet", hint="run `synpic generate` first"
        )
    if len(set(models)) < len(models):
        raise WorkspaceError(
            f"--models: a model is named twice: {', '.join(models)}", hint="name two others"
        )
    if len(models) < 2:
        raise WorkspaceError(
            f"a study compares models, and there is only {models[0]}",
            hint="`--from-ranking` compares images of one model; or draw with another",
        )
    return models
