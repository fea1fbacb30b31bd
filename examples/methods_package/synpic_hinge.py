"""A training objective: pairs that the model orders by a margin teach no more."""

from __future__ import annotations

from torch import Tensor

from synpic.train.batch import Labels
from synpic.train.objective import Objective
from synpic.train.objectives import preferred

__all__ = ["HINGE"]


def hinge(s: Tensor, error: Tensor, labels: Labels, beta: float) -> Tensor:
    """Mean over i ≻ j of max(0, 1 − (β/2)(s_j − s_i)).

    Source: the calibration loss of SLiC-HF, arXiv 2305.10425, with the scores of Diffusion-DPO.
    """
    s = s.masked_fill(~labels.present, 0)
    margins = (beta / 2) * (s[:, None, :] - s[:, :, None])
    pairs = preferred(labels)
    losses = ((1 - margins).clamp(min=0) * pairs).sum((1, 2))
    return losses / pairs.sum((1, 2)).clamp(min=1)


HINGE = Objective(
    hinge, title="Hinge loss", summary="max(0, 1 − (β/2)(s_j − s_i)), the mean over i ≻ j"
)
