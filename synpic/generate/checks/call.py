"""Whether the pipeline's call takes what a recipe gives it, and its scheduler its options."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from synpic.errors import ModelError, did_you_mean
from synpic.generate.checks.subject import InspectedModel
from synpic.generate.facts.table import PipelineFacts
from synpic.generate.schedulers import check_seeded
from synpic.recipe.settings import ModelSettings

__all__ = ["call_problems", "check_call", "check_scheduler"]

_OURS = {"prompt", "generator", "output_type", "num_images_per_prompt", "return_dict"}
"""Arguments of a pipeline's call that no recipe sets."""

_TENSORS = re.compile(
    r"(.+_)?(latents|image|images|mask|mask_image)|(.+_)?(embeds|image_embeddings)(_.+)?"
    r"|.+_attention_mask|ip_adapter_.+|callback.*"
)
"""Arguments that are no words or numbers, or one for each image: nothing that a recipe can hold."""

_KEYS = {
    "num_inference_steps": "steps",
    "prior_num_inference_steps": "steps",
    "guidance_scale": "guidance",
    "prior_guidance_scale": "guidance",
    "negative_prompt": "negative_prompt",
    "width": "sizes",
    "height": "sizes",
    "prompt": "checkpoint",
    "generator": "checkpoint",
}
"""Argument of a pipeline's call → the recipe's key for it."""


def check_call(subject: InspectedModel) -> Iterator[ModelError]:
    """As :func:`call_problems`, where the class is known before code is run."""
    if subject.pipeline is not None:
        yield from call_problems(subject.family, subject.settings, subject.pipeline)


def call_problems(
    family: Any, settings: ModelSettings, pipeline: PipelineFacts
) -> Iterator[ModelError]:
    """Settings that the call of ``pipeline`` does not take."""
    for key in sorted(_OURS & settings.call.keys()):
        yield ModelError(f"call.{key}: synpic sets this itself", hint="leave it out")
    for name in settings.call:
        if _TENSORS.fullmatch(name):
            yield ModelError(
                f"call.{name}: it takes tensors or pictures, and a recipe has none",
                hint="leave it out",
            )
    for name in sorted(_of_keys(family, settings) & settings.call.keys()):
        yield ModelError(f"call.{name}: the recipe has a key for this", hint=f"use `{_KEYS[name]}`")
    side = 8 if settings.sizes else None
    told: set[str] = set()
    given = ["prompt", "generator", *family.call_arguments(settings, side, side)]
    for name in pipeline.wants:
        if name not in given:
            yield ModelError(
                f"checkpoint: {pipeline.name} does not draw from a prompt alone: it wants {name}",
                hint="name a text-to-image checkpoint; for Stable Cascade, its family as well",
            )
    for name in given:
        key = f"call.{name}" if name in settings.call else _KEYS.get(name, name)
        if name in pipeline.takes or key in told:
            continue
        told.add(key)
        yield ModelError(
            f"{key}: {pipeline.name} takes no {name}.{did_you_mean(name, pipeline.takes)}",
            hint="leave that setting out, or name another family or checkpoint",
        )


def _of_keys(family: Any, settings: ModelSettings) -> set[str]:
    """Arguments that the family fills from keys of the recipe, were they all given."""
    every = {"steps": 1, "guidance": 1.0, "negative_prompt": "", "call": {}}
    filled = family.call_arguments(settings.model_copy(update=every), 8, 8)
    return {name for name in filled if name in _KEYS}


def check_scheduler(subject: InspectedModel) -> Iterator[ModelError]:
    """Whether a scheduler draws noise that no seed decides. What it can do, a trial finds out."""
    settings = subject.settings
    own = subject.components.get(subject.family.scheduler_slot)
    for name, component in subject.components.items():
        # The one asked for, and of a pipeline of two stages the other's.
        if name.endswith("scheduler") and (settings.scheduler is None or component is not own):
            check_seeded(component.kind or "", asked=False)
    if settings.scheduler is not None:
        check_seeded(settings.scheduler, asked=True)
    yield from ()
