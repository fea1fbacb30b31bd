"""Fresh noise at every step: of the seeds of the images that are drawn, or none."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import diffusers
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from synpic.errors import ModelError
from synpic.generate.auto import AutoFamily
from synpic.generate.schedulers import make_scheduler
from synpic.recipe.settings import ModelSettings
from synpic.registry import FAMILIES
from tests.generate.tiny import side
from tests.grids import slow_but

Folder = Callable[[str], Path]
Pixels = NDArray[np.float32]

PROMPTS, SEEDS = ["a red circle", "two blue squares", "b"], [1, 2, 3]

SAME = 1e-4
"""How far its place in a batch may move a pixel in [0, 1], by another order of sums."""

SDE: dict[str, Any] = {"algorithm_type": "sde-dpmsolver++"}
FLOW = {"use_flow_sigmas": True, "prediction_type": "flow_prediction"}

STOCHASTIC: list[tuple[str, str | None, dict[str, Any]]] = [
    ("sd", "DDPMScheduler", {}),
    ("sd", "EulerAncestralDiscreteScheduler", {}),
    ("sd", "KDPM2AncestralDiscreteScheduler", {}),
    ("sd", "DPMSolverMultistepScheduler", SDE),
    ("sd", "DPMSolverSinglestepScheduler", SDE),
    ("sdxl", "DDPMScheduler", {}),
    ("sdxl", "EulerAncestralDiscreteScheduler", {}),
    ("sdxl", "DPMSolverMultistepScheduler", SDE),
    ("sd3", None, {"stochastic_sampling": True}),
    ("sd3", "FlowMatchLCMScheduler", {}),
    ("sd3", "DPMSolverMultistepScheduler", {**SDE, **FLOW}),
    ("flux", None, {"stochastic_sampling": True}),
    ("flux", "FlowMatchLCMScheduler", {}),
    ("flux", "DPMSolverMultistepScheduler", {**SDE, **FLOW, "use_dynamic_shifting": True}),
    ("pixart_sigma", "DDPMScheduler", {}),
    ("pixart_sigma", "EulerAncestralDiscreteScheduler", {}),
    ("pixart_sigma", "DPMSolverMultistepScheduler", SDE),
    ("stable_cascade", None, {}),
]
"""Builder, scheduler and its options."""

FAST = [STOCHASTIC[place] for place in (0, 4, 6, 8, 12, 17)]
"""One of each builder but PixArt-Σ, whose schedulers are Stable Diffusion's."""


def opened(kind: str, folder: Path, **settings: Any) -> Any:
    complete = ModelSettings(**{"checkpoint": str(folder), "steps": 3, **settings})
    family = FAMILIES.load("auto" if kind == "flux" else kind)
    return family(complete, str(folder), None, "cpu")


@pytest.fixture
def unseeded(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Of each time that noise has been drawn, whether no seed decided it."""
    seen: list[bool] = []
    randn = torch.randn

    def watched(*args: Any, **kwargs: Any) -> torch.Tensor:
        seen.append(kwargs.get("generator") is None)
        return randn(*args, **kwargs)

    monkeypatch.setattr(torch, "randn", watched)
    return seen


@pytest.mark.parametrize(("kind", "scheduler", "options"), slow_but(FAST, STOCHASTIC))
def test_noise_of_the_steps_is_of_the_image_s_seed(
    kind: str,
    scheduler: str | None,
    options: dict[str, Any],
    saved: Folder,
    unseeded: list[bool],
) -> None:
    family = opened(kind, saved(kind), scheduler=scheduler, scheduler_options=options)
    unseeded.clear()  # weights are made before they are read

    def draw(prompts: list[str], seeds: list[int]) -> Pixels:
        pixels: Pixels = family.draw(prompts, seeds, side(kind), side(kind))
        return pixels

    batch = draw(PROMPTS, SEEDS)
    # More than the first latents: once an image for each stage.
    assert len(unseeded) > len(SEEDS) * (2 if kind == "stable_cascade" else 1)
    assert not any(unseeded)
    assert np.array_equal(draw(PROMPTS, SEEDS), batch)
    turned = draw(PROMPTS[::-1], SEEDS[::-1])[::-1]
    assert np.abs(turned - batch).max() <= SAME
    others = draw([*PROMPTS[1:], "c"], [*SEEDS[1:], 7])
    assert np.abs(others[:2] - batch[1:]).max() <= SAME
    assert np.abs(draw(PROMPTS[:1] * 3, SEEDS)[1:] - batch[:1]).max() > 100 * SAME
    again = opened(kind, saved(kind), scheduler=scheduler, scheduler_options=options)
    assert np.array_equal(again.draw(PROMPTS, SEEDS, side(kind), side(kind)), batch)


def test_what_a_pipeline_hands_on_is_what_is_taken(saved: Folder) -> None:
    family = opened("sd", saved("sd"), scheduler="DDPMScheduler")
    call = {"prompt": "a", "num_inference_steps": 3, "output_type": "np"}

    def by_hand(seed: int) -> Pixels:
        generator = torch.Generator().manual_seed(seed)
        pixels: Pixels = family.pipeline(generator=generator, width=16, height=16, **call).images
        return pixels

    assert np.array_equal(by_hand(1), family.draw(["a"], [1], 16, 16))
    assert not np.array_equal(by_hand(1), by_hand(2))


def test_a_copied_scheduler_counts_its_own_steps(saved: Folder) -> None:
    """As in pipelines that draw two things side by side."""
    family = opened("sd3", saved("sd3"))
    scheduler = family.pipeline.scheduler
    scheduler.set_timesteps(3)
    other = copy.deepcopy(scheduler)
    latents = torch.zeros(1, 4, 8, 8)
    other.step(latents, other.timesteps[0], latents)
    assert (other.step_index, scheduler.step_index) == (1, None)


@pytest.mark.parametrize(
    "name",
    [
        "DPMSolverSDEScheduler",
        "CosineDPMSolverMultistepScheduler",
        "AmusedScheduler",
        "VQDiffusionScheduler",
    ],
)
def test_what_cannot_be_seeded_is_refused_whoever_asks(name: str, copied: Folder) -> None:
    folder = copied("sd")
    settings = ModelSettings(checkpoint=str(folder), scheduler=name)
    asked = AutoFamily.problems(settings, str(folder), None)
    assert [problem.message.split(" cannot be")[0] for problem in asked] == [
        f"scheduler: {name} draws noise that"
    ]
    assert asked[0].hint
    with pytest.raises(ModelError, match=f"^scheduler: {name}"):
        opened("sd", folder, scheduler=name)

    index = folder / "model_index.json"
    index.write_text(json.dumps(json.loads(index.read_text()) | {"scheduler": ["diffusers", name]}))
    own = AutoFamily.problems(ModelSettings(checkpoint=str(folder)), str(folder), None)
    assert any(problem.message.startswith(f"checkpoint: {name} draws noise") for problem in own)
    with pytest.raises(ModelError, match=f"^checkpoint: {name}"):
        opened("sd", folder)


def test_a_scheduler_that_needs_a_package_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class StandIn:
        """What diffusers has in the place of a class that needs what is not installed."""

        _backends: ClassVar = ["torch", "scipy"]

    monkeypatch.setattr(diffusers, "LMSDiscreteScheduler", StandIn)
    own = diffusers.DDIMScheduler()
    with pytest.raises(ModelError, match="LMSDiscreteScheduler needs scipy, which is not") as error:
        make_scheduler(ModelSettings(checkpoint="here", scheduler="LMSDiscreteScheduler"), own)
    assert "install it" in str(error.value.hint)
