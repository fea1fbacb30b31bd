"""The family ``sd``: Stable Diffusion 1.x and 2.x."""

from __future__ import annotations

from typing import Any, ClassVar

from synpic.generate.auto import AutoFamily

__all__ = ["StableDiffusion"]


class StableDiffusion(AutoFamily):
    """``StableDiffusionPipeline``, without its safety checker.

    The checker would paint what it flags black. A black image is scored, ranked and learned from
    like any other, and nothing in it says that it was not drawn so; whether an image is safe is
    asked later, of the finished image, and written beside it.
    """

    pipeline_class: ClassVar[str] = "StableDiffusionPipeline"
    components: ClassVar[dict[str, Any]] = {"requires_safety_checker": False}
