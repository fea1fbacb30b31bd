"""Prompts that a program makes: a world registered under a name, or ``package.module:callable``.

A world is a callable ``source(*, count, seed, split)`` that gives ``count`` mappings, no two of
one prompt, each with the key "prompt", perhaps "split", and anything worth keeping beside them.
The same arguments give the same rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import pyarrow as pa

from synpic.errors import PromptError
from synpic.prompts.columns import choose, table_of
from synpic.readers.tables import columns_of, rows_from
from synpic.registry.own_code import naming_own_errors

__all__ = ["World", "read_world"]

World = Callable[..., Iterable[Mapping[str, Any]]]


def read_world(
    source: World, where: str, *, count: int, seed: int, split: str, keep: Sequence[str] | None
) -> Iterator[pa.Table]:
    """One table of the first ``count`` rows that ``source`` gives.

    Raises:
        PromptError: it fails, or gives something else than rows with prompts.
    """
    hint = "a world is called as source(count=…, seed=…, split=…) and gives mappings"
    with naming_own_errors(f"{where}: it failed", PromptError, hint):
        # A world may go on for ever; what it was asked for is what is taken.
        rows = list(islice(source(count=count, seed=seed, split=split), count))
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, Mapping):
            raise PromptError(
                f"{where}: row {number} is of type {type(row).__name__}, not a mapping",
                hint='a world gives rows like {"prompt": "a red circle"}',
            )
    if rows:
        at = rows_from(where, 0)
        columns = choose(columns_of(rows, at, error=PromptError), None, keep, where)
        yield table_of(rows, columns, where, at)
