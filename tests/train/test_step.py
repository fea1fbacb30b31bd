"""Errors of a batch, and who is asked for them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from synpic.train.batch import Batch
from synpic.train.objective import find_objective
from synpic.train.step import loss_of_batch
from synpic.train.trainable_checkpoint import Reference
from tests.train.material import Averages
from tests.train.rankings import OBJECTIVES, labels


class Scaled(nn.Module):
    """Predicts what it is given, times a number."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(0.5))
        self.asked = 0


class Echo(Averages):
    """Tells the denoiser noise and prompt; the target is the noise."""

    def predict(
        self,
        denoiser: Any,
        noisy: Tensor,
        times: Tensor,
        encoded: dict[str, Tensor],
        crops: Tensor,
    ) -> Tensor:
        denoiser.asked += 1
        told = encoded["words"][:, :1, None, None] + times[:, None, None, None]
        predicted: Tensor = denoiser.scale * noisy * told
        return predicted


def batch() -> Batch:
    """Two prompts, the first with two images and a gap between, the second with three."""
    random = torch.Generator().manual_seed(0)
    owner = torch.tensor([0, 0, 1, 1, 1])
    return Batch(
        latents=torch.randn(5, 4, 2, 3, generator=random),
        noise=torch.randn(5, 4, 2, 3, generator=random),
        times=torch.tensor([0.1, 0.1, 0.7, 0.7, 0.7]),
        encoded={"words": torch.tensor([[1.0, 9.0], [2.0, 9.0]])},
        crops=torch.zeros(5, 6, dtype=torch.int64),
        owner=owner,
        labels=labels([(1.0, 1), None, (0.0, 2)], [(0.5, 2), (1.0, 1), (0.0, 3)], fill=0.0),
    )


def errors_by_hand(given: Batch, scale: float) -> Tensor:
    """Of ``Scaled`` at that scale, in float64."""
    errors = torch.zeros(2, 3, dtype=torch.float64)
    for image, (prompt, place) in enumerate([(0, 0), (0, 2), (1, 0), (1, 1), (1, 2)]):
        noise = given.noise[image].double()
        told = given.encoded["words"][prompt, 0] + given.times[image]
        wrong = noise - scale * (given.latents[image] + noise) * told
        errors[prompt, place] = sum(float(one) ** 2 for one in wrong.flatten()) / 24
    return errors


@pytest.mark.parametrize("name", sorted(OBJECTIVES))
def test_the_loss_is_that_of_means_over_elements_and_who_compares_asks_the_reference(
    name: Any,
) -> None:
    model, given = Scaled(), batch()
    objective = find_objective(name)
    compares = objective.needs_reference
    reference = Reference(model, "full", torch.float32) if compares else None
    with torch.no_grad():
        model.scale += 0.25
    loss, metrics = loss_of_batch(Echo(), model, reference, given, objective, 3.0)
    loss.backward()  # type: ignore[no-untyped-call]
    assert model.asked == 1
    assert model.scale.grad is not None

    ours, theirs = errors_by_hand(given, 0.75), errors_by_hand(given, 0.5)
    expected = OBJECTIVES[name](ours - theirs, ours, given.labels, 3.0).mean()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert metrics.loss == pytest.approx(loss.item())
    assert metrics.error == pytest.approx(ours.sum().item() / 5)
    if reference is None:
        assert metrics.reference_error is None
        return
    assert metrics.reference_error == pytest.approx(theirs.sum().item() / 5)
    with reference.model() as frozen:
        assert frozen.asked == 1
        assert not frozen.scale.requires_grad
        assert frozen.scale.grad is None


def test_a_difference_that_rounding_would_swallow_is_seen() -> None:
    """β makes thousands of the difference between two errors that are almost equal.

    What is predicted is exact here, in whole numbers and 2⁻¹⁷: only errors are rounded.
    """
    random = torch.Generator().manual_seed(0)

    def whole_numbers() -> Tensor:
        return torch.randint(-40, 40, (5, 4, 2, 3), generator=random).float()

    given = replace(
        batch(),
        latents=whole_numbers(),
        noise=whole_numbers(),
        times=torch.zeros(5),
        encoded={"words": torch.ones(2, 2)},
    )
    model = Scaled()
    reference = Reference(model, "full", torch.float32)
    with torch.no_grad():
        model.scale += 2**-17
    loss, _ = loss_of_batch(Echo(), model, reference, given, find_objective("rankdpo"), 1000.0)
    ours, theirs = errors_by_hand(given, 0.5 + 2**-17), errors_by_hand(given, 0.5)
    expected = OBJECTIVES["rankdpo"](ours - theirs, ours, given.labels, 1000.0).mean()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    rounded = ours.float() - theirs.float()
    swallowed = OBJECTIVES["rankdpo"](rounded, ours.float(), given.labels, 1000.0).mean()
    assert swallowed.item() != pytest.approx(expected.item(), rel=1e-4)
