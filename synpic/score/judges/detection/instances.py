"""From the detector's outputs to objects with a score, a box and a mask, as mmdet does it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from synpic.score.judges.geneval import Detection

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["MOST", "SeenObject", "Sizes", "instances"]

MOST = 100
"""Pairs of query and class that are looked at, the most probable."""

_AT_ONCE = 8
"""Masks that are in memory at the size of the image at the same time."""


@dataclass(frozen=True)
class SeenObject(Detection):
    """Something that the detector found, and where exactly.

    Args:
        mask: ``Bool[ndarray, "height width"]`` at the size of the image.
    """

    mask: NDArray[np.bool_] = field(compare=False, repr=False)


@dataclass(frozen=True)
class Sizes:
    """Heights and widths of one image, in pixels, on its way into the detector.

    Args:
        image: as it was.
        resized: as it was made to fit.
        padded: with its padding, as the detector is shown it.
    """

    image: tuple[int, int]
    resized: tuple[int, int]
    padded: tuple[int, int]


def instances(
    classes: Tensor, masks: Tensor, sizes: Sizes, names: tuple[str, ...], least: float
) -> list[SeenObject]:
    """What the detector found in one image with a score above ``least``, the most confident first.

    Class probabilities are a softmax over the classes and "nothing". Of all pairs of query and
    class the :data:`MOST` most probable are kept. A mask is where its logit is above 0 at the size
    of the image: enlarged to the padded size, cut to the resized image, and resized to the image,
    bilinear each time. The score is the probability times the mean of the mask's sigmoid inside it;
    an empty mask has score 0. Boxes end one beyond the last pixel.

    Scores are float32, and given as the shortest decimals that name them: 0.3 is then not above
    0.3, as in the authors' comparison.

    Args:
        classes: logits, ``Float[Tensor, "query class+1"]``.
        masks: logits, ``Float[Tensor, "query h w"]``, at a fraction of the padded size.
        sizes: of the image.
        names: of the classes.
        least: pairs of a class probability that is not above it are not computed further: a score
            is at most that. Below 0, all of them are.

    Raises:
        ValueError: a logit is no number.

    Source: ``instance_postprocess`` and ``simple_test`` of MaskFormerFusionHead and
    MaskFormerHead, github.com/open-mmlab/mmdetection at v2.
    """
    import torch

    classes, masks = classes.float(), masks.float()
    if not (bool(classes.isfinite().all()) and bool(masks.isfinite().all())):
        raise ValueError("the detector's outputs are not all numbers: try dtype float32")
    probabilities = classes.softmax(-1)[:, :-1].flatten()
    best = probabilities.topk(min(MOST, probabilities.numel()))
    likely = best.values > least - 1e-6
    kept, shares = best.indices[likely], best.values[likely]
    found: list[SeenObject] = []
    for start in range(0, len(kept), _AT_ONCE):
        some = kept[start : start + _AT_ONCE]
        logits = _at_size(masks[torch.div(some, len(names), rounding_mode="floor")], sizes)
        inside = logits > 0
        sums = torch.where(inside, logits.sigmoid(), 0).flatten(1).sum(1)
        means = sums / (inside.flatten(1).sum(1) + 1e-6)
        scores = (shares[start : start + _AT_ONCE] * means).cpu().numpy().astype(np.float32)
        for number, score, mask in zip(
            (some % len(names)).tolist(), scores, inside.cpu().numpy(), strict=True
        ):
            exact = float(np.format_float_scientific(score))
            if exact > least:
                found.append(SeenObject(names[number], _box(mask), exact, mask))
    return sorted(found, key=lambda one: -one.score)


def _at_size(masks: Tensor, sizes: Sizes) -> Tensor:
    """``Float[Tensor, "n h w"]`` → ``Float[Tensor, "n height width"]`` at the size of the image."""
    from torch.nn.functional import interpolate

    height, width = sizes.resized
    large = interpolate(masks[None], size=sizes.padded, mode="bilinear", align_corners=False)
    large = large[:, :, :height, :width]
    if sizes.image != sizes.resized:
        large = interpolate(large, size=sizes.image, mode="bilinear", align_corners=False)
    return large[0]


def _box(mask: NDArray[np.bool_]) -> tuple[float, float, float, float]:
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    if not len(columns):
        return 0.0, 0.0, 0.0, 0.0
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)
