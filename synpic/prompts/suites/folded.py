"""The items of a list, checked: those that ask the same of one prompt are one item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from synpic import ids
from synpic.errors import EvaluationError
from synpic.prompts.suites.suite import SuiteContent, SuiteItem
from synpic.readers.display import count
from synpic.readers.text import is_blank

__all__ = ["SourcedItem", "folded"]


@dataclass(frozen=True)
class SourcedItem:
    """An item, and where its list has it.

    Args:
        place: file and line, for messages.
    """

    item: SuiteItem
    place: str


def folded(items: Sequence[SourcedItem], remarks: Sequence[str] = ()) -> SuiteContent:
    """The items of a list, those of one prompt as one: the first of them.

    Args:
        remarks: what was found before.

    Raises:
        EvaluationError: an item has no prompt, two have one name, or two of one prompt ask
            different things; it names the places.
    """
    named: dict[str, str] = {}
    first: dict[str, SourcedItem] = {}
    for one in items:
        if is_blank(one.item.prompt):
            raise EvaluationError(
                f"{one.place}: prompt: expected a text, found {one.item.prompt!r:.60}",
                hint="each item has a prompt; take the line out, or write one",
            )
        if one.item.item in named:
            raise EvaluationError(
                f"{one.place}: item: {one.item.item!r} is also the item of {named[one.item.item]}",
                hint="give each item a name of its own",
            )
        named[one.item.item] = one.place
        other = first.setdefault(ids.prompt_id(one.item.prompt), one)
        if (one.item.tag, one.item.spec) != (other.item.tag, other.item.spec):
            raise EvaluationError(
                f"{one.place} and {other.place} ask different things of one prompt, "
                f"{one.item.prompt!r:.80}",
                hint="its images are judged once: leave one out, or make them one item",
            )
    twice = len(items) - len(first)
    if twice:
        remarks = [*remarks, f"{count(twice, 'repeated item')} left out"]
    return SuiteContent([one.item for one in first.values()], remarks)
