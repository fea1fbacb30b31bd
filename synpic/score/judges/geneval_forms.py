"""GenEval's rule as a reward: the forms in which Flow-GRPO trains on it.

Source: ``reward_server/gen_eval.py`` of github.com/yifan123/reward-server at 92ac29f
(``evaluate_reward``), which Flow-GRPO (arXiv 2505.05470) asks for its rewards.
"""

from __future__ import annotations

from collections.abc import Sequence

from synpic.score.judges.geneval import (
    ColourOf,
    Detection,
    Specification,
    WantedObjects,
    confident,
    relations,
)

__all__ = ["geneval_forms"]


def geneval_forms(
    specification: Specification, detections: Sequence[Detection], colour_of: ColourOf
) -> dict[str, float]:
    """How much of what was asked for an image shows: ``graded``, and ``strict`` as 1 or 0.

    Strict: of each class wanted exactly ``count`` are there, each of the colour and each in the
    relation to each of the target's. What is excluded is not looked at, as there.

    Graded: the mean of, for each class wanted,

    - 1 − |count − found| / count, which is negative where there are more than twice as many; found
      is 16 at most;
    - where that is 1 and a colour is wanted: the same of those found that have it;
    - where all of that is right and a place is wanted: 1, with a 0 beside it where it is wrong and
      a 0 alone where its target is not as it was wanted;
    - where the number is wrong and a colour or place is wanted: 0.

    Args:
        detections: of the image, in any order.
        colour_of: called only where a colour is asked for.
    """
    objects = confident(detections, specification.tag)
    strict, points = True, list[float]()
    groups: list[Sequence[Detection] | None] = []
    for wanted in specification.include:
        found = objects.get(wanted.name, ())
        right, more = _points(wanted, found, colour_of, groups)
        strict, points = strict and right, points + more
        groups.append(found if right else None)
    return {
        "graded": sum(points) / len(points) if points else 0.0,
        "strict": float(strict),
    }


def _points(
    wanted: WantedObjects,
    found: Sequence[Detection],
    colour_of: ColourOf,
    groups: Sequence[Sequence[Detection] | None],
) -> tuple[bool, list[float]]:
    """Whether one class is as it was wanted, and what it adds to the mean."""
    points = [1 - abs(wanted.count - len(found)) / wanted.count]
    if len(found) != wanted.count:
        more = wanted.colour is not None or wanted.position is not None
        return False, points + [0.0] * more
    if wanted.colour is not None:
        coloured = sum(colour_of(one) == wanted.colour for one in found)
        points.append(1 - abs(wanted.count - coloured) / wanted.count)
        if coloured != wanted.count:
            return False, points
    if wanted.position is not None:
        relation, target = wanted.position.relation, groups[wanted.position.target]
        if target is None:
            return False, [*points, 0.0]
        right = all(relation in relations(a.box, b.box) for a in found for b in target)
        return right, [*points, *([] if right else [0.0]), 1.0]
    return True, points
