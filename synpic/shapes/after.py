"""A model before and after training: the same prompts from the same noise, and the judge.

The pictures lie in a workspace of two models, ``before`` and ``after``, that share their seeds. Its
prompts are the suite ``shapes``: training saw no combination of things that they ask for.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from synpic.pipeline.inventory import take_inventory
from synpic.readers.images import decode
from synpic.release.cards.sheet import PictureGroup, captioned_sheet
from synpic.workspace import Snapshot, Workspace

__all__ = ["before_after_sheet", "examination_recipe"]

_RECIPE = """\
# The same prompts from the same noise, before training and after it.
seed = 0

[suite]
name = "shapes"
{limit}
[models.before]
model = "{model}"

[models.after]
model = "{model}"
checkpoint = "{trained}"

[judges.shapes]

[compare]
base = "before"
"""

_SHOWN = 12


def examination_recipe(model: str, trained: str, limit: int | None) -> str:
    """The recipe of the workspace: ``model``, and the same with the weights in ``trained``.

    Args:
        model: as it is registered.
        trained: a folder, as the workspace's recipe would name it.
        limit: items of the suite; all if None.
    """
    text = "" if limit is None else f"limit = {limit}\n"
    return _RECIPE.format(model=model, trained=trained, limit=text)


def before_after_sheet(workspace: Workspace | Snapshot, picture: Path) -> Path:
    """Write ``picture``: the first prompts of a workspace of :func:`examination_recipe`, not
    picked, each with ``before`` and ``after`` side by side.

    A prompt that one of the two could not draw is left out.
    """
    inventory = take_inventory(workspace)
    drawn = inventory.candidates().select("prompt_id", "model", "candidate_id", "sha256")
    table = inventory.prompts.select("prompt_id", "prompt")
    for name in ("before", "after"):
        its = drawn.filter(model=name).select("prompt_id", pl.struct("candidate_id", "sha256"))
        table = table.join(
            its.rename({"candidate_id": name}), on="prompt_id", maintain_order="left"
        )
    table = table.head(_SHOWN)
    pixels = inventory.workspace.images(inventory.image_folders())
    before, after = (
        [decode(data) for data in pixels.read(list(table[name].struct.unnest().iter_rows()))]
        for name in ("before", "after")
    )
    groups = [
        PictureGroup(text, pair, ("before", "after"))
        for text, *pair in zip(table["prompt"].to_list(), before, after, strict=True)
    ]
    captioned_sheet(groups, columns=3, cell=160).save(picture, optimize=True)
    return picture
