"""The position bias of a workspace's comparers, as its comparisons show it."""

from __future__ import annotations

from collections.abc import Iterable

from synpic.engine.task import Task
from synpic.rank import PositionBias
from synpic.workspace import Workspace

__all__ = ["bias_remarks", "bias_warning"]


def bias_remarks(workspace: Workspace, tasks: Iterable[Task]) -> list[str]:
    """A line for each comparer that has compared anything, and a warning where its bias is strong.

    Raises:
        CorruptPart, NewerSchema: naming the first part that cannot be read.
    """
    lines = []
    for task in tasks:
        found = PositionBias.of(workspace.comparisons(task.output.folder))
        if found is not None:
            lines.append(f"{task.name}: {found.described}")
            lines += [bias_warning(task.name)] if found.strong else []
    return lines


def bias_warning(name: str) -> str:
    """What a strong position bias means, and what to do."""
    return (
        f"warning: {name}: its answers depend on the order more than on the images, and the mean "
        "of both orders says little; try another question, model or comparer"
    )
