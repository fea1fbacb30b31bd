"""How many bytes an encoded image of a model takes: counted where there are some, else guessed."""

from __future__ import annotations

from dataclasses import dataclass

from synpic.recipe.settings import ImageSettings, rough_bytes
from synpic.workspace import Workspace

__all__ = ["MeanBytes", "mean_bytes"]


@dataclass(frozen=True)
class MeanBytes:
    """Bytes of an encoded image on average.

    Args:
        mean_of: over how many images of the workspace; 0 where the mean is a guess from the number
            of pixels and the format.
    """

    bytes: float
    mean_of: int


def mean_bytes(
    workspace: Workspace,
    folder: str | None,
    width: int | None,
    height: int | None,
    images: ImageSettings,
) -> MeanBytes:
    """Of the images in ``folder``; a guess where it holds none, or where there is no folder.

    Args:
        folder: of a model's candidates at one size.
        width, height: in pixels; None for the pipeline's own size.

    Raises:
        CorruptPart, NewerSchema, OlderSchema: naming a part that cannot be read.
    """
    found, held = workspace.image_sizes(folder) if folder is not None else (0, 0)
    if found:
        return MeanBytes(held / found, found)
    return MeanBytes(rough_bytes(width, height, images), 0)
