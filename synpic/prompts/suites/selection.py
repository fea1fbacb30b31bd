"""Which items of a suite a recipe asks for."""

from __future__ import annotations

from collections.abc import Sequence

from synpic.errors import EvaluationError, did_you_mean
from synpic.prompts.suites.suite import SuiteItem

__all__ = ["chosen"]


def chosen(
    items: Sequence[SuiteItem], tags: Sequence[str] | None, limit: int | None, name: str
) -> list[SuiteItem]:
    """The items of ``tags``, and of these the first ``limit`` in equal shares.

    First comes the first item of each tag, then the second of each, and so on: a tag that has fewer
    leaves its share to the others, and what a limit takes is the beginning of what a larger one
    takes. So batches that were drawn stay as they are when it grows.

    Args:
        tags, limit: all if None.
        name: of the suite, for messages.

    Raises:
        EvaluationError: no item has one of ``tags``.
    """
    known = list(dict.fromkeys(item.tag for item in items))
    for tag in tags or ():
        if tag not in known:
            raise EvaluationError(
                f"suite.tags: no item of {name} has the tag {tag!r}.{did_you_mean(tag, known)}",
                hint=f"its tags are: {', '.join(known)}"
                if any(known)
                else "its items have no tags",
            )
    found: list[tuple[int, int, SuiteItem]] = []
    seen = dict.fromkeys(known, 0)
    for item in items:
        if tags is None or item.tag in tags:
            found.append((seen[item.tag], known.index(item.tag), item))
            seen[item.tag] += 1
    found.sort(key=lambda one: one[:2])
    return [item for _, _, item in found[:limit]]
