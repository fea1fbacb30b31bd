"""The family ``sdxl``: Stable Diffusion XL, the base model."""

from __future__ import annotations

from typing import Any, ClassVar

from synpic.generate.auto import AutoFamily

__all__ = ["StableDiffusionXL"]


class StableDiffusionXL(AutoFamily):
    """``StableDiffusionXLPipeline``, without its watermark.

    Left to itself the pipeline writes an invisible watermark where the package for it happens to be
    installed: the same recipe would then give other pixels on another machine.
    """

    pipeline_class: ClassVar[str] = "StableDiffusionXLPipeline"
    components: ClassVar[dict[str, Any]] = {"add_watermarker": False}
