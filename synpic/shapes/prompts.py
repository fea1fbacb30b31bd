"""Prompts of the shapes world, in three splits that share no combination of things.

Combinations (what is asked for, without wording and background) are listed, shuffled once by a
fixed hash and cut 70 / 10 / 20 into train, validation and test, separately for each task with and
without colours, so that every split holds every kind of prompt.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import lru_cache
from itertools import combinations, product
from typing import Any

import numpy as np

from synpic.errors import PromptError, did_you_mean
from synpic.readers import display
from synpic.shapes.meaning import OPPOSITE, RELATIONS, TASKS, Asked, Meaning, wordings, write
from synpic.shapes.scene import BACKGROUNDS, COLOURS, SHAPES

__all__ = [
    "SPLITS",
    "combinations_of",
    "draw",
    "examination",
    "prompts",
    "source",
    "split_of",
    "texts_of",
]

SPLITS = ("train", "validation", "test")

_SHARES = {"validation": 0.1, "test": 0.2}


def _all_combinations() -> Iterator[tuple[str, Meaning]]:
    """Every combination, with the name of the family that is cut into splits on its own."""
    colours: tuple[str, ...] = tuple(COLOURS)
    for shape in SHAPES:
        yield "single", Meaning((Asked(shape),))
        for colour in colours:
            yield "colours", Meaning((Asked(shape, colour),))
        for count in (2, 3, 4):
            yield "counting", Meaning((Asked(shape),), count=count)
            for colour in colours:
                yield "counting, coloured", Meaning((Asked(shape, colour),), count=count)
    for a, b in combinations(sorted(SHAPES), 2):
        plain = (Asked(a), Asked(b))
        yield "two", Meaning(plain)
        for relation in RELATIONS:
            yield "position", Meaning(plain, relation=relation)
        for colour_a, colour_b in product(colours, colours):
            if colour_a == colour_b:
                continue
            pair = (Asked(a, colour_a), Asked(b, colour_b))
            yield "colour attribution", Meaning(pair)
            for relation in RELATIONS:
                yield "position, coloured", Meaning(pair, relation=relation)


def _digest(meaning: Meaning) -> bytes:
    return hashlib.sha256(wordings(meaning)[0].encode()).digest()


@lru_cache(maxsize=1)
def _splits() -> dict[Meaning, str]:
    families: dict[str, list[Meaning]] = {}
    for family, meaning in _all_combinations():
        families.setdefault(family, []).append(meaning)
    split: dict[Meaning, str] = {}
    for members in families.values():
        members.sort(key=_digest)
        start = 0
        for name, share in _SHARES.items():
            stop = start + max(1, round(share * len(members)))
            split.update(dict.fromkeys(members[start:stop], name))
            start = stop
        split.update(dict.fromkeys(members[start:], "train"))
    return split


def split_of(meaning: Meaning) -> str:
    """The split that a meaning belongs to, by its combination."""
    return _splits()[meaning.combination]


@lru_cache(maxsize=len(SPLITS))
def combinations_of(split: str) -> dict[str, tuple[Meaning, ...]]:
    """Task → the combinations that ``split`` holds, sorted by their words."""
    if split not in SPLITS:
        raise PromptError(
            f"the shapes world has no split {split!r}.{did_you_mean(split, SPLITS)}",
            hint=f"use one of {', '.join(SPLITS)}",
        )
    tasks: dict[str, list[Meaning]] = {task: [] for task in TASKS}
    for meaning, name in _splits().items():
        if name == split:
            tasks[meaning.task].append(meaning)
    return {task: tuple(sorted(found, key=_digest)) for task, found in tasks.items()}


def _said(combination: Meaning) -> list[Meaning]:
    """The meanings with this combination: either order of two things, any background or none."""
    orders = [combination]
    if len(combination.things) == 2:
        relation = OPPOSITE[combination.relation] if combination.relation else None
        orders.append(replace(combination, things=combination.things[::-1], relation=relation))
    return [
        replace(meaning, background=background)
        for meaning, background in product(orders, (None, *BACKGROUNDS))
    ]


def texts_of(combination: Meaning) -> list[str]:
    """Every text that asks for this combination."""
    return [text for meaning in _said(combination) for text in wordings(meaning)]


def draw(rng: np.random.Generator, task: str, split: str) -> tuple[Meaning, str]:
    """A random meaning of ``task`` from ``split``, and a text that says it.

    Colours are named in half the prompts of the tasks that leave it open (counting, position).
    """
    members = combinations_of(split)[task]
    plain = [meaning for meaning in members if meaning.things[0].colour is None]
    coloured = [meaning for meaning in members if meaning.things[0].colour is not None]
    if plain and coloured:
        members = tuple(plain if rng.random() < 0.5 else coloured)
    phrasings = _said(members[rng.integers(len(members))])
    meaning = phrasings[rng.integers(len(phrasings))]
    return meaning, write(meaning, rng)


@lru_cache(maxsize=len(SPLITS) * len(TASKS))
def _all_texts(task: str, split: str) -> tuple[tuple[str, Meaning], ...]:
    """Every prompt of a task, plain and coloured ones in turn, otherwise shuffled."""
    texts = [
        (text, meaning)
        for combination in combinations_of(split)[task]
        for meaning in _said(combination)
        for text in wordings(meaning)
    ]
    return tuple(texts)


def prompts(count: int, seed: int, split: str) -> list[tuple[str, dict[str, Any]]]:
    """``count`` different prompts of ``split`` with what is known of them, the same for a seed.

    Tasks take turns for as long as they have prompts left. The second part of each pair holds
    ``task``, ``things`` (how many the picture must show) and ``background`` (or ``None``).
    Raises :class:`~synpic.errors.PromptError` when the split has fewer prompts than asked for.
    """
    rng = np.random.default_rng(seed)
    queues: dict[str, list[tuple[str, Meaning]]] = {}
    for task in combinations_of(split):
        texts = _all_texts(task, split)
        queues[task] = [texts[i] for i in rng.permutation(len(texts))]
    available = sum(map(len, queues.values()))
    if count > available:
        raise PromptError(
            f"the {split} split of the shapes world has {display.count(available, 'prompt')}, "
            f"{count:,} asked for",
            hint=f"ask for at most {available:,}, or for another split",
        )
    chosen: list[tuple[str, dict[str, Any]]] = []
    while len(chosen) < count:
        for task, queue in queues.items():
            if queue and len(chosen) < count:
                text, meaning = queue.pop()
                about = {
                    "task": task,
                    "things": len(meaning.wanted),
                    "background": meaning.background,
                }
                chosen.append((text, about))
    return chosen


def examination(count: int, seed: int, split: str) -> list[tuple[str, str]]:
    """``count`` pairs of task and prompt, a sixth for each task, the same for a seed.

    A task that has fewer prompts in ``split`` (few combinations make a "single") has them asked
    again, in turn. Raises :class:`~synpic.errors.PromptError` for an unknown split.
    """
    rng = np.random.default_rng(seed)
    asked: dict[str, list[str]] = {}
    for task in combinations_of(split):
        texts = _all_texts(task, split)
        asked[task] = [texts[i][0] for i in rng.permutation(len(texts))]
    tasks = list(asked)
    turns = [divmod(number, len(tasks)) for number in range(count)]
    return [(tasks[t], asked[tasks[t]][turn % len(asked[tasks[t]])]) for turn, t in turns]


def source(*, count: int, seed: int, split: str) -> Iterable[dict[str, Any]]:
    """The registered entry point: rows of ``prompt``, ``split`` and ``meta_`` columns."""
    for text, about in prompts(count, seed, split):
        yield {"prompt": text, "split": split, **{f"meta_{k}": v for k, v in about.items()}}
