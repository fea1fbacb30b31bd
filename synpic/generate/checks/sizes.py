"""Which sizes a pipeline can draw. What it would refuse, or round, is refused here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from synpic.errors import ModelError
from synpic.generate.checks.subject import InspectedModel

__all__ = ["check_sizes"]

_FIXED = {
    "StableDiffusionPipeline": 8,
    "StableDiffusionXLPipeline": 8,
    "SanaPipeline": 32,
    # The stages shrink by 42.67 and grow by 10.67 and 4, rounding between them: of multiples of
    # 128 they draw what was asked, of other sizes something near.
    "StableCascadeCombinedPipeline": 128,
}
"""Pipeline → what sides have to be multiples of, in pixels."""

_PATCHED = {
    "StableDiffusion3Pipeline": None,
    "PixArtSigmaPipeline": None,
    "PixArtAlphaPipeline": None,
    "FluxPipeline": 2,
}
"""Pipelines whose sides are multiples of the VAE's factor times the transformer's patch; a number
stands for a patch that its configuration does not tell."""


def check_sizes(subject: InspectedModel) -> Iterator[ModelError]:
    """Which of the recipe's sizes the pipeline cannot draw, as far as that is known of it."""
    if subject.pipeline is None:
        return
    for size in dict.fromkeys(subject.settings.sizes or ()):
        problem = _problem(subject, subject.pipeline.name, size)
        if problem is not None:
            yield problem


def _problem(subject: InspectedModel, pipeline: str, size: str) -> ModelError | None:
    sides = [int(side) for side in size.split("x")]
    grain, largest = _FIXED.get(pipeline), None
    if pipeline in _PATCHED:
        grain, largest = _of_patches(subject, _PATCHED[pipeline])
        if pipeline.startswith("PixArt") and subject.settings.call.get("use_resolution_binning"):
            grain = 8  # it draws at a size of its own and resamples
    if grain is not None and any(side % grain for side in sides):
        near = "x".join(str(max(grain, round(side / grain) * grain)) for side in sides)
        return ModelError(
            f"sizes: {pipeline} cannot draw {size} exactly",
            hint=f"width and height have to be multiples of {grain}: {near} is near",
        )
    if largest is not None and max(sides) > largest:
        return ModelError(
            f"sizes: {size} is too large: the transformer knows places up to {largest} pixels",
            hint=f"take sizes up to {largest}",
        )
    return None


def _of_patches(subject: InspectedModel, patch: int | None) -> tuple[int | None, int | None]:
    vae, transformer = _config(subject, "vae"), _config(subject, "transformer")
    patch = patch or transformer.get("patch_size")
    blocks = vae.get("block_out_channels")
    if patch is None or blocks is None:
        return None, None
    grain = int(2 ** (len(blocks) - 1) * patch)
    places = transformer.get("pos_embed_max_size")
    return grain, None if places is None else grain * int(places)


def _config(subject: InspectedModel, name: str) -> dict[str, Any]:
    component = subject.replaced.get(name) or subject.components.get(name)
    return (component.json("config.json") if component else None) or {}
