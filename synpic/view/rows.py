"""A prompt as the page gets it: plain data, for JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import polars as pl

from synpic.view.frame import Frame
from synpic.view.verdicts import CORRECT, REASON, VERDICT

__all__ = ["plain", "rows_of"]


def rows_of(frame: Frame, prompt_ids: Sequence[str]) -> list[dict[str, Any]]:
    """A row for each of ``prompt_ids``, in their order.

    Each has what ``Frame.prompts`` says of the prompt; ``meta``, by name without its prefix; and
    ``images``, by model and sample: what ``Shown.candidates`` says of each, ``scores`` and
    ``places`` by reward (the place among the prompt's images, 1 the highest, equal ones the same).
    Numbers that are no number are null. Where judges have looked, an image has
    ``verdicts``, by judge: ``correct``, ``score`` and ``reason``, each null where it is not given;
    where models are compared, ``nth``: which image of its model it is, from 0. Where there are
    labels of people, ``votes`` are the pairs that they compared, as ``HeldPairs.of`` gives them.
    """
    wanted = pl.DataFrame({"prompt_id": prompt_ids}, schema={"prompt_id": pl.String()})
    about = wanted.join(frame.prompts, on="prompt_id", how="inner", maintain_order="left")
    rewards, judges = list(frame.shown.rewards), frame.shown.evaluated.judges
    scores = [f"score_{reward}" for reward in rewards]
    candidates = frame.candidates(list(about["prompt_id"])).with_columns(
        pl.col(name).rank("min", descending=True).over("prompt_id").alias(f"place_{name}")
        for name in scores
    )
    images: dict[str, list[dict[str, Any]]] = {}
    for row in candidates.iter_rows(named=True):
        images.setdefault(row["prompt_id"], []).append(_image(row, rewards, judges))
    return [
        {**_prompt(row, images.get(row["prompt_id"], [])), **_votes(frame, row["prompt_id"])}
        for row in about.iter_rows(named=True)
    ]


def _votes(frame: Frame, prompt_id: str) -> dict[str, Any]:
    if not frame.votes.asked:
        return {}
    number = frame.prompts["prompt_id"].search_sorted(prompt_id)
    return {"votes": frame.votes.of(number, frame.shown.candidates)}


def _prompt(row: dict[str, Any], images: list[dict[str, Any]]) -> dict[str, Any]:
    found = {name: plain(value) for name, value in row.items() if not name.startswith("meta_")}
    meta = {name[5:]: plain(value) for name, value in row.items() if name.startswith("meta_")}
    return {**found, "meta": meta, "there": found.pop("images"), "images": images}


_BY_NAME = ("score_", "place_", "wins_", CORRECT, VERDICT, REASON)


def _image(row: dict[str, Any], rewards: Sequence[str], judges: Sequence[str]) -> dict[str, Any]:
    found = {
        name: plain(value)
        for name, value in row.items()
        if not name.startswith(_BY_NAME) and name != "prompt_id"
    }
    return {
        **found,
        "scores": {reward: plain(row[f"score_{reward}"]) for reward in rewards},
        "places": {reward: row[f"place_score_{reward}"] for reward in rewards},
        "wins": {
            name.removeprefix("wins_"): plain(value)
            for name, value in row.items()
            if name.startswith("wins_")
        },
        **_verdicts(row, judges),
    }


def _verdicts(row: dict[str, Any], judges: Sequence[str]) -> dict[str, Any]:
    parts = {"correct": CORRECT, "score": VERDICT, "reason": REASON}
    said = {
        judge: {part: plain(row[prefix + judge]) for part, prefix in parts.items()}
        for judge in judges
    }
    return {"verdicts": said} if said else {}


def plain(value: Any) -> Any:
    """A value as JSON and JavaScript know it."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {str(name): plain(one) for name, one in value.items()}
    return str(value)
