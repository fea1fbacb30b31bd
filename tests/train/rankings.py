"""Ranked prompts to compute with: by hand, by chance, and those that a public script was run on."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from hypothesis import strategies as st
from torch import Tensor

from synpic.registry import OBJECTIVES as REGISTRY
from synpic.train.batch import Labels
from synpic.train.objective import find_objective

OBJECTIVES = {name: find_objective(name).function for name in REGISTRY.builtin}
NEEDS_REFERENCE = {name for name in OBJECTIVES if find_objective(name).needs_reference}

Image = tuple[float, int] | None
"""Preference and rank; None where there is no image."""


def labels(*prompts: Sequence[Image], fill: float = float("nan")) -> Labels:
    """As tensors, with ``fill`` for the preference of what is not there, and rank 0."""
    k = max(map(len, prompts))
    rows = [[*images, *[None] * (k - len(images))] for images in prompts]
    return Labels(
        torch.tensor(
            [[fill if i is None else i[0] for i in row] for row in rows], dtype=torch.float64
        ),
        torch.tensor([[0 if i is None else i[1] for i in row] for row in rows]),
        torch.tensor([[i is not None for i in row] for row in rows]),
    )


@dataclass(frozen=True)
class Ranked:
    """Prompts with errors, in plain lists; absent images are None everywhere."""

    images: list[list[Image]]
    s: list[list[float]]
    error: list[list[float]]
    beta: float

    def tensors(self, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Labels]:
        def table(values: list[list[float]]) -> Tensor:
            return torch.tensor(values, dtype=dtype)

        return table(self.s), table(self.error), labels(*self.images)


@st.composite
def ranked_prompts(draw: st.DrawFn) -> Ranked:
    """Ties, prompts of unequal size with gaps anywhere, competition ranks and ordinal ones."""
    prompts, k = draw(st.integers(1, 3)), draw(st.integers(1, 5))
    errors = st.integers(0, 12).map(lambda eighths: eighths / 8)
    images: list[list[Image]] = []
    for _ in range(prompts):
        wins = draw(st.lists(st.none() | st.integers(0, 6), min_size=k, max_size=k))
        strict = draw(st.booleans())
        row: list[Image] = []
        for at, mine in enumerate(wins):
            if mine is None:
                row.append(None)
                continue
            above = [n for n in wins if n is not None and n > mine]
            tied = [n for n in wins[:at] if n == mine] if strict else []
            row.append((mine / 6, 1 + len(above) + len(tied)))
        images.append(row)

    def table(values: st.SearchStrategy[float]) -> list[list[float]]:
        return [draw(st.lists(values, min_size=k, max_size=k)) for _ in range(prompts)]

    signed = errors.map(lambda error: error - 0.75)
    return Ranked(images, table(signed), table(errors), draw(st.sampled_from([0.5, 4.0, 30.0])))


@dataclass(frozen=True)
class PublicRun:
    """Seven pairs put through the loss lines of Diffusion-DPO's script, in float64.

    The lines are those between START and END LOSS COMPUTATION in train.py of
    github.com/SalesforceAIResearch/DiffusionDPO at 5233e75919f912f3f631958ee4ebb5b5204382d9; the
    first image of a pair is the preferred one. The script's ``implicit_acc`` times seven is
    ``right``; ``sft`` is its loss on the preferred images alone, with ``--sft``, in float32.
    """

    seed: int
    beta: float
    scale: float
    loss: float
    gradient: float  # sum of the magnitudes of d loss / d prediction
    right: int
    error: float
    reference_error: float
    sft: float

    def errors(self) -> tuple[Tensor, Tensor, Tensor]:
        """The predictions, a leaf, and from them the errors of model and reference, [7, 2]."""
        chance = random.Random(self.seed)

        def pictures() -> Tensor:
            values = [2 * chance.random() - 1 for _ in range(14 * 4 * 5 * 3)]
            return torch.tensor(values, dtype=torch.float64).reshape(14, 4, 5, 3)

        target, away, further = pictures(), pictures(), pictures()
        strengths = torch.linspace(0.1, 2, 14, dtype=torch.float64)[torch.arange(14) * 3 % 14]
        reference = target + away * strengths[:, None, None, None]
        model = (reference + self.scale * further).requires_grad_()

        def errors(prediction: Tensor) -> Tensor:
            return torch.stack((target - prediction).square().flatten(1).mean(1).chunk(2), 1)

        return model, errors(model), errors(reference)


# fmt: off
PUBLIC_RUNS = [
    PublicRun(0, 5000.0, 0.001, 0.6987058868858949, 2619.7898283110494, 3,
              0.48852090349056654, 0.4885498507442411, 0.3932528793811798),
    PublicRun(1, 2000.0, 0.01, 1.3801149576485958, 1388.7556494703003, 2,
              0.4591913638057982, 0.4593989957880894, 0.3139253556728363),
    PublicRun(2, 5000.0, 0.05, 10.079476535289455, 2763.2597893512448, 3,
              0.4769899770227019, 0.4760715172033138, 0.3598388433456421),
]
# fmt: on
PAIRS = labels(*[[(1.0, 1), (0.0, 2)]] * 7)


def without_values(known: Labels) -> Labels:
    """On a device that has no numbers: whoever waits for one fails."""
    return Labels(*(getattr(known, field.name).to("meta") for field in fields(known)))
