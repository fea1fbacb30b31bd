"""From the recipe's ``[ingest]`` to a source."""

from __future__ import annotations

from synpic.errors import IngestError
from synpic.ingest.dataset import Dataset
from synpic.ingest.folder import Folder
from synpic.ingest.source import ImageSource
from synpic.recipe import IngestSettings, Recipe
from synpic.workspace import Snapshot

__all__ = ["open_source"]


def open_source(snapshot: Snapshot) -> ImageSource:
    """The source that a recipe names, known to be there.

    Raises:
        IngestError: the recipe names none, or what is no source.
        SourceMissing: it is not there.
        CheckpointError: there is no such dataset, or the Hub cannot be reached.
    """
    settings = settings_of(snapshot.recipe)
    if settings.images is not None:
        return Folder.open(settings, snapshot.workspace)
    return Dataset.open(settings, snapshot.lock)


def settings_of(recipe: Recipe) -> IngestSettings:
    """The ``[ingest]`` of ``recipe``.

    Raises:
        IngestError: it has none.
    """
    settings = recipe.ingest
    if settings is None:
        raise IngestError(
            "the recipe names no images that exist already: it has no [ingest]",
            hint="`synpic generate` draws its images; docs/existing-images.md describes [ingest]",
        )
    return settings
