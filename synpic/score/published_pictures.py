"""Pictures whose scores were published: fetched where they lie, held to a hash, kept."""

from __future__ import annotations

from typing import TypeAlias

from synpic.errors import RewardError
from synpic.hub.published_files import PublishedFile, fetch_published

__all__ = ["Picture", "fetch"]

Picture: TypeAlias = PublishedFile
"""One that an upstream published."""


def fetch(picture: Picture) -> bytes:
    """The file, as it was when it was scored; from the cache where it is there.

    Raises:
        RewardError: it is not found, or is another.
    """
    return fetch_published(
        picture,
        what="the picture whose score was published",
        error=RewardError,
        hint="published scores are of pictures that do not come with synpic; connect, and try "
        "again",
    )
