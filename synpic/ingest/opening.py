"""From the recipe's ``[ingest]`` to a source."""

from __future__ import annotations

from pathlib import Path

from synpic.errors import IngestError
from synpic.ingest.dataset import Dataset
from synpic.ingest.folder import Folder
from synpic.ingest.source import ImageSource
from synpic.ingest.tar_names import named_tars
from synpic.ingest.tar_shards import TarShards
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
        return _images(settings, snapshot)
    return Dataset.open(settings, snapshot.lock)


def _images(settings: IngestSettings, snapshot: Snapshot) -> ImageSource:
    """A folder of image files, or tars: those that are named, or of a folder without others."""
    store, name = snapshot.workspace.store, str(settings.images)
    try:
        named = named_tars(Path(store.root), name) if store.is_local else None
        if named is not None:
            return TarShards.open(settings, named)
        folder = Folder.open(settings, snapshot.workspace)
        if tars := folder.tars:
            return TarShards.open(settings, [folder.listing.root / tar for tar in tars])
    except (OSError, RuntimeError, ValueError) as error:
        raise IngestError(f"{name}: {error}", hint="check the path") from error
    return folder


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
