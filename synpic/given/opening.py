"""From the recipe's ``[given]`` to a source."""

from __future__ import annotations

from synpic.errors import GivenError
from synpic.given.dataset import Dataset
from synpic.given.folder import Folder
from synpic.given.source import Source
from synpic.recipe import GivenSettings
from synpic.workspace import Workspace

__all__ = ["open_source"]


def open_source(workspace: Workspace) -> Source:
    """The source that the recipe of ``workspace`` names, known to be there.

    Raises:
        GivenError: the recipe names none, or what is no source.
        GivenGone: it is not there.
        CheckpointError: there is no such dataset, or the Hub cannot be reached.
    """
    settings = settings_of(workspace)
    if settings.images is not None:
        return Folder.open(settings, workspace)
    return Dataset.open(settings, workspace)


def settings_of(workspace: Workspace) -> GivenSettings:
    """The recipe's ``[given]``.

    Raises:
        GivenError: it has none.
    """
    settings = workspace.recipe.given
    if settings is None:
        raise GivenError(
            "the recipe names no images that exist already: it has no [given]",
            hint="`synpic generate` draws what it wants; docs/existing-images.md tells of [given]",
        )
    return settings
