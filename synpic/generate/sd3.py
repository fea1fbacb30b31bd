"""The family ``sd3``: Stable Diffusion 3 and 3.5."""

from __future__ import annotations

from typing import ClassVar

from synpic.generate.auto import AutoFamily

__all__ = ["StableDiffusion3"]


class StableDiffusion3(AutoFamily):
    """``StableDiffusion3Pipeline``, with its T5 or without.

    Without, the pipeline puts zeros where the T5's states would be, as many as
    ``max_sequence_length`` says; ``call = { max_sequence_length = … }`` changes that.
    """

    pipeline_class: ClassVar[str] = "StableDiffusion3Pipeline"
