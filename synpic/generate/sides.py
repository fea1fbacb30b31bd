"""Which sizes a pipeline can draw. What it would refuse, or round, is refused here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from synpic.errors import ModelError
from synpic.generate.components import component_folder
from synpic.generate.contents import Contents
from synpic.generate.slots import Slot
from synpic.settings import ModelSettings

__all__ = ["side_problem"]

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


def side_problem(
    pipeline: str, size: str, settings: ModelSettings, slots: Mapping[str, Slot]
) -> ModelError | None:
    """Why ``pipeline`` cannot draw images of ``size``; None if it can, or if that is not known.

    Args:
        pipeline: the name of its class.
        size: "WIDTHxHEIGHT".

    Raises:
        HubUnreachable: the Hub did not answer.
    """
    sides = [int(side) for side in size.split("x")]
    grain, largest = _FIXED.get(pipeline), None
    if pipeline in _PATCHED:
        grain, largest = _of_patches(_PATCHED[pipeline], settings, slots)
        if pipeline.startswith("PixArt") and settings.call.get("use_resolution_binning"):
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


def _of_patches(
    patch: int | None, settings: ModelSettings, slots: Mapping[str, Slot]
) -> tuple[int | None, int | None]:
    vae = _config("vae", settings, slots)
    transformer = _config("transformer", settings, slots)
    patch = patch or transformer.get("patch_size")
    blocks = vae.get("block_out_channels")
    if patch is None or blocks is None:
        return None, None
    grain = int(2 ** (len(blocks) - 1) * patch)
    places = transformer.get("pos_embed_max_size")
    return grain, None if places is None else grain * int(places)


def _config(name: str, settings: ModelSettings, slots: Mapping[str, Slot]) -> dict[str, Any]:
    slot = slots.get(name)
    if slot is None:
        return {}
    contents, folder = slot.contents, slot.folder
    if name in settings.components:
        asked = settings.components[name]
        contents = Contents(asked.checkpoint, asked.revision)
        folder = component_folder(name, asked, contents)
    return contents.json(f"{folder}/config.json" if folder else "config.json") or {}
