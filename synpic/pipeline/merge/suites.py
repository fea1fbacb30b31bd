"""The suite of several workspaces: one and the same, or none."""

from __future__ import annotations

from collections.abc import Sequence

from synpic.pipeline.merge.source import Clash, Source
from synpic.workspace.storage import Store
from synpic.workspace.suite import read_suite

__all__ = ["joined_suite"]


def joined_suite(sources: Sequence[Source]) -> tuple[Store | None, list[Clash]]:
    """Where the file of the suite lies, which goes along; and where two have others.

    Raises:
        CorruptPart: naming a file that is damaged.
    """
    found = [(source, read_suite(source.workspace)) for source in sources]
    held = [(source, suite) for source, suite in found if suite.name]
    if not held:
        return None, []
    (first, suite), *others = held
    clashes = [
        Clash(
            "suite",
            f"suite {suite.name} {suite.version} in {first.name}, {other.name} {other.version} in "
            f"{source.name}" + (", with other items" if other.identity == suite.identity else ""),
        )
        for source, other in others
        if other != suite
    ]
    return first.workspace.store, clashes
