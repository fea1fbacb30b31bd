"""A specification of objects, as GenEval's file and suites have it, for the rule."""

from __future__ import annotations

from synpic.errors import EvaluationError
from synpic.prompts.suites.objects import objects_problem
from synpic.score.judges.geneval import Position, Specification, WantedObjects
from synpic.score.judges.judge import Requirement

__all__ = ["specification"]


def specification(requirement: Requirement) -> Specification:
    """What ``requirement`` asks for, from ``objects`` of its specification.

    Args:
        requirement: with ``spec["objects"]``: ``include``, a list of ``class``, ``count`` and
            perhaps ``color`` and ``position`` (a relation, and the place in the list of what it
            relates to), and perhaps ``exclude``, a list of ``class`` and ``count``.

    Raises:
        EvaluationError: there is none, a key is missing, unknown or of another kind; a class,
            colour or relation is unknown; a count is below 1; a position relates to nothing before
            it. The message names the key.
    """
    objects = requirement.spec.get("objects")
    problem = (
        "objects: there is none, and objects are what this judge looks for"
        if objects is None
        else objects_problem(objects)
    )
    if objects is None or problem is not None:
        raise EvaluationError(
            str(problem),
            hint='"objects" has the form {"include": [{"class": "dog", "count": 1}]}: see '
            "docs/geneval.md",
        )
    return Specification(
        requirement.tag,
        tuple(
            WantedObjects(
                one["class"],
                one["count"],
                one.get("color"),
                Position(*one["position"]) if one.get("position") else None,
            )
            for one in objects["include"]
        ),
        tuple((one["class"], one["count"]) for one in objects.get("exclude", ())),
    )
