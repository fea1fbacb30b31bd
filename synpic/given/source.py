"""What a source of given images is, whatever its kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import polars as pl

from synpic.engine.progress import Listener

__all__ = ["FOUND", "Reader", "Source"]

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
}
"""One image that a source has, found without its pixels:

- ``key``: what tells the image from all others: the hash of its bytes, or an id that the source
  gives it, or its place at a commit
- ``prompt``: as it stands there, null where there is none; ``label``: the source's name of the
  model that drew it, null where it says nothing
- ``place``: for people; ``file``, ``group``, ``row`` and ``column``: for the reader
- ``bytes``: about how many; ``stamp``: while it holds, the file need not be looked at again
- ``problem``: why it cannot be gathered, null if it can as far as is known
"""


class Reader(Protocol):
    """Reads images where they lie."""

    def read(self, rows: Sequence[Mapping[str, Any]]) -> list[bytes | None]:
        """The encoded images of ``rows`` of an index, in their order; None where there is none.

        Raises:
            GivenError, HubUnreachable: nothing can be read any more.
        """
        ...

    def close(self) -> None:
        """Close what is open."""
        ...


class Source(Protocol):
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

    def find(self, before: pl.DataFrame, listener: Listener | None) -> tuple[pl.DataFrame, str]:
        """Every image, in order, and the source's name with what it holds: ``pictures@1a2b3c4d``.

        Args:
            before: what was found the last time; empty if nothing was.
            listener: is told of progress.

        Raises:
            GivenError: it cannot be read, or lacks what the recipe names.
        """
        ...

    def reader(self) -> Reader:
        """What reads the images that were found."""
        ...
