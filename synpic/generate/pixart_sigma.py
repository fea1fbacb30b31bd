"""The family ``pixart_sigma``: PixArt-Σ."""

from __future__ import annotations

from typing import Any, ClassVar

from synpic.generate.auto import AutoFamily

__all__ = ["PixArtSigma"]


class PixArtSigma(AutoFamily):
    """``PixArtSigmaPipeline``, as asked: no cleaning of captions, no rounding of sizes.

    ``clean_caption`` rewrites a prompt (it drops addresses, brackets and more) where two optional
    packages are installed; what is left of it is that the pipeline lower-cases. Binning draws at
    the nearest of the sizes seen in training and resamples to the one asked for; at one of those
    sizes it changes nothing. Who wants it for others sets ``use_resolution_binning`` in ``call``.
    """

    pipeline_class: ClassVar[str] = "PixArtSigmaPipeline"
    always: ClassVar[dict[str, Any]] = {"clean_caption": False, "use_resolution_binning": False}
