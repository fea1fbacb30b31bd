"""The questions of a suite's item, read from its specification."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from synpic.errors import EvaluationError, did_you_mean
from synpic.score.judges.questions import ImageQuestion, check_questions

__all__ = ["questions_of"]

_KEYS = ("id", "text", "parents", "answer", "category")

_HINT = (
    'a question looks like {"id": "2", "text": "Is the dog red?", "parents": ["1"]}; `answer` is '
    '"yes" if it is left out'
)


def questions_of(spec: Mapping[str, Any]) -> list[ImageQuestion]:
    """What ``spec["questions"]`` asks, in its order.

    Raises:
        EvaluationError: there is none, a field is missing, unknown or of another type, or the
            questions cannot be counted (:func:`synpic.score.judges.questions.check_questions`). It
            names the question and its field; the caller names the item.
    """
    given = spec.get("questions")
    if not isinstance(given, list | tuple):
        raise EvaluationError(
            f"questions: expected a list of questions, not {given!r}"
            if given is not None
            else "questions: there are none, and this judge asks them",
            hint=_HINT,
        )
    questions = [_question(one, f"questions[{at}]") for at, one in enumerate(given)]
    check_questions(questions, "questions")
    return questions


def _question(given: Any, where: str) -> ImageQuestion:
    if not isinstance(given, Mapping):
        raise EvaluationError(f"{where} is {given!r}, expected a table", hint=_HINT)
    for key in given:
        if key not in _KEYS:
            raise EvaluationError(
                f"{where}: unknown key {key!r}.{did_you_mean(str(key), _KEYS)}", hint=_HINT
            )
    answer = _text(given, "answer", where, "yes").strip()
    if not answer or len(answer.split()) > 1:
        raise EvaluationError(
            f"{where}.answer is {answer!r}, expected one word or number: the probability of an "
            "answer is that of its first token",
            hint="turn it into a question to which yes or no is right",
        )
    parents = given.get("parents", ())
    if not isinstance(parents, list | tuple) or not all(isinstance(one, str) for one in parents):
        raise EvaluationError(
            f"{where}.parents is {parents!r}, expected a list of ids, which are texts", hint=_HINT
        )
    return ImageQuestion(
        _text(given, "id", where),
        _text(given, "text", where),
        tuple(parents),
        answer,
        _text(given, "category", where, ""),
    )


def _text(given: Mapping[str, Any], key: str, where: str, default: str | None = None) -> str:
    value = given.get(key, default)
    if value is None and key not in given:
        raise EvaluationError(f"{where}.{key} is missing", hint=_HINT)
    if not isinstance(value, str) or (default is None and not value.strip()):
        raise EvaluationError(f"{where}.{key} is {value!r}, expected a text", hint=_HINT)
    return value
