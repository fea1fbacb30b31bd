"""What a source of prompts is, to the code that reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

__all__ = ["PromptSource"]


@dataclass(frozen=True)
class PromptSource:
    """A source that is known to exist, and has not been read yet.

    Args:
        name: the column ``source``: ``prompts.txt@1a2b3c4d``, ``owner/name@<commit>``,
            ``world:shapes@seed=0``.
        identity: what decides its rows: a file's hash, a dataset's commit, a world's settings.
            Plain JSON values.
        batches: reads it, as tables with a column ``prompt``, perhaps ``split`` and
            ``source`` (of joined prompts, where each is from), and ``meta_*``.
    """

    name: str
    identity: dict[str, Any]
    batches: Callable[[], Iterator[pa.Table]]
