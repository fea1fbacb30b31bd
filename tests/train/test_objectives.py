"""Each objective against numbers worked by hand, its equation, and Diffusion-DPO's own code."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from synpic.train.batch import Labels
from synpic.train.objective import find_objective
from synpic.train.objectives import has_preference, preferred
from tests.train.rankings import (
    NEEDS_REFERENCE,
    OBJECTIVES,
    PAIRS,
    PUBLIC_RUNS,
    Image,
    PublicRun,
    Ranked,
    labels,
    ranked_prompts,
    without_values,
)

NAMES = sorted(OBJECTIVES)
LOG_SIGMOID = ("dpo", "dpo-gain", "rankdpo")
"""Those that are a weighted −log σ over pairs."""
LN2, LN3, LN5 = math.log(2), math.log(3), math.log(5)


def doubles(*rows: list[float]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def losses(name: str, s: Tensor, error: Tensor, known: Labels, beta: float = 2.0) -> list[float]:
    found: list[float] = OBJECTIVES[name](s, error, known, beta).tolist()
    return found


def equation(
    name: str, images: list[Image], s: list[float], error: list[float], beta: float
) -> float:
    """The loss of one prompt as the papers write it, pair by pair."""
    there = [at for at, image in enumerate(images) if image is not None]
    phi = {at: image[0] for at, image in enumerate(images) if image is not None}
    tau = {at: image[1] for at, image in enumerate(images) if image is not None}
    pairs = [(i, j) for i in there for j in there if tau[i] < tau[j] and phi[i] > phi[j]]
    if not pairs:
        return 0.0
    if name == "sft":
        best = [error[i] for i in there if tau[i] == 1]
        return sum(best) / len(best)
    if name == "weighted-sft":
        return sum(phi[i] * error[i] for i in there) / sum(phi.values())
    total = 0.0
    for i, j in pairs:
        gain = abs((2 ** phi[i] - 1) - (2 ** phi[j] - 1))
        discount = abs(1 / math.log(1 + tau[i]) - 1 / math.log(1 + tau[j]))
        weight = {"dpo": 1 / len(pairs), "dpo-gain": gain, "rankdpo": gain * discount}[name]
        total -= weight * math.log(1 / (1 + math.exp(beta / 2 * (s[i] - s[j]))))
    return total


@pytest.mark.parametrize("name", NAMES)
def test_it_declares_what_it_reads(name: str) -> None:
    declared = find_objective(name)
    assert declared.title
    assert declared.summary
    s, error = doubles([0.3, -0.2, 0.1]), doubles([0.4, 0.2, 0.3])
    known = labels([(1.0, 1), (0.5, 2), (0.0, 3)])
    weak, strong = (losses(name, s, error, known, beta) for beta in (1.0, 2.0))
    assert (weak != strong) is declared.uses_beta
    elsewhere = losses(name, s * 2, error, known, 1.0)
    assert (weak != elsewhere) is declared.needs_reference


def test_two_images_by_hand() -> None:
    known = labels([(0.25, 2), (0.75, 1)])
    s, error = doubles([LN3, 0.0]), doubles([0.3, 0.5])
    # softplus(0 − ln 3) = ln(1 + 1/3)
    gap = 2**0.75 - 2**0.25
    assert losses("dpo", s, error, known) == pytest.approx([math.log(4 / 3)])
    assert losses("dpo-gain", s, error, known) == pytest.approx([gap * math.log(4 / 3)])
    assert losses("sft", s, error, known) == pytest.approx([0.5])
    assert losses("weighted-sft", s, error, known) == pytest.approx([0.25 * 0.3 + 0.75 * 0.5])
    assert losses("dpo", s, error, known, beta=4.0) == pytest.approx([math.log(10 / 9)])


def test_three_images_by_hand() -> None:
    known = labels([(1.0, 1), (0.5, 2), (0.0, 3)])
    s, error = doubles([-LN3, 0.0, 0.0]), doubles([0.1, 0.4, 0.7])
    # Of (1, 2) and (1, 3) −log σ is ln 4/3 = 0.2876821, of (2, 3) it is ln 2 = 0.6931472.
    # Gains 1, √2 − 1, 0; discounts 1.4426950, 0.9102392, 0.7213475.
    assert losses("dpo", s, error, known) == pytest.approx([0.4228371])
    assert losses("dpo-gain", s, error, known) == pytest.approx([0.7433133], rel=1e-6)
    by_pair = 0.0897295 + 0.2075184 + 0.0542335
    assert losses("rankdpo", s, error, known) == pytest.approx([by_pair], rel=1e-6)
    assert losses("sft", s, error, known) == pytest.approx([0.1])
    assert losses("weighted-sft", s, error, known) == pytest.approx([(0.1 + 0.2) / 1.5])


def test_four_images_with_a_tie_beside_two_with_a_gap() -> None:
    known = labels([(0.5, 2), (1.0, 1), (0.0, 4), (0.5, 2)], [(0.0, 2), None, (1.0, 1)])
    s, error = doubles([0.0] * 4, [0.0] * 4), doubles([0.2, 0.1, 0.9, 0.4], [0.8, 0.0, 0.6, 0.0])
    # All −log σ are ln 2. Of the first prompt's Δ two are 0.5857864 · 0.5324558, two
    # 0.4142136 · 0.2889043, and one 1 · 0.8213601; gaps of gain are 2, 0.8284271 and 1 in all.
    assert losses("rankdpo", s, error, known) == pytest.approx([1.1676110, 0.3690702], rel=1e-6)
    gaps = 2 * 0.5857864 + 2 * 0.4142136 + 1
    assert losses("dpo-gain", s, error, known) == pytest.approx([gaps * LN2, LN2], rel=1e-6)
    assert losses("dpo", s, error, known) == pytest.approx([LN2, LN2])
    assert losses("sft", s, error, known) == pytest.approx([0.1, 0.6])
    assert losses("weighted-sft", s, error, known) == pytest.approx([(0.1 + 0.3) / 2, 0.6])


def test_winners_that_tie_are_averaged() -> None:
    known = labels([(0.75, 1), (0.0, 3), (0.75, 1)])
    error = doubles([0.2, 0.9, 0.4])
    assert losses("sft", error, error, known) == pytest.approx([0.3])
    assert losses("weighted-sft", error, error, known) == pytest.approx([0.3])


@given(ranked_prompts(), st.sampled_from(NAMES))
def test_the_equations_of_the_papers(case: Ranked, name: str) -> None:
    expected = [
        equation(name, *row, case.beta) for row in zip(case.images, case.s, case.error, strict=True)
    ]
    wide = OBJECTIVES[name](*case.tensors(), case.beta)
    assert wide.dtype == torch.float64
    assert wide.tolist() == pytest.approx(expected, rel=1e-12, abs=1e-12)
    narrow = OBJECTIVES[name](*case.tensors(torch.float32), case.beta)
    assert narrow.dtype == torch.float32
    assert narrow.tolist() == pytest.approx(expected, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("run", PUBLIC_RUNS, ids=lambda run: str(run.seed))
def test_diffusion_dpo_as_its_authors_run_it(run: PublicRun) -> None:
    model, error, reference = run.errors()
    loss = OBJECTIVES["dpo"](error - reference, error, PAIRS, run.beta).mean()
    assert loss.item() == pytest.approx(run.loss, rel=1e-10)
    (gradient,) = torch.autograd.grad(loss, model, retain_graph=True)
    assert gradient.abs().sum().item() == pytest.approx(run.gradient, rel=1e-10)
    winners = OBJECTIVES["sft"](error - reference, error, PAIRS, run.beta).mean()
    assert winners.item() == pytest.approx(run.sft, rel=1e-6)


@given(ranked_prompts(), st.floats(0, 1), st.floats(0, 1), st.booleans())
def test_of_two_images_rankdpo_is_gains_times_a_constant(
    case: Ranked, one: float, other: float, swapped: bool
) -> None:
    high, low = max(one, other), min(one, other)
    pair: list[Image] = [(high, 1), (low, 2 if low < high else 1)]
    known = labels(pair[::-1] if swapped else pair)
    s = doubles([case.s[0][0], case.error[0][0]])
    (gain,) = losses("dpo-gain", s, s, known, case.beta)
    (ranked,) = losses("rankdpo", s, s, known, case.beta)
    assert ranked == pytest.approx(gain * (1 / LN2 - 1 / LN3), rel=1e-14)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_those_of_finite_differences(name: str) -> None:
    known = labels(
        [(0.5, 2), (1.0, 1), (0.0, 4), (0.5, 2)], [(0.0, 2), None, (1.0, 1)], [(0.5, 1), (0.5, 1)]
    )
    generator = torch.Generator().manual_seed(0)
    s = torch.randn(3, 4, dtype=torch.float64, generator=generator).requires_grad_()
    error = torch.rand(3, 4, dtype=torch.float64, generator=generator).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda s, error: OBJECTIVES[name](s, error, known, 2.0) + 0 * (s + error).sum(), (s, error)
    )


@given(ranked_prompts(), st.sampled_from(NAMES))
def test_the_order_of_images_and_prompts_is_nothing(case: Ranked, name: str) -> None:
    s, error, known = case.tensors()
    rows = torch.randperm(s.shape[0], generator=torch.Generator().manual_seed(1))
    columns = torch.randperm(s.shape[1], generator=torch.Generator().manual_seed(2))
    moved = Labels(
        known.preference[rows][:, columns],
        known.rank[rows][:, columns],
        known.present[rows][:, columns],
    )
    before = OBJECTIVES[name](s, error, known, case.beta)
    after = OBJECTIVES[name](s[rows][:, columns], error[rows][:, columns], moved, case.beta)
    torch.testing.assert_close(after, before[rows], rtol=1e-12, atol=1e-12)


@given(ranked_prompts(), st.sampled_from(NAMES), st.integers(0, 3))
def test_what_is_not_there_is_nothing_whatever_it_holds(case: Ranked, name: str, more: int) -> None:
    nan = float("nan")
    wider: list[list[Image]] = [[*images, *[None] * more] for images in case.images]
    known = labels(*wider)
    expected = OBJECTIVES[name](*case.tensors(), case.beta)

    def padded(values: Tensor) -> Tensor:
        wide = torch.nn.functional.pad(values, (0, more), value=nan)
        return wide.masked_fill(~known.present, nan).requires_grad_()

    s, error, _ = case.tensors()
    s, error = padded(s), padded(error)
    found = OBJECTIVES[name](s, error, known, case.beta)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    gradients = torch.autograd.grad(found.sum(), (s, error), allow_unused=True)
    learnt = gradients[0 if name in NEEDS_REFERENCE else 1]
    assert learnt is not None
    assert gradients[1 if name in NEEDS_REFERENCE else 0] is None
    assert torch.isfinite(learnt).all()
    assert (learnt[~known.present] == 0).all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "tied",
    [
        [(0.5, 1), (0.5, 1), (0.5, 1)],
        [(0.5, 1), (0.5, 2), (0.5, 3)],  # ranks forced apart
        [(0.0, 1), (0.0, 1), (0.0, 1)],
        [None, (0.5, 1), None],
        [None, None, None],
    ],
)
def test_a_prompt_without_a_preference_weighs_nothing(name: str, tied: list[Image]) -> None:
    known = labels(tied, [(1.0, 1), (0.0, 2)])
    error = doubles([0.1, 0.2, 0.3], [0.5, 0.4, 0.0]).requires_grad_()
    assert has_preference(known).tolist() == [False, True]
    found = OBJECTIVES[name](error * 1, error, known, 2.0)
    assert found[0] == 0
    assert found[1] > 0
    (gradient,) = torch.autograd.grad(found.sum(), error)
    assert (gradient[0] == 0).all()


def test_tied_images_make_no_pair_also_where_ranks_were_forced_apart() -> None:
    known = labels([(0.5, 3), (1.0, 1), (0.5, 2), None])
    assert preferred(known).nonzero().tolist() == [[0, 1, 0], [0, 1, 2]]


@pytest.mark.parametrize("name", sorted(NEEDS_REFERENCE))
@pytest.mark.parametrize("wrong", [True, False])
def test_far_apart_is_still_finite(name: str, wrong: bool) -> None:
    known = labels([(1.0, 1), (0.0, 2)])
    s = torch.tensor([[1e6, -1e6] if wrong else [-1e6, 1e6]], requires_grad=True)
    (loss,) = OBJECTIVES[name](s, s, known, 5000.0)
    (gradient,) = torch.autograd.grad(loss, s)
    assert torch.isfinite(loss)
    assert torch.isfinite(gradient).all()
    if name not in LOG_SIGMOID:
        return
    weight = 1 / LN2 - 1 / LN3 if name == "rankdpo" else 1.0
    assert loss.item() == pytest.approx(5e9 * weight if wrong else 0.0)
    pull = 2500 * weight if wrong else 0.0
    assert gradient.tolist() == [pytest.approx([pull, -pull])]


@pytest.mark.parametrize("name", sorted(NEEDS_REFERENCE))
def test_lower_s_of_the_better_image_lowers_the_loss(name: str) -> None:
    known = labels([(1.0, 1), (0.5, 2), (0.0, 3)])
    by_order = {
        order: losses(name, doubles(list(order)), doubles(list(order)), known)[0]
        for order in itertools.permutations([0.0, 1.0, 2.0])
    }
    assert min(by_order, key=by_order.__getitem__) == (0.0, 1.0, 2.0)
    assert max(by_order, key=by_order.__getitem__) == (2.0, 1.0, 0.0)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_waits_for_the_device(name: str) -> None:
    """Tensors without values: whoever asks for one, or for a shape that hangs on one, fails."""
    known = without_values(labels([(1.0, 1), (0.0, 2)], [(0.5, 1), (0.5, 1)]))
    s = torch.zeros(2, 2, device="meta")
    assert OBJECTIVES[name](s, s, known, 2.0).shape == (2,)
