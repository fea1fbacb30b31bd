"""Every prompt is read once, in the company it is drawn in, and into the same bits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from synpic.generate import embeddings, opening, placement
from synpic.generate.placement import text_encoders
from synpic.recipe.settings import ModelSettings
from synpic.registry import FAMILIES
from tests.generate.test_families import SANA
from tests.generate.tiny import CASCADE_SIDE, SIDE
from tests.grids import slow_but

Folder = Callable[[str], Path]

FAMILY_OF = {
    "sd": "sd",
    "sdxl": "sdxl",
    "sd3": "sd3",
    "pixart_sigma": "pixart_sigma",
    "stable_cascade": "stable_cascade",
    "flux": "auto",
    "sana": "auto",
}
SIDES = {"stable_cascade": CASCADE_SIDE, "sana": 32}
FIRST, SECOND = ["a red circle", "b"], ["two blue squares", "a red circle"]


def opened(kind: str, folder: Path, **settings: Any) -> Any:
    complete = ModelSettings(**{"checkpoint": str(folder), "steps": 2, "guidance": 3.0, **settings})
    return FAMILIES.load(FAMILY_OF[kind])(complete, str(folder), None, "cpu")


class Readings:
    """How often each text encoder of a family has worked."""

    def __init__(self, family: Any) -> None:
        self._counts: dict[str, Counter[int]] = {}
        for name, encoder in text_encoders(family.pipeline).items():
            count = self._counts[name] = Counter()
            # Deep inside: what is remembered does not get there.
            for part in encoder.modules():
                if isinstance(part, torch.nn.Embedding):
                    part.register_forward_hook(
                        lambda part, *_, count=count: count.update([id(part)])
                    )

    def __call__(self) -> dict[str, int]:
        return {name: max(count.values(), default=0) for name, count in self._counts.items()}


def draw(family: Any, kind: str, prompts: Sequence[str], seeds: Sequence[int]) -> Any:
    side = SIDES.get(kind, SIDE)
    return family.draw(prompts, seeds, side, side)


def by_hand(kind: str, family: Any, prompts: Sequence[str], seeds: Sequence[int]) -> Any:
    """What the stock pipeline draws, asked as a user asks it."""
    stock = type(family.pipeline)(**family.pipeline.components)
    for encoder in text_encoders(stock).values():
        encoder.__dict__.pop("forward", None)
    stock.set_progress_bar_config(disable=True)
    side = SIDES.get(kind, SIDE)
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    arguments = family.arguments(side, side)
    if "negative_prompt" in arguments:
        arguments["negative_prompt"] = [arguments["negative_prompt"]] * len(prompts)
    call = {**arguments, "output_type": "np", "generator": generators}
    return stock(prompt=list(prompts), **call).images


CASES: list[tuple[str, str, dict[str, Any]]] = [
    *((kind, offload, {}) for kind in FAMILY_OF for offload in ("none", "text")),
    ("sana", "none", SANA),
]
FAST = [
    ("sd", "none", {}),
    ("sd3", "text", {}),
    ("stable_cascade", "none", {}),
    ("flux", "none", {}),
    ("sana", "none", SANA),
]


@pytest.mark.parametrize(("kind", "offload", "call"), slow_but(FAST, CASES))
def test_prompts_are_read_once_and_draw_the_same(
    kind: str, offload: str, call: dict[str, Any], saved: Folder
) -> None:
    negative = {} if kind == "flux" else {"negative_prompt": "blue"}
    family = opened(kind, saved(kind), offload=offload, call=call, **negative)
    counts = Readings(family)
    family.expect([FIRST, FIRST, SECOND, SECOND])
    calls = [(FIRST, [1, 2]), (FIRST, [3, 4]), (SECOND, [1, 2]), (SECOND, [3, 4])]
    drawn = [draw(family, kind, *call) for call in calls]
    # Two batches of prompts, and the negative prompt. Stable Cascade hands on what its prior read.
    times = 2 if kind == "flux" else 3
    expected = dict.fromkeys(text_encoders(family.pipeline), times)
    if kind == "stable_cascade":
        expected["text_encoder"] = 0
    assert counts() == expected
    for call, pixels in zip(calls, drawn, strict=True):
        assert np.array_equal(pixels, by_hand(kind, family, *call))


def test_by_parts_the_negative_prompt_is_read_once(
    saved: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on an accelerator, but that the device to which parts go is the one they come from."""

    def by_parts(pipeline: Any, settings: Any, device: str) -> placement.Placement:
        placed = placement.Placement(pipeline, settings, device)
        pipeline.enable_model_cpu_offload(device=device)
        return placed

    monkeypatch.setattr(opening, "place", by_parts)
    family = opened("sdxl", saved("sdxl"), negative_prompt="blue")
    counts = Readings(family)
    groups = [[f"prompt {n}", f"another {n}"] for n in range(3)]
    for group in groups:
        draw(family, "sdxl", group, [1, 2])
    assert counts() == {"text_encoder": 4, "text_encoder_2": 4}  # three, and the negative prompt


def test_where_encoders_are_away_prompts_are_read_ahead(
    saved: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embeddings, "AHEAD", 6)
    family = opened("sd3", saved("sd3"), offload="text", negative_prompt="blue")
    counts = Readings(family)
    groups = [[f"prompt {n}", f"another {n}"] for n in range(5)]
    family.expect(groups)
    seen = []
    for group in groups:
        draw(family, "sd3", group, [1, 2])
        seen.append(counts()["text_encoder_3"])
    assert seen == [4, 4, 4, 6, 6]  # three groups and the negative prompt; then the other two


def test_what_comes_out_of_turn_is_read_too(saved: Folder) -> None:
    for offload in ("none", "text"):
        family = opened("sd", saved("sd"), offload=offload)
        family.expect([FIRST, SECOND])
        for group in (SECOND, ["nobody said so"], FIRST, SECOND[:1]):
            seeds = list(range(len(group)))
            pixels = draw(family, "sd", group, seeds)
            assert np.array_equal(pixels, by_hand("sd", family, group, seeds))


def test_what_is_kept_is_bounded(saved: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embeddings, "AHEAD", 4)
    for offload, most in (("none", 2), ("text", 6)):
        family = opened("sd", saved("sd"), offload=offload)
        groups = [[f"prompt {n}", f"another {n}"] for n in range(8)]
        family.expect(groups)
        for group in groups:
            draw(family, "sd", group, [1, 2])
            kept = family.pipeline.encode_prompt._kept
            assert 2 <= sum(count for count, _ in kept.values()) <= most
        if offload == "text":
            # Every batch has its own prompts, and all have one negative prompt.
            made = [made for _, made in kept.values()]
            assert len({id(positive.tensor) for positive, _ in made}) == len(made)
            assert len({id(negative.tensor) for _, negative in made}) == 1


def test_a_caller_may_write_on_what_it_is_given(saved: Folder) -> None:
    family = opened("sd", saved("sd"))
    asked = (FIRST, "cpu", 1, True)
    first = [tensor.clone() for tensor in family.pipeline.encode_prompt(*asked)]
    for tensor in family.pipeline.encode_prompt(*asked):
        tensor.zero_()
    for one, other in zip(family.pipeline.encode_prompt(*asked), first, strict=True):
        assert torch.equal(one, other)


def test_embeddings_that_are_handed_in_are_not_looked_up(saved: Folder) -> None:
    family = opened("sd", saved("sd"))
    counts = Readings(family)
    given = torch.ones(1, 77, 8)
    made, _ = family.pipeline.encode_prompt(None, "cpu", 1, False, prompt_embeds=given)
    assert torch.equal(made, given)
    assert counts()["text_encoder"] == 0
