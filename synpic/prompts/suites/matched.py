"""Images that exist already, and the items of a suite that their prompts are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa

from synpic.errors import EvaluationError, SynpicError
from synpic.prompts.fold import PromptTable
from synpic.prompts.suites.stored import current_suite
from synpic.readers.arrow import texts
from synpic.readers.display import count
from synpic.workspace import Snapshot

__all__ = ["require_items", "with_items"]


def with_items(snapshot: Snapshot, prompts: PromptTable) -> tuple[PromptTable, SynpicError | None]:
    """``prompts`` of images, with the item and the tag of each, where the recipe has a suite.

    Returns:
        The prompts, with null where one is none of the suite's; and what is wrong with the suite's
        lists, where it is read from ``suite.parquet`` alone.

    Raises:
        EvaluationError: none of them is the suite's.
        SynpicError: the suite cannot be read.
    """
    if snapshot.recipe.suite is None:
        return prompts, None
    suite, problem = current_suite(snapshot)
    rows = suite.table.select(["prompt_id", "item", "tag"]).to_pylist()
    known = {row["prompt_id"]: row for row in rows}
    found = [known.get(id_) for id_ in prompts.table.column("prompt_id").to_pylist()]
    require_items(prompts.table.column("prompt_id").to_pylist(), list(known), suite.name)
    table: pa.Table = prompts.table
    for name in ("item", "tag"):
        if name == "tag" and not any(row["tag"] for row in rows):
            continue
        column = texts([row and row[name] for row in found])
        if f"meta_{name}" in table.column_names:
            table = table.drop_columns([f"meta_{name}"])
        table = table.append_column(f"meta_{name}", column)
    return replace(prompts, table=table), problem


def require_items(prompts: Sequence[str], items: Sequence[str], name: str) -> None:
    """Insist that some images have an item.

    Args:
        prompts: ids of those of the images.
        items: ids of the prompts of the suite.
        name: of the suite.

    Raises:
        EvaluationError: none has one.
    """
    if set(items).isdisjoint(prompts):
        raise EvaluationError(
            f"none of the {count(len(prompts), 'prompt')} of the images is one of the "
            f"{count(len(items), 'item')} of the suite {name}",
            hint="images are judged by the item whose prompt is theirs, letter by letter",
        )
