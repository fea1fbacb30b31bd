"""A model before and after training: the same prompts from the same noise, and the judge.

The pictures lie in a workspace of two models, ``before`` and ``after``, that share their seeds. Its
prompts are of the test split: training saw no combination of things that they ask for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from synpic.pipeline.inventory import take_inventory
from synpic.readers.images import decode
from synpic.release.cards.sheet import PictureGroup, captioned_sheet
from synpic.shapes.judge import read, strict
from synpic.shapes.measure import summarise
from synpic.workspace import Snapshot, Workspace

__all__ = ["Comparison", "compare", "examination_recipe"]

_RECIPE = """\
# The same prompts from the same noise, before training and after it.
seed = 0

[prompts]
world = "shapes"
split = "test"
count = {count}
seed = 0

[models.before]
model = "{model}"

[models.after]
model = "{model}"
checkpoint = "{trained}"
"""

_SHOWN = 12


@dataclass(frozen=True)
class Comparison:
    """What the judge says of two models.

    Args:
        before, after: figures of each, as :func:`synpic.shapes.measure.summarise` gives them.
        gained, lost: prompts whose picture passes the strict judge only after, and only before.
        picture: the first prompts, two of each task, not picked, each with ``before`` and
            ``after`` side by side.
    """

    before: Mapping[str, Any]
    after: Mapping[str, Any]
    gained: int
    lost: int
    picture: Path

    @property
    def count(self) -> int:
        """Prompts."""
        return int(self.before["count"])

    @property
    def difference(self) -> float:
        """Of the shares of pictures that pass the strict judge, after − before."""
        return (self.gained - self.lost) / self.count

    @property
    def interval(self) -> tuple[float, float]:
        """Of the difference, 95 %, for pairs (Bonett & Price, 2012): one more of each is counted.

        The chance in it is that of the prompts that were asked. Another run of training would come
        to something else, and the interval does not say how far off.
        """
        total = self.count + 2
        gained, lost = (self.gained + 1) / total, (self.lost + 1) / total
        middle = gained - lost
        half = 1.959964 * math.sqrt((gained + lost - middle**2) / total)
        return max(-1.0, middle - half), min(1.0, middle + half)

    @property
    def verdict(self) -> str:
        """What the interval allows to say of ``after``.

        "better", "worse", or "no difference is seen".
        """
        low, high = self.interval
        if low > 0:
            return "better"
        return "worse" if high < 0 else "no difference is seen"


def examination_recipe(model: str, trained: str, count: int) -> str:
    """The recipe of the workspace: ``model``, and the same with the weights in ``trained``.

    Args:
        model: as it is registered.
        trained: a folder, as the workspace's recipe would name it.
        count: different prompts.
    """
    return _RECIPE.format(model=model, trained=trained, count=count)


def compare(workspace: Workspace | Snapshot, picture: Path) -> Comparison:
    """Judge the pictures of a workspace of :func:`examination_recipe`, and write ``picture``.

    A prompt that one of the two could not draw is left out of both.
    """
    inventory = take_inventory(workspace)
    drawn = inventory.candidates().select("prompt_id", "model", "candidate_id", "sha256")
    table = inventory.prompts.select("prompt_id", "prompt", "meta_task")
    for name in ("before", "after"):
        its = drawn.filter(model=name).select("prompt_id", pl.struct("candidate_id", "sha256"))
        table = table.join(
            its.rename({"candidate_id": name}), on="prompt_id", maintain_order="left"
        )
    pixels = inventory.workspace.images(inventory.image_folders())
    images = {
        name: [decode(data) for data in pixels.read(list(table[name].struct.unnest().iter_rows()))]
        for name in ("before", "after")
    }
    texts, tasks = table["prompt"].to_list(), table["meta_task"].to_list()
    passed = [
        [strict(text, read(image)) for text, image in zip(texts, its, strict=True)]
        for its in images.values()
    ]
    pairs = list(zip(*passed, strict=True))
    groups = [
        PictureGroup(text, pair, ("before", "after"))
        for text, *pair in zip(texts, images["before"], images["after"], strict=True)
    ]
    captioned_sheet(groups[:_SHOWN], columns=3, cell=160).save(picture, optimize=True)
    return Comparison(
        before=summarise(texts, tasks, images["before"]),
        after=summarise(texts, tasks, images["after"]),
        gained=pairs.count((False, True)),
        lost=pairs.count((True, False)),
        picture=picture,
    )
