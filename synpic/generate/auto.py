"""The family ``auto``: whatever ``DiffusionPipeline`` opens. The other families refine it."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synpic.generate.decoding import heal_decoding
from synpic.generate.embeddings import Embeddings
from synpic.generate.opening import OpenedPipeline
from synpic.generate.schedulers import StepNoise
from synpic.recipe.settings import ModelSettings

__all__ = ["AutoFamily"]


class AutoFamily(OpenedPipeline):
    """Any text-to-image pipeline that takes a prompt and one torch generator per image."""

    def __init__(
        self, settings: ModelSettings, location: str, commit: str | None, device: str
    ) -> None:
        super().__init__(settings, location, commit, device)
        self._embeddings = Embeddings(self.placement)
        self._noise = StepNoise(self.pipeline)
        heal_decoding(self.pipeline)

    @property
    def note(self) -> str | None:
        """See :class:`synpic.generate.family.SupportsPrefetch`."""
        return self.placement.note

    def expect(self, groups: Sequence[Sequence[str]]) -> None:
        """See :class:`synpic.generate.family.SupportsPrefetch`."""
        self._embeddings.expect(groups)

    def make_room(self) -> bool:
        """See :class:`synpic.generate.family.SupportsPrefetch`."""
        return self.placement.retreat()

    def arguments(self, width: int | None, height: int | None) -> dict[str, Any]:
        """See :meth:`OpenedPipeline.arguments`.

        Captions are read as they are written: how they would be cleaned is decided by which
        optional packages are installed.
        """
        arguments = super().arguments(width, height)
        if "clean_caption" in inspect.signature(self.pipeline.__call__).parameters:
            arguments.setdefault("clean_caption", False)
        return arguments

    def draw(
        self, prompts: Sequence[str], seeds: Sequence[int], width: int | None, height: int | None
    ) -> NDArray[np.float32]:
        """See :class:`synpic.generate.family.Family`."""
        import torch

        # Noise is drawn on the CPU: a seed then means the same image on every kind of device.
        generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
        arguments = self.arguments(width, height)
        for name, value in arguments.items():
            if isinstance(value, str) and name.startswith(("negative_prompt", "prompt_")):
                # Every pipeline takes a list beside a list of prompts; some take nothing else.
                arguments[name] = [value] * len(prompts)
        with torch.inference_mode(), self._noise.of(generators):
            output = self.pipeline(
                prompt=list(prompts), generator=generators, output_type="np", **arguments
            )
        return np.asarray(output.images, dtype=np.float32)
