"""Which objects a prompt asks for, as GenEval's list writes them.

Ghosh et al., "GenEval" (arXiv 2310.11513); github.com/djghosh13/geneval at af4902f. The classes
are COCO's, three of them renamed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from synpic.errors import did_you_mean

__all__ = ["CLASSES", "COLOURS", "RELATIONS", "objects_problem"]

CLASSES = (
    *("person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat"),
    *("traffic light", "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat"),
    *("dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe", "backpack"),
    *("umbrella", "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard", "sports ball"),
    *("kite", "baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket"),
    *("bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple"),
    *("sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair"),
    *("couch", "potted plant", "bed", "dining table", "toilet", "tv", "laptop"),
    *("computer mouse", "tv remote", "computer keyboard", "cell phone", "microwave", "oven"),
    *("toaster", "sink", "refrigerator", "book", "clock", "vase", "scissors", "teddy bear"),
    *("hair drier", "toothbrush"),
)
"""What the detector knows, in COCO's order."""

COLOURS = (
    *("red", "orange", "yellow", "green", "blue"),
    *("purple", "pink", "brown", "black", "white"),
)
"""What an object can be classified as."""

RELATIONS = ("left of", "right of", "above", "below")
"""Where an object can be, seen from its target."""

_INCLUDE = {"class", "count", "color", "position"}
_EXCLUDE = {"class", "count"}


def objects_problem(objects: Any) -> str | None:
    """What is wrong with ``objects``, with its field; None if nothing is.

    Args:
        objects: ``{"include": [{"class", "count", "color"?, "position"?: [relation, index]}],
            "exclude"?: [{"class", "count"}]}``; an index counts from 0, to an earlier one.
    """
    if not isinstance(objects, Mapping):
        return f"objects: expected an object with the key include, found {objects!r:.60}"
    unknown = [key for key in objects if key not in ("include", "exclude")]
    if unknown:
        return f"objects: {unknown[0]!r:.60} is neither include nor exclude"
    include, exclude = objects.get("include"), objects.get("exclude", [])
    if not isinstance(include, list) or not include:
        return f"objects.include: expected a list of objects, found {include!r:.60}"
    if not isinstance(exclude, list):
        return f"objects.exclude: expected a list of objects, found {exclude!r:.60}"
    for at, one in enumerate(include):
        problem = _object(one, f"objects.include.{at}", _INCLUDE) or _more(one, at)
        if problem:
            return problem
    for at, one in enumerate(exclude):
        if problem := _object(one, f"objects.exclude.{at}", _EXCLUDE):
            return problem
    return None


def _object(one: Any, field: str, known: set[str]) -> str | None:
    if not isinstance(one, Mapping):
        return f"{field}: expected an object with class and count, found {one!r:.60}"
    unknown = [key for key in one if key not in known]
    if unknown:
        suggestion = did_you_mean(str(unknown[0]), known)
        return f"{field}: there is no field {unknown[0]!r:.60}.{suggestion}"
    name, count = one.get("class"), one.get("count")
    if name not in CLASSES:
        suggestion = did_you_mean(str(name), CLASSES)
        return f"{field}.class: {name!r:.60} is none of the detector's 80 classes.{suggestion}"
    if type(count) is not int or count < 1:
        return f"{field}.count: expected a whole number from 1 on, found {count!r:.60}"
    return None


def _more(one: Mapping[str, Any], at: int) -> str | None:
    """The colour and the position of what is wanted at ``at``."""
    field = f"objects.include.{at}"
    colour, position = one.get("color"), one.get("position")
    if colour is not None and colour not in COLOURS:
        suggestion = did_you_mean(str(colour), COLOURS)
        return f"{field}.color: {colour!r:.60} is none of {', '.join(COLOURS)}.{suggestion}"
    if position is None:
        return None
    if not isinstance(position, list) or len(position) != 2:
        return f"{field}.position: expected a relation and an index, found {position!r:.60}"
    relation, target = position
    if relation not in RELATIONS:
        suggestion = did_you_mean(str(relation), RELATIONS)
        return f"{field}.position: {relation!r:.60} is none of {', '.join(RELATIONS)}.{suggestion}"
    if type(target) is not int or not 0 <= target < at:
        earlier = f"from 0 to {at - 1}" if at else "of an earlier object, and this is the first"
        return f"{field}.position: expected an index {earlier}, found {target!r:.60}"
    return None
