"""The suites of the embedded world: texts of a split, for every combination of things in it.

``shapes`` is the test split. ``shapes_validation`` is another, of other combinations, to choose a
checkpoint by. A judge reads from the prompt what it asks for, and finds it in the image without a
model.
"""

from __future__ import annotations

import hashlib
from itertools import islice, zip_longest

from synpic.prompts.suites import (
    Protocol,
    Suite,
    SuiteContent,
    SuiteData,
    SuiteItem,
    SuiteOrigin,
)
from synpic.shapes.meaning import TASKS, wordings
from synpic.shapes.prompts import combinations_of, texts_of
from synpic.shapes.scene import CANVAS

__all__ = ["MOST", "SHAPES", "SHAPES_VALIDATION"]

MOST = 344
"""Items of a task at most: as many as the task of most combinations has of these."""


def _items(data: SuiteData, split: str) -> SuiteContent:
    """Up to :data:`MOST` texts of each task, as many of each of its combinations as of any other.

    ``cluster`` is the combination, in words. No two splits share one, and texts of one ask for the
    same things: the unit of a statistic is the combination.
    """
    del data
    items: list[SuiteItem] = []
    for task, found in combinations_of(split).items():
        texts = [
            [(wordings(one)[0], text) for text in sorted(texts_of(one), key=_digest)]
            for one in found
        ]
        in_turn = (one for turn in zip_longest(*texts) for one in turn if one is not None)
        for number, (cluster, text) in enumerate(islice(in_turn, MOST), start=1):
            items.append(SuiteItem(f"{task}-{number}", text, task, {"cluster": cluster}))
    return SuiteContent(items)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _test(data: SuiteData) -> SuiteContent:
    return _items(data, "test")


def _validation(data: SuiteData) -> SuiteContent:
    return _items(data, "validation")


_PROTOCOL = Protocol(1, CANVAS, CANVAS, source="synpic.shapes")

SHAPES = Suite(
    "shapes",
    "the embedded world's test split: six tasks, no download",
    _test,
    origin=SuiteOrigin("that of synpic", None, 1304, TASKS),
    judges={"shapes": {}},
    aggregated="tags",
    protocol=_PROTOCOL,
    at_checkpoints="shapes_validation",
)

SHAPES_VALIDATION = Suite(
    "shapes_validation",
    "the embedded world's validation split: for checkpoints, no download",
    _validation,
    origin=SuiteOrigin("that of synpic", None, 1088, TASKS),
    judges={"shapes": {}},
    aggregated="tags",
    protocol=_PROTOCOL,
)
