"""What a prompt means: the things asked for, how they stand, and the background.

A :class:`Meaning` is written as plain English in one of several wordings (:func:`write`) and read
back from the words with certainty (:func:`parse`); every word of the world is in :data:`WORDS`.
The six tasks are those of GenEval (Ghosh et al., arXiv 2310.11513).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from synpic.errors import PromptError
from synpic.shapes.scene import BACKGROUNDS, COLOURS, SHAPES, Scene, arrange

__all__ = [
    "OPPOSITE",
    "RELATIONS",
    "TASKS",
    "WORDS",
    "Asked",
    "Meaning",
    "illustrate",
    "parse",
    "wordings",
    "write",
]

TASKS = ("single", "two", "counting", "colours", "position", "colour_attribution")

RELATIONS: dict[str, tuple[int, int]] = {
    "left of": (1, 0),
    "right of": (-1, 0),
    "above": (0, 1),
    "below": (0, -1),
}
"""Relation of the first thing to the second → direction from the first to the second, y down."""

OPPOSITE = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}

_NUMBERS = {2: "two", 3: "three", 4: "four"}
_PLURALS = {shape: shape + ("es" if shape == "cross" else "s") for shape in SHAPES}


@dataclass(frozen=True, slots=True)
class Asked:
    """A thing asked for: a shape, and a colour or ``None`` where any will do."""

    shape: str
    colour: str | None = None


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a picture must show.

    ``things`` holds one entry (``count`` copies of it are wanted) or two (``count`` is 1), with
    ``relation`` of the first to the second or ``None``; ``background`` ``None`` means any.
    """

    things: tuple[Asked, ...]
    count: int = 1
    relation: str | None = None
    background: str | None = None

    @property
    def task(self) -> str:
        """The GenEval task that this is an instance of, one of ``TASKS``."""
        if len(self.things) == 1:
            if self.count > 1:
                return "counting"
            return "colours" if self.things[0].colour else "single"
        if self.relation:
            return "position"
        return "colour_attribution" if self.things[0].colour else "two"

    @property
    def wanted(self) -> tuple[Asked, ...]:
        """Every thing the picture must show, as often as it must."""
        return self.things * self.count

    @property
    def combination(self) -> Meaning:
        """The same meaning without background and in a canonical order of its things.

        Two prompts share a combination when the same pictures satisfy both, whatever the
        background: "a star above a cross" and "a cross below a star".
        """
        if len(self.things) == 1 or _order(self.things[0]) <= _order(self.things[1]):
            return replace(self, background=None)
        relation = OPPOSITE[self.relation] if self.relation else None
        return replace(self, things=self.things[::-1], relation=relation, background=None)


def _order(thing: Asked) -> tuple[str, str]:
    return thing.shape, thing.colour or ""


_SINGLE = ("{a}", "one {a_bare}", "a picture of {a}", "an image of {a}", "{a} alone", "just {a}")
_MANY = ("{n}", "a picture of {n}", "an image of {n}", "{n} together", "a group of {n}")
_TWO = ("{a} and {b}", "{a} with {b}", "{a} next to {b}", "{a} beside {b}", "{a} near {b}")
_RELATION_WORDS = {
    "left of": ("left of", "to the left of", "on the left of"),
    "right of": ("right of", "to the right of", "on the right of"),
    "above": ("above", "over", "on top of"),
    "below": ("below", "under", "beneath"),
}
_BACKGROUND = " on a {background} background"


def _noun(thing: Asked, *, article: bool = True) -> str:
    bare = f"{thing.colour} {thing.shape}" if thing.colour else thing.shape
    if not article:
        return bare
    return f"{'an' if bare[0] in 'aeiou' else 'a'} {bare}"


def wordings(meaning: Meaning) -> list[str]:
    """Every text that says ``meaning`` with its things in the order given; no two are equal."""
    first = meaning.things[0]
    if len(meaning.things) == 2:
        a, b = map(_noun, meaning.things)
        if meaning.relation is None:
            texts = [form.format(a=a, b=b) for form in _TWO]
        else:
            texts = [f"{a} {words} {b}" for words in _RELATION_WORDS[meaning.relation]]
    elif meaning.count == 1:
        texts = [f.format(a=_noun(first), a_bare=_noun(first, article=False)) for f in _SINGLE]
    else:
        colour = f"{first.colour} " if first.colour else ""
        several = f"{_NUMBERS[meaning.count]} {colour}{_PLURALS[first.shape]}"
        texts = [form.format(n=several) for form in _MANY]
    if meaning.background is None:
        return texts
    return [text + _BACKGROUND.format(background=meaning.background) for text in texts]


def write(meaning: Meaning, rng: np.random.Generator) -> str:
    """One of the wordings of ``meaning``, drawn at random."""
    texts = wordings(meaning)
    return texts[rng.integers(len(texts))]


def _alternatives(words: Sequence[str]) -> str:
    # Longest first, so that "to the left of" is not read as "left of" with words to spare.
    return "|".join(sorted(words, key=len, reverse=True))


_SINGULAR_OF = {plural: shape for shape, plural in _PLURALS.items()}
_NUMBER_OF = {word: number for number, word in _NUMBERS.items()}
_RELATION_OF = {words: name for name, many in _RELATION_WORDS.items() for words in many}
_THING = rf"an? (?:({'|'.join(COLOURS)}) )?({'|'.join(SHAPES)})"
_JOIN = _alternatives([f.format(a="", b="").strip() for f in _TWO])
_TAIL = rf"(?: on a (?P<background>{'|'.join(BACKGROUNDS)}) background)?"
_READ_ONE = re.compile(
    rf"(?:(?:(?:a picture of|an image of|just) )?{_THING}(?: alone)?"
    rf"|one (?:({'|'.join(COLOURS)}) )?({'|'.join(SHAPES)})){_TAIL}"
)
_READ_MANY = re.compile(
    rf"(?:(?:a picture of|an image of|a group of) )?({'|'.join(_NUMBER_OF)}) "
    rf"(?:({'|'.join(COLOURS)}) )?({'|'.join(_SINGULAR_OF)})(?: together)?{_TAIL}"
)
_READ_TWO = re.compile(
    rf"{_THING} (?:{_JOIN}|(?P<relation>{_alternatives(list(_RELATION_OF))})) {_THING}{_TAIL}"
)


def parse(prompt: str) -> Meaning:
    """The meaning of ``prompt``.

    Raises :class:`~synpic.errors.PromptError` for a text that is none of the world's: one that
    :func:`write` cannot have written.
    """
    meaning = _read(" ".join(prompt.lower().split()))
    if meaning is None:
        raise PromptError(
            f"not a prompt of the shapes world: {prompt!r}",
            hint="shapes prompts read like 'a red circle left of a blue square'; "
            "docs/shapes.md lists the wordings",
        )
    return meaning


def _read(text: str) -> Meaning | None:
    if found := _READ_TWO.fullmatch(text):
        colour_a, shape_a, _, colour_b, shape_b, _ = found.groups()
        relation = found["relation"]
        meaning = Meaning(
            (Asked(shape_a, colour_a), Asked(shape_b, colour_b)),
            relation=_RELATION_OF[relation] if relation else None,
            background=found["background"],
        )
    elif found := _READ_MANY.fullmatch(text):
        number, colour, plural, background = found.groups()
        thing = Asked(_SINGULAR_OF[plural], colour)
        meaning = Meaning((thing,), count=_NUMBER_OF[number], background=background)
    elif found := _READ_ONE.fullmatch(text):
        colour, shape, bare_colour, bare_shape, background = found.groups()
        thing = Asked(shape or bare_shape, colour or bare_colour)
        meaning = Meaning((thing,), background=background)
    else:
        return None
    return meaning if text in wordings(meaning) else None


def illustrate(meaning: Meaning, rng: np.random.Generator) -> Scene:
    """A random scene that shows ``meaning`` and nothing else.

    What was not asked for is drawn at random; things of one kind share a colour, two kinds of
    things do not.
    """
    free = [c for c in COLOURS if c not in {thing.colour for thing in meaning.things}]
    free = [free[i] for i in rng.permutation(len(free))]
    things = [(thing.shape, thing.colour or free.pop()) for thing in meaning.things]
    background = meaning.background or str(rng.choice(list(BACKGROUNDS)))
    towards = RELATIONS[meaning.relation] if meaning.relation else None
    return arrange(things * meaning.count, background, rng, towards=towards)


def _words() -> tuple[str, ...]:
    forms = (*_SINGLE, *_MANY, *_TWO, _BACKGROUND, *_RELATION_OF, *_NUMBER_OF, "a an")
    names = (*SHAPES, *_SINGULAR_OF, *COLOURS, *BACKGROUNDS)
    text = " ".join((*(re.sub(r"\{\w+\}", " ", form) for form in forms), *names))
    return tuple(sorted(set(text.split())))


WORDS = _words()
"""Every word that a prompt of this world can hold, sorted."""
