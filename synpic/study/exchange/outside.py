"""Comparisons as others get them: which image is first, at random, and the folder they go into."""

from __future__ import annotations

import random
from pathlib import Path

from synpic.errors import PublishError
from synpic.pipeline.inventory import take_inventory
from synpic.study.definition import ShownImage, Study
from synpic.study.pictures import Pictures
from synpic.workspace import Workspace

__all__ = ["encoded_pair", "pictures_of", "require_new_folder", "sides"]


def sides(study: Study, comparison: str) -> tuple[ShownImage, ShownImage]:
    """The two images of a comparison as they are shown elsewhere, the left one first.

    The lot depends on study and comparison alone: answers that come back are read by it.

    Raises:
        KeyError: the study has no such comparison.
    """
    one = study.by_id[comparison]
    turned = random.Random(f"outside/{study.fingerprint}/{comparison}").random() < 0.5
    return (one.second, one.first) if turned else (one.first, one.second)


def pictures_of(workspace: Workspace) -> Pictures:
    """The images of a workspace, as raters see them."""
    inventory = take_inventory(workspace)
    return Pictures(workspace.images(inventory.image_folders()))


def encoded_pair(pictures: Pictures, study: Study, comparison: str) -> tuple[bytes, bytes]:
    """Both images of a comparison as WebP, the left one first.

    Raises:
        WorkspaceError, CorruptPart: one of them is gone, or damaged.
        ImageError: one is no whole image.
    """
    left, right = sides(study, comparison)
    return pictures.get(left, right), pictures.get(right, left)


def require_new_folder(target: Path) -> None:
    """Refuse a place where something is.

    Raises:
        PublishError: there is.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise PublishError(
            f"{target}: there is something already", hint="name a folder that does not exist yet"
        )
