"""What a family is: how to draw with one kind of pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from synpic.recipe import ModelSettings

__all__ = ["Family"]


class Family(Protocol):
    """An opened model. The registry holds classes; this is how one is made and used."""

    def __init__(
        self, settings: ModelSettings, location: str, commit: str | None, device: str
    ) -> None:
        """Load the checkpoint at ``location``.

        Args:
            settings: complete settings of the model.
            location: a folder, or a repository on the Hub.
            commit: of the repository; None for a folder.
            device: as torch names it.

        Raises:
            ModelError: it cannot be opened, or does not take a setting.
        """
        ...

    def draw(
        self, prompts: Sequence[str], seeds: Sequence[int], width: int | None, height: int | None
    ) -> NDArray[np.float32]:
        """Draw one image for each of n prompts, each from its own seed.

        Returns:
            Pixels in [0, 1], shape (n, height, width, 3). They may hold NaN, where a checkpoint
            overflows its dtype; the caller looks.
        """
        ...
