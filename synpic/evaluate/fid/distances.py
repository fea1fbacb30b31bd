"""The Fréchet distance of each model's images from references."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from synpic.engine.threads import pool
from synpic.errors import EvaluationError
from synpic.evaluate.fid.features import INCEPTION, ImageFeatures, open_features, require_features
from synpic.evaluate.fid.frechet import FeatureStatistics, StreamedStatistics, frechet_distance
from synpic.evaluate.fid.pictures import (
    PictureSet,
    images_by_model,
    in_batches,
    pictures_of_model,
    references_at,
    require_references,
)
from synpic.pipeline.inventory import take_inventory
from synpic.readers.display import count, number
from synpic.workspace import Snapshot, Workspace

__all__ = [
    "ENOUGH",
    "FrechetDistance",
    "frechet_distances",
    "require_distances",
    "statistics_of",
]

_LOG = logging.getLogger(__name__)

ENOUGH = 2048
"""Images from which on the covariance of Inception's features is not singular."""


@dataclass(frozen=True)
class FrechetDistance:
    """How far the images of a model lie from references.

    Args:
        model: its name.
        value: the distance, 0 … ∞; lower is nearer. Its bias is about in proportion to 1/n.
        n: images of the model.
        n_reference: references.
        references: what they are.
        features: what the distance is measured in.
        width: numbers of one image.
        resize: what becomes of an image before the network sees it.
        remarks: what keeps the value from being compared with others; none where nothing does.
    """

    model: str
    value: float
    n: int
    n_reference: int
    references: str
    features: str
    width: int
    resize: str
    remarks: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {"remarks": list(self.remarks)}


def frechet_distances(
    workspace: Workspace | Snapshot,
    references: str | Path,
    *,
    models: Sequence[str] | None = None,
    features: str | ImageFeatures = INCEPTION,
    weights: Path | None = None,
    device: str | None = None,
    batch_size: int = 32,
) -> list[FrechetDistance]:
    """The distance of each model's images in ``workspace`` from ``references``.

    Nothing is drawn. Images are read one after another, in memory that does not grow with their
    number; flagged images count. What would make a value misleading is a remark of it, and logged.

    Args:
        workspace: or a snapshot of one.
        references: a folder of images, a workspace, or ``world:NAME``, scenes that a program draws
            of the same prompts.
        models: some of the recipe's, in the order of the result; all that have images if None.
        features: "inception", or a reward that is a CLIP; or features of one's own.
        weights: a file of Inception's weights; torch-fidelity's own if None.
        device: as torch names it; the first accelerator if None.
        batch_size: images at a time.

    Raises:
        EvaluationError: no model has images; a model or the references have fewer than two; an
            image cannot be read, or has features that are no numbers; each by name.
        MissingExtra: torch-fidelity is not installed.
        SynpicError: as opening a workspace or a reward.
    """
    inventory = take_inventory(workspace)
    there = set(images_by_model(inventory)["model"].unique())
    order = [one.name for one in inventory.models]
    named = list(models) if models is not None else [*dict.fromkeys(order), *sorted(there)]
    names = [name for name in dict.fromkeys(named) if models is not None or name in there]
    if not names:
        raise EvaluationError("no model has images", hint="run `synpic generate` first")
    sets = [pictures_of_model(inventory, name) for name in names]
    held_to = references_at(references, inventory, names)
    for one in (*sets, held_to):
        if one.n < 2:
            raise EvaluationError(
                f"{one.name}: {count(one.n, 'image')}, and a distance takes two at least",
                hint="a useful one takes thousands",
            )
    network = (
        open_features(features, device=device, weights=weights)
        if isinstance(features, str)
        else features
    )
    base = statistics_of(held_to, network, batch_size)
    found = []
    for one in sets:
        own = statistics_of(one, network, batch_size)
        remarks = _remarks(one, held_to, len(own.mean), {other.n for other in sets})
        found.append(
            FrechetDistance(
                one.name,
                frechet_distance(own, base),
                own.n,
                base.n,
                held_to.name,
                network.name,
                len(own.mean),
                network.resize,
                remarks,
            )
        )
    for remark in dict.fromkeys(remark for one in found for remark in one.remarks):
        _LOG.warning("FID: %s", remark)
    return found


def require_distances(references: str, features: str) -> None:
    """Refuse names that :func:`frechet_distances` cannot follow, before anything is drawn.

    Raises:
        SynpicError: as there.
    """
    require_references(references)
    require_features(features)


def statistics_of(
    pictures: PictureSet, features: ImageFeatures, batch_size: int
) -> FeatureStatistics:
    """Mean and covariance of the features of ``pictures``.

    Raises:
        EvaluationError: an image cannot be read, or has features that are no numbers, by its name.
    """
    streamed = StreamedStatistics()
    with ThreadPoolExecutor(pool(4), "ready") as threads:
        for some in in_batches(pictures.pictures, batch_size):
            ready = list(threads.map(features.ready, [image for _, image in some]))
            values = features.of(ready)
            lost = ~np.isfinite(values).all(axis=1)
            if lost.any():
                raise EvaluationError(
                    f"{some[int(np.argmax(lost))][0]} has features that are no finite numbers",
                    hint="half precision overflows, and damaged weights give none",
                )
            streamed.add(values)
    return streamed.finished()


def _remarks(
    one: PictureSet, references: PictureSet, width: int, sizes: set[int]
) -> tuple[str, ...]:
    found = []
    for pictures in (one, references):
        if pictures.n <= width:
            found.append(
                f"{count(pictures.n, 'image')} of {pictures.name} have a singular covariance in "
                f"{number(width)} dimensions"
            )
        elif pictures.n < ENOUGH:
            found.append(
                f"{count(pictures.n, 'image')} of {pictures.name} are few: the bias, which is "
                "about in proportion to 1/n, is not small"
            )
    if len(sizes) > 1:
        found.append(
            "models have different numbers of images "
            f"({', '.join(number(size) for size in sorted(sizes))}), and so different biases"
        )
    return tuple(found)
