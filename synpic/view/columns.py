"""What a page without a server searches: columns of prompts and of images, for JavaScript.

``assets/search.js`` answers queries from these as ``query`` and ``charts`` do from the frame.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from synpic.view.frame import Frame
from synpic.view.rows import plain
from synpic.workspace.marks import Mark

__all__ = ["columns_of"]


def columns_of(frame: Frame, per: int, marks: dict[str, Any]) -> dict[str, Any]:
    """JSON-like data of all prompts, in order of prompt_id.

    Args:
        per: prompts in a file of rows.
        marks: as ``Marking.as_dict`` gives them.

    Returns:
        - ``columns``: name → a value for each prompt; ``kinds``: name → "number", "boolean", "text"
          or "other"
        - ``counts``: how many images each prompt has; ``model`` (a number), ``rank``,
          ``preference`` and ``scores`` (name → values): of each image, prompt after prompt
        - ``models``: name and number, those that win most first
        - ``per``, ``marks``, and ``prompt_of``: the prompts of marked images
    """
    prompts, shown = frame.prompts, frame.shown
    starts = prompts.select("prompt_id").join(
        frame.starts, on="prompt_id", how="left", maintain_order="left"
    )
    images = shown.candidates.join(prompts.select("prompt_id"), on="prompt_id", how="semi")
    names = [*frame.models["model"]]
    names += sorted({*images["model"].drop_nulls()} - {*names})
    numbers = {name: number for number, name in enumerate(names)}
    marked = images.filter(pl.col("candidate_id").is_in(list(marks["candidates"])))
    return {
        "columns": {name: _values(prompts[name]) for name in prompts.columns},
        "kinds": {name: _kind(kind) for name, kind in prompts.schema.items()},
        "counts": starts["count"].fill_null(0).to_list(),
        "model": images["model"].replace_strict(numbers, return_dtype=pl.Int32()).to_list(),
        "rank": images["rank"].to_list(),
        "preference": _values(images["preference"]),
        "scores": {f"score_{one}": _values(images[f"score_{one}"]) for one in shown.rewards},
        "models": [{"model": name, "number": numbers[name]} for name in frame.models["model"]],
        "per": per,
        "marks": {
            kind: {one: mark for one, mark in marks[kind].items() if mark != Mark()}
            for kind in ("prompts", "candidates")
        },
        "prompt_of": dict(marked.select("candidate_id", "prompt_id").iter_rows()),
    }


def _kind(kind: pl.DataType) -> str:
    if kind.is_numeric():
        return "number"
    if kind == pl.Boolean():
        return "boolean"
    return "text" if kind == pl.String() else "other"


def _values(column: pl.Series) -> list[Any]:
    if column.dtype.is_integer() or column.dtype in (pl.Boolean(), pl.String()):
        return column.to_list()
    return [plain(value) for value in column]
