"""Questions about an image that depend on each other, and the check that they can be counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from synpic.errors import EvaluationError

__all__ = ["ImageQuestion", "check_questions"]


@dataclass(frozen=True)
class ImageQuestion:
    """Something that is asked about an image.

    Args:
        id: within the prompt.
        text: what is asked.
        parents: ids of those without which it means nothing.
        answer: the right one: yes, no, a number or another word.
        category: what it asks about, as the suite calls it.
    """

    id: str
    text: str
    parents: tuple[str, ...] = ()
    answer: str = "yes"
    category: str = ""


def check_questions(questions: Sequence[ImageQuestion], prompt: str) -> None:
    """Refuse questions that cannot be counted.

    Args:
        prompt: what they are about, for the message.

    Raises:
        EvaluationError: there is none, one has no text, an id is there twice, a parent is missing,
            or questions depend on each other in a circle; it names the question.
    """
    parents = {one.id: one.parents for one in questions}
    if not questions:
        raise EvaluationError(f"{prompt}: no question", hint="a prompt needs at least one")
    if len(parents) < len(questions):
        twice = next(one.id for one in questions if [q.id for q in questions].count(one.id) > 1)
        raise EvaluationError(
            f"{prompt}: two questions have the id {twice!r}", hint="give each an id of its own"
        )
    for one in questions:
        if not one.text.strip():
            raise EvaluationError(
                f"{prompt}: question {one.id!r} has no text",
                hint="write what is asked of the image",
            )
        for parent in one.parents:
            if parent not in parents:
                raise EvaluationError(
                    f"{prompt}: question {one.id!r} depends on {parent!r}, which is none of "
                    f"{', '.join(parents)}",
                    hint="a parent is the id of another question of the prompt",
                )
    _refuse_circles(parents, prompt)


def _refuse_circles(parents: Mapping[str, Sequence[str]], prompt: str) -> None:
    from graphlib import CycleError, TopologicalSorter

    try:
        TopologicalSorter(parents).prepare()
    except CycleError as error:
        way = " → ".join(error.args[1])
        raise EvaluationError(
            f"{prompt}: questions depend on each other in a circle: {way}",
            hint="take one of these dependencies away",
        ) from error
