"""From the recipe's ``[given]`` to a source."""

from __future__ import annotations

from synpic.errors import GivenError
from synpic.given.dataset import Dataset
from synpic.given.folder import Folder
from synpic.given.source import Source
from synpic.recipe import GivenSettings, Recipe
from synpic.workspace import Snapshot

__all__ = ["open_source"]


def open_source(snapshot: Snapshot) -> Source:
    """The source that a recipe names, known to be there.

    Raises:
        GivenError: the recipe names none, or what is no source.
        GivenGone: it is not there.
        CheckpointError: there is no such dataset, or the Hub cannot be reached.
    """
    settings = settings_of(snapshot.recipe)
    if settings.images is not None:
        return Folder.open(settings, snapshot.workspace)
    return Dataset.open(settings, snapshot.lock)


def settings_of(recipe: Recipe) -> GivenSettings:
    """The ``[given]`` of ``recipe``.

    Raises:
        GivenError: it has none.
    """
    settings = recipe.given
    if settings is None:
        raise GivenError(
            "the recipe names no images that exist already: it has no [given]",
            hint="`synpic generate` draws what it wants; docs/existing-images.md tells of [given]",
        )
    return settings
