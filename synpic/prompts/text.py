"""A prompt a line, in UTF-8."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from synpic.errors import PromptError
from synpic.readers.arrow import texts
from synpic.readers.text import lines, require_texts

__all__ = ["read_text"]


def read_text(data: bytes, where: str) -> Iterator[pa.Table]:
    """One table: the column ``prompt``, a row a line.

    Raises:
        PromptError: the file is not UTF-8, or a line is refused.
    """
    found = lines(data, where, error=PromptError)
    require_texts(found, "the prompt", lambda row: f"{where}:{row + 1}", error=PromptError)
    yield pa.Table.from_arrays([texts(found)], ["prompt"])
