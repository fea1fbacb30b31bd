"""What a family is: how to draw with one kind of pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from synpic.recipe.settings import ModelSettings

__all__ = ["Family", "SupportsPrefetch"]


class Family(Protocol):
    """An opened model. The registry holds classes; this is how one is made and used.

    A family may also be a :class:`SupportsPrefetch`, which is then used. So is a class method
    ``problems(settings, location, commit)``: what is wrong with a model, as far as is known
    without its weights, as errors whose messages begin with a key of the recipe's model.
    """

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


@runtime_checkable
class SupportsPrefetch(Protocol):
    """A family that can make use of what is to come, and get by with less memory."""

    note: str | None
    """What somebody who watches should know of how it works; None where there is nothing."""

    def expect(self, groups: Sequence[Sequence[str]]) -> None:
        """Learn which prompts are to be drawn, each group in one call, about in this order."""
        ...

    def make_room(self) -> bool:
        """Get by with less of the device's memory from now on; whether that can be done."""
        ...
