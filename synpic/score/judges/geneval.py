"""GenEval's rule: objects that a detector found, against what a prompt asked for.

Ghosh et al., "GenEval" (arXiv 2310.11513); as their evaluation computes it
(github.com/djghosh13/geneval at af4902f, ``evaluation/evaluate_images.py``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast, get_args

from synpic.prompts.suites.objects import COLOURS
from synpic.score.judges.verdict import Verdict, VerdictPart

__all__ = [
    "COLOURS",
    "THRESHOLD",
    "Box",
    "ColourOf",
    "Detection",
    "Objects",
    "Position",
    "Relation",
    "Specification",
    "WantedObjects",
    "confident",
    "judge_objects",
    "relations",
]

THRESHOLD = 0.3
"""A detection counts above it."""

COUNTING_THRESHOLD = 0.9
"""The same where things are counted: a doubtful one more would be one too many."""

MOST = 16
"""Detections of a class that count, the most confident."""

_SLACK = 0.1
_NOTHING = 1e-3
_CLEARLY = 0.5

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels, the last two beyond it."""

Relation = Literal["left of", "right of", "above", "below"]


@dataclass(frozen=True)
class Detection:
    """Something that a detector found.

    Args:
        name: its class.
        box: where.
        score: how sure, 0 … 1.
    """

    name: str
    box: Box
    score: float


@dataclass(frozen=True)
class Position:
    """Where something has to be.

    Args:
        relation: to the other.
        target: the other: its place in the list of what is wanted, before this one.
    """

    relation: Relation
    target: int


@dataclass(frozen=True)
class WantedObjects:
    """Objects that have to be there.

    Args:
        name: their class.
        count: how many, at least 1.
        colour: of each, one of :data:`COLOURS`.
        position: of each.
    """

    name: str
    count: int
    colour: str | None = None
    position: Position | None = None


@dataclass(frozen=True)
class Specification:
    """What a prompt asks for.

    Args:
        tag: the kind of task: "counting", say.
        include: what has to be there.
        exclude: classes, each with the number from which there are too many.
    """

    tag: str
    include: tuple[WantedObjects, ...]
    exclude: tuple[tuple[str, int], ...] = ()


Objects = Mapping[str, Sequence[Detection]]
"""Of each class, what counts, the most confident first."""

ColourOf = Callable[[Detection], str]
"""The colour of what was detected, one of :data:`COLOURS`."""


def confident(detections: Sequence[Detection], tag: str) -> Objects:
    """Those that count, of each class.

    Args:
        tag: of the prompt.
    """
    least = COUNTING_THRESHOLD if tag == "counting" else THRESHOLD
    objects: dict[str, list[Detection]] = {}
    for one in sorted(detections, key=lambda found: -found.score):
        if one.score > least:
            objects.setdefault(one.name, []).append(one)
    return {name: found[:MOST] for name, found in objects.items()}


def judge_objects(
    specification: Specification, detections: Sequence[Detection], colour_of: ColourOf
) -> Verdict:
    """Whether an image shows what was asked for.

    Of each class wanted, the ``count`` most confident have to be there, each of the colour and each
    in the relation to each of the target's. More do not matter, but for what is excluded.

    Args:
        detections: of the image, in any order.
        colour_of: called only where a colour is asked for.
    """
    objects = confident(detections, specification.tag)
    parts: list[VerdictPart] = []
    groups: list[Sequence[Detection] | None] = []
    for at, wanted in enumerate(specification.include):
        found = objects.get(wanted.name, [])[: wanted.count]
        wrong, answer = _fault(wanted, found, colour_of, specification, groups)
        groups.append(None if wrong else found)
        question = _question(wanted, specification)
        parts.append(VerdictPart(f"include {at}", question, answer, None, not wrong))
    for at, (name, too_many) in enumerate(specification.exclude):
        there = len(objects.get(name, ()))
        question = f"fewer than {too_many} {name}"
        parts.append(VerdictPart(f"exclude {at}", question, f"{there}", None, there < too_many))
    reasons = [f"{part.question}: {part.answer}" for part in parts if not part.correct]
    return Verdict(not reasons, None, tuple(parts), "; ".join(reasons))


def _fault(
    wanted: WantedObjects,
    found: Sequence[Detection],
    colour_of: ColourOf,
    specification: Specification,
    groups: Sequence[Sequence[Detection] | None],
) -> tuple[bool, str]:
    """Whether something is wrong, and what was found."""
    if len(found) < wanted.count:
        return True, f"{len(found)} found"
    said = f"{len(found)} found"
    if wanted.colour is not None:
        colours = [colour_of(one) for one in found]
        said = ", ".join(colours)
        if any(one != wanted.colour for one in colours):
            return True, said
    if wanted.position is not None:
        target = groups[wanted.position.target]
        name = specification.include[wanted.position.target].name
        if target is None:
            return True, f"no {name} to be {wanted.position.relation}"
        for one in found:
            for other in target:
                seen = relations(one.box, other.box)
                if wanted.position.relation not in seen:
                    return True, " and ".join(sorted(seen)) or "neither side"
        said = wanted.position.relation
    return False, said


def _question(wanted: WantedObjects, specification: Specification) -> str:
    question = " ".join(filter(None, [str(wanted.count), wanted.colour, wanted.name]))
    if wanted.position is None:
        return question
    target = specification.include[wanted.position.target].name
    return f"{question} {wanted.position.relation} the {target}"


def relations(box: Box, target: Box) -> frozenset[Relation]:
    """In which relations ``box`` is to ``target``; in none where they are about in one place.

    Along each axis the distance of the centres is shortened by a tenth of both sizes. What is left,
    divided by the distance of the centres, has to be above ½.
    """
    apart = [(box[axis] + box[axis + 2] - target[axis] - target[axis + 2]) / 2 for axis in (0, 1)]
    sizes = [box[axis + 2] - box[axis] + target[axis + 2] - target[axis] for axis in (0, 1)]
    left = [
        math.copysign(max(abs(distance) - _SLACK * size, 0.0), distance)
        for distance, size in zip(apart, sizes, strict=True)
    ]
    if all(abs(rest) < _NOTHING for rest in left):
        return frozenset()
    across, down = (rest / math.hypot(*apart) for rest in left)
    seen = {
        "left of": across < -_CLEARLY,
        "right of": across > _CLEARLY,
        "above": down < -_CLEARLY,
        "below": down > _CLEARLY,
    }
    return frozenset(one for one in cast(tuple[Relation, ...], get_args(Relation)) if seen[one])
