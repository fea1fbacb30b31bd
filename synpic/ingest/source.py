"""The protocol of a source of images, whatever its kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import polars as pl

from synpic.engine.progress import Listener
from synpic.ingest.labels.forms import FoundLabels

__all__ = ["FOUND", "FoundImages", "ImageSource", "Reader"]

FOUND = {
    "key": pl.String,
    "prompt": pl.String,
    "label": pl.String,
    "place": pl.String,
    "file": pl.String,
    "group": pl.Int32,
    "row": pl.Int64,
    "column": pl.String,
    "bytes": pl.Int64,
    "stamp": pl.String,
    "problem": pl.String,
    "element": pl.Int32,
    "meta": pl.String,
}
"""One image that a source has, found without its pixels:

- ``key``: what tells the image from all others: the hash of its bytes, or an id that the source
  gives it, or its place at a commit
- ``prompt``: as it stands there, null where there is none; ``label``: the source's name of the
  model that drew it, null where it says nothing
- ``place``: for people; ``file`` (of a folder as :func:`synpic.ingest.listing.spelt` spells it),
  ``group``, ``row`` and ``column``: for the reader
- ``bytes``: about how many; ``stamp``: while it holds, the file need not be looked at again
- ``problem``: why it cannot be ingested, null if it can as far as is known
- ``element``: which of the images of its cell it is, null where a cell is one image
- ``meta``: what else the source says, as :func:`synpic.ingest.meta.kept_values` gives it
"""


@dataclass(frozen=True)
class FoundImages:
    """What a source has.

    Args:
        rows: every image, in order; columns of ``FOUND``.
        name: of the source, with what it holds: ``pictures@1a2b3c4d``.
        notes: what was not read, and why; a sentence each.
        labels: which of its images are preferred; None where it does not say.
    """

    rows: pl.DataFrame
    name: str
    notes: Sequence[str] = ()
    labels: FoundLabels | None = None


class Reader(Protocol):
    """Reads images where they lie."""

    def read(self, rows: Sequence[Mapping[str, Any]]) -> list[bytes | None]:
        """The encoded images of ``rows`` of an index, in their order; None where there is none.

        Raises:
            IngestError, HubUnreachable: nothing can be read any more.
        """
        ...

    def close(self) -> None:
        """Close what is open."""
        ...


class ImageSource(Protocol):
    """A source that is known to exist."""

    @property
    def what(self) -> str:
        """In the fingerprint of its images: nothing of where it lies, or of what changes as it
        grows."""
        ...

    @property
    def identity(self) -> dict[str, Any]:
        """What decides what is found; plain JSON values."""
        ...

    def find(self, before: pl.DataFrame, listener: Listener | None) -> FoundImages:
        """Every image.

        Args:
            before: what was found the last time; empty if nothing was.
            listener: receives progress.

        Raises:
            IngestError: it cannot be read, lacks what the recipe names, or no image has a prompt.
        """
        ...

    def reader(self) -> Reader:
        """What reads the images that were found."""
        ...
