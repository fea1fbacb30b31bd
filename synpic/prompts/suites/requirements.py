"""What an item asks for beside its prompt, checked field by field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from synpic.errors import EvaluationError, did_you_mean
from synpic.prompts.suites.objects import objects_problem
from synpic.prompts.suites.questions import ImageQuestion, check_questions

__all__ = ["FIELDS", "requirement"]

FIELDS = ("objects", "questions", "phrases", "text")
"""What an item may ask for."""

_QUESTION = ("id", "text", "parents", "answer", "category")


def requirement(found: Mapping[str, Any], place: str) -> dict[str, Any]:
    """The ``spec`` of an item, from the fields that a file gives it.

    A question may be a text alone; its id is then its number, from 1. Fields that are null are left
    out.

    Args:
        found: some of :data:`FIELDS`.
        place: the file and line, for messages.

    Raises:
        EvaluationError: naming ``place`` and the field that is wrong.
    """
    spec: dict[str, Any] = {}
    if (objects := _plain(found.get("objects"))) is not None:
        if problem := objects_problem(objects):
            raise EvaluationError(
                f"{place}: {problem}",
                hint='objects are written {"include": [{"class": "dog", "count": 1}]} (docs/'
                "suites-own.md)",
            )
        spec["objects"] = objects
    if (questions := _plain(found.get("questions"))) is not None:
        spec["questions"] = _questions(questions, place)
    if (phrases := _plain(found.get("phrases"))) is not None:
        spec["phrases"] = _phrases(phrases, place)
    if (text := found.get("text")) is not None:
        spec["text"] = _text(text, place, "text")
    return spec


def _plain(value: Any) -> Any:
    """``value`` without the keys that are null: a Parquet file has every key in every row."""
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items() if one is not None}
    return [_plain(one) for one in value] if isinstance(value, list) else value


def _questions(found: Any, place: str) -> list[dict[str, Any]]:
    if not isinstance(found, list):
        raise EvaluationError(
            f"{place}: questions: expected a list, found {found!r:.60}",
            hint='questions are written ["Is there a dog?"], or [{"id": "1", "text": …}]',
        )
    made = [_question(one, number, place) for number, one in enumerate(found, start=1)]
    asked = [ImageQuestion(one["id"], one["text"], tuple(one["parents"])) for one in made]
    check_questions(asked, f"{place}: questions")
    return made


def _question(one: Any, number: int, place: str) -> dict[str, Any]:
    where = f"questions.{number - 1}"
    if isinstance(one, str):
        one = {"text": one}
    if not isinstance(one, Mapping):
        raise EvaluationError(
            f"{place}: {where}: expected a text or an object, found {one!r:.60}",
            hint='a question is written "Is there a dog?", or {"id": "1", "text": …}',
        )
    for key in one:
        if key not in _QUESTION:
            suggestion = did_you_mean(str(key), _QUESTION)
            raise EvaluationError(
                f"{place}: {where}: there is no field {key!r:.60}.{suggestion}",
                hint=f"a question has: {', '.join(_QUESTION)}",
            )
    parents = one.get("parents", [])
    if not isinstance(parents, list):
        raise EvaluationError(
            f"{place}: {where}.parents: expected a list of ids, found {parents!r:.60}",
            hint="name the questions without which this one means nothing",
        )
    question: dict[str, Any] = {
        "id": _id(one.get("id", number), place, f"{where}.id"),
        "text": _text(one.get("text"), place, f"{where}.text"),
        "parents": [_id(parent, place, f"{where}.parents") for parent in parents],
    }
    for key in ("answer", "category"):
        if key in one:
            question[key] = _text(one[key], place, f"{where}.{key}")
    return question


def _id(value: Any, place: str, field: str) -> str:
    """A number is an id too."""
    if type(value) is int:
        return str(value)
    return _text(value, place, field)


def _phrases(found: Any, place: str) -> list[str]:
    if not isinstance(found, list) or not found:
        raise EvaluationError(
            f"{place}: phrases: expected a list of texts, found {found!r:.60}",
            hint='phrases are written ["a red bench", "a blue bowl"]',
        )
    return [_text(one, place, f"phrases.{number}") for number, one in enumerate(found)]


def _text(value: Any, place: str, field: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise EvaluationError(
            f"{place}: {field}: expected a text, found {value!r:.60}",
            hint="write one, or leave the field out where it may be left out",
        )
    return value
