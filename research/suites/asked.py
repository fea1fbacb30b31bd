"""What a prompt of the embedded world asks for, as suites of others would write it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from synpic.score.judges.geneval import Position, Relation, Specification, WantedObjects
from synpic.shapes.meaning import Meaning

__all__ = ["NUMBERS", "noun_phrases", "plural", "question_graph", "wanted_objects"]

NUMBERS = ("zero", "one", "two", "three", "four")


def plural(shape: str) -> str:
    """``crosses`` of ``cross``."""
    return f"{shape}es" if shape == "cross" else f"{shape}s"


def wanted_objects(meaning: Meaning) -> Specification:
    """As a line of GenEval's list: position lists its target first, counting excludes one more."""
    first = meaning.things[0]
    if meaning.count > 1:
        return Specification(
            "counting",
            (WantedObjects(first.shape, meaning.count, first.colour),),
            ((first.shape, meaning.count + 1),),
        )
    target, *others = reversed(meaning.things)
    place = Position(cast(Relation, meaning.relation), 0) if meaning.relation else None
    return Specification(
        meaning.task,
        (
            WantedObjects(target.shape, 1, target.colour),
            *(WantedObjects(one.shape, 1, one.colour, place) for one in others),
        ),
    )


def question_graph(meaning: Meaning) -> dict[str, Any]:
    """As an item of DPG-Bench, DSG and GenEval 2: questions, each with those it depends on."""
    questions: list[dict[str, Any]] = []

    def ask(text: str, category: str, parents: Sequence[str] = (), answer: str = "yes") -> str:
        name = f"{len(questions) + 1}"
        asked = {"id": name, "text": text, "parents": list(parents), "category": category}
        questions.append({**asked, "answer": answer})
        return name

    there = []
    for thing in meaning.things:
        there.append(ask(f"Is there a {thing.shape}?", "entity - whole"))
        if thing.colour:
            ask(f"Is the {thing.shape} {thing.colour}?", "attribute - color", there[-1:])
    if len(meaning.things) == 1:
        several = plural(meaning.things[0].shape)
        ask(f"How many {several} are there?", "other - count", there, NUMBERS[meaning.count])
    if meaning.relation:
        a, b = (thing.shape for thing in meaning.things)
        ask(f"Is the {a} {meaning.relation} the {b}?", "relation - spatial", there)
    if meaning.background:
        ask(f"Is the background {meaning.background}?", "global")
    return {"questions": questions}


def noun_phrases(meaning: Meaning) -> list[str]:
    """As T2I-CompBench asks about them: ``two red circles``, ``a grey background``."""
    phrases = []
    for thing in meaning.things:
        noun = thing.shape if meaning.count == 1 else plural(thing.shape)
        number = "a" if meaning.count == 1 else NUMBERS[meaning.count]
        phrases.append(" ".join(filter(None, (number, thing.colour, noun))))
    if meaning.background:
        phrases.append(f"a {meaning.background} background")
    return phrases
