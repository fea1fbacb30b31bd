"""What is minimised: for each prompt, one number from the errors of its images and their ranking.

An objective is a function and, below it, what is declared of it; ``OBJECTIVES`` of
:mod:`synpic.registry` has its name.

All objectives are called alike. With prompts in rows and up to k images of each in columns,

    s:      Float[prompts, k], error − error of the reference; lower is better
    error:  Float[prompts, k], mean over elements of (target − prediction)²
    labels: what is known of the images
    beta:   strength of the pull to the reference

and what comes back is the loss of each prompt, ``Float[prompts]``, in the dtype of what went in,
which should be float32 or wider. The pairwise ones read ``s`` and ``beta`` alone, the two kinds of
fine-tuning ``error`` alone.

Pairwise, the loss is Σ w_ij · −log σ(−(β/2)(s_i − s_j)) over the pairs i ≻ j, and the objectives
differ in w alone. The mean over elements and the factor one half are those of Diffusion-DPO's code
(SalesforceAIResearch/DiffusionDPO, ``train.py``), so that its β carries over. The example in
diffusers (``train_diffusion_dpo.py``) leaves the half out: its β is to be doubled here.

i ≻ j needs a better rank and a higher preference. Tied images make no pair, also where their ranks
were forced apart. An absent image has no part in value or gradient, whatever its place holds.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from synpic.train.batch import Labels
from synpic.train.objective import Objective

__all__ = [
    "DPO",
    "DPO_GAIN",
    "RANKDPO",
    "SFT",
    "WEIGHTED_SFT",
    "dpo",
    "dpo_gain",
    "has_preference",
    "preferred",
    "rankdpo",
    "sft",
    "weighted_sft",
]


def preferred(labels: Labels) -> Tensor:
    """The pairs: ``Bool[Tensor, "prompts k k"]``, true at i, j where i ≻ j."""
    preference, rank, present = labels.preference, labels.rank, labels.present
    both = present[:, :, None] & present[:, None, :]
    higher = preference[:, :, None] > preference[:, None, :]
    return both & higher & (rank[:, :, None] < rank[:, None, :])


def has_preference(labels: Labels) -> Tensor:
    """Whether a prompt has a pair, ``Bool[Tensor, "prompts"]``; one without teaches nothing."""
    return preferred(labels).flatten(1).any(1)


def rankdpo(s: Tensor, error: Tensor, labels: Labels, beta: float) -> Tensor:
    """w_ij = |G_i − G_j| · |1/D(τ_i) − 1/D(τ_j)| with G = 2^φ − 1 and D(τ) = ln(1 + τ).

    A sum over the pairs, not a mean, as it is written. At k = 2 the second factor is the constant
    1/ln 2 − 1/ln 3.

    Source: RankDPO, arXiv 2410.18013, Algorithm 2 and equations 5–7, which leave the base of the
    logarithm open: another one scales the loss.
    """
    rank = labels.rank.masked_fill(~labels.present, 1).to(s.dtype)
    return _pairwise(s, labels, beta, _gain_gaps(s, labels) * _gaps(1 / torch.log1p(rank)))


RANKDPO = Objective(
    rankdpo,
    title="RankDPO",
    summary="Diffusion-DPO on each pair, weighted by |G_i − G_j| · |1/D(τ_i) − 1/D(τ_j)|, "
    "G = 2^φ − 1, D(τ) = ln(1 + τ)",
)


def dpo(s: Tensor, error: Tensor, labels: Labels, beta: float) -> Tensor:
    """w_ij = 1 / (number of the prompt's pairs): the mean over them, whatever the gaps between.

    Source: Diffusion-DPO, arXiv 2311.12908; at k = 2 it is its loss as its code computes it.
    """
    pairs = preferred(labels).sum((1, 2)).clamp(min=1)
    return _pairwise(s, labels, beta, (1 / pairs.to(s.dtype))[:, None, None])


DPO = Objective(
    dpo,
    title="Diffusion-DPO",
    summary="−log σ(−(β/2)(s_i − s_j)), the mean over the pairs of a prompt",
)


def dpo_gain(s: Tensor, error: Tensor, labels: Labels, beta: float) -> Tensor:
    """w_ij = |G_i − G_j| with G = 2^φ − 1: RankDPO without its discount of lower ranks.

    Source: the ablation "DPO + gain weights" of RankDPO, arXiv 2410.18013.
    """
    return _pairwise(s, labels, beta, _gain_gaps(s, labels))


DPO_GAIN = Objective(
    dpo_gain,
    title="DPO with gain weights",
    summary="Diffusion-DPO on each pair, weighted by |G_i − G_j|, G = 2^φ − 1",
)


def sft(s: Tensor, error: Tensor, labels: Labels, beta: float) -> Tensor:
    """The mean error of the images of rank 1; 0 for a prompt without a preference.

    Source: supervised fine-tuning on winners, a baseline of RankDPO, arXiv 2410.18013.
    """
    return _weighted_mean(error, (labels.rank == 1).to(error.dtype), labels)


SFT = Objective(
    sft,
    title="supervised fine-tuning on the winners",
    summary="the mean error of the images of rank 1",
    needs_reference=False,
    uses_beta=False,
)


def weighted_sft(s: Tensor, error: Tensor, labels: Labels, beta: float) -> Tensor:
    """Σ φ_i · error_i / Σ φ_i over all images; 0 for a prompt without a preference.

    RankDPO (arXiv 2410.18013) compares with a fine-tuning on all images weighted by reward and does
    not publish the weights. These are ours: the share of wins, so that the worst of a strict order
    has none. φ must not be negative.
    """
    return _weighted_mean(error, labels.preference.to(error.dtype), labels)


WEIGHTED_SFT = Objective(
    weighted_sft,
    title="weighted supervised fine-tuning",
    summary="Σ φ_i · error_i / Σ φ_i over the images of a prompt",
    needs_reference=False,
    uses_beta=False,
)


def _pairwise(s: Tensor, labels: Labels, beta: float, weights: Tensor) -> Tensor:
    """Σ over i ≻ j of w_ij · softplus((β/2)(s_i − s_j)); weights broadcast to "prompts k k"."""
    s = s.masked_fill(~labels.present, 0)
    worse = (beta / 2) * (s[:, :, None] - s[:, None, :])
    # softplus(x) = −log σ(−x); torch's softplus cuts off at 20, which float64 would notice.
    return (weights * preferred(labels) * -logsigmoid(-worse)).sum((1, 2))


def _weighted_mean(error: Tensor, weights: Tensor, labels: Labels) -> Tensor:
    """Σ w_i · error_i / Σ w_i over a prompt's images; 0 for a prompt without a preference."""
    counts = labels.present & has_preference(labels)[:, None]
    weights = weights.masked_fill(~counts, 0)
    total = weights.sum(1, keepdim=True)
    shares = weights / total.masked_fill(total == 0, 1)
    return (shares * error.masked_fill(~counts, 0)).sum(1)


def _gain_gaps(s: Tensor, labels: Labels) -> Tensor:
    """|G_i − G_j|, ``Float[Tensor, "prompts k k"]``, in the dtype of ``s``."""
    return _gaps(torch.exp2(labels.preference.masked_fill(~labels.present, 0).to(s.dtype)) - 1)


def _gaps(values: Tensor) -> Tensor:
    return (values[:, :, None] - values[:, None, :]).abs()
