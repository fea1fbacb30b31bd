"""Images that exist already, and the items of a suite that their prompts are."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa

from synpic.errors import EvaluationError, SynpicError
from synpic.prompts.fold import PromptTable
from synpic.prompts.suites.stored import current_suite
from synpic.readers.arrow import texts
from synpic.readers.display import count
from synpic.workspace import Snapshot

__all__ = ["with_items"]


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
    if not any(found):
        raise EvaluationError(
            f"none of the {count(len(found), 'prompt')} of the images is one of the "
            f"{count(len(rows), 'item')} of the suite {suite.name}",
            hint="images are judged by the item whose prompt is theirs, letter by letter",
        )
    table: pa.Table = prompts.table
    for name in ("item", "tag"):
        if name == "tag" and not any(row["tag"] for row in rows):
            continue
        column = texts([row and row[name] for row in found])
        if f"meta_{name}" in table.column_names:
            table = table.drop_columns([f"meta_{name}"])
        table = table.append_column(f"meta_{name}", column)
    return replace(prompts, table=table), problem
