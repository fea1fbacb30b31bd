"""One batch: what the model and its reference get wrong, and what the objective makes of it."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from synpic.train.batch import Batch
from synpic.train.families.family import TrainableFamily
from synpic.train.losses import losses_of
from synpic.train.metrics import Metrics, measure
from synpic.train.objective import Objective
from synpic.train.trainable_checkpoint import Reference

__all__ = ["loss_of_batch"]


def loss_of_batch(
    family: TrainableFamily,
    denoiser: Any,
    reference: Reference | None,
    batch: Batch,
    objective: Objective,
    beta: float,
) -> tuple[Tensor, Metrics]:
    """The mean loss of the batch's prompts, a scalar, and what to say of it.

    The reference is asked by objectives that compare with it; others need none.
    """
    noisy, target = family.add_noise(batch.latents, batch.noise, batch.times)
    encoded = {name: rows[batch.owner] for name, rows in batch.encoded.items()}

    def predict(model: Any) -> Tensor:
        return family.predict(model, noisy, batch.times, encoded, batch.crops).float()

    target = target.float()
    compares = objective.needs_reference
    if compares:
        assert reference is not None
        with reference.model() as frozen:
            theirs = predict(frozen)
    ours = predict(denoiser)
    error = batch.by_prompt(_mean((target - ours).square()))
    if compares:
        reference_error = batch.by_prompt(_mean((target - theirs).square()))
        # (t − p)² − (t − r)² = (r − p)(2t − p − r): of two nearly equal errors, the difference
        # itself would be lost in rounding, and β makes thousands of it.
        s = batch.by_prompt(_mean((theirs - ours) * ((target - ours) + (target - theirs))))
    else:
        reference_error, s = None, error
    losses = losses_of(objective, s, error, batch.labels, beta)
    figures = measure(losses.detach(), error.detach(), reference_error, batch.labels, s.detach())
    return losses.mean(), figures


def _mean(values: Tensor) -> Tensor:
    """Over the elements of each image."""
    return values.flatten(1).mean(1)
