"""GenEval: objects with number, colour and position (Ghosh et al., arXiv 2310.11513)."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from synpic.errors import EvaluationError
from synpic.hub.published_files import PublishedFile
from synpic.prompts.suites.objects import objects_problem
from synpic.prompts.suites.suite import (
    Protocol,
    Suite,
    SuiteContent,
    SuiteData,
    SuiteItem,
    SuiteOrigin,
)
from synpic.readers.tables import open_table

__all__ = ["GENEVAL"]

_LIST = "evaluation_metadata.jsonl"
_FIELDS = ("tag", "include", "exclude", "prompt")


def _read(data: SuiteData) -> SuiteContent:
    """An item for each line, named as upstream names its folder of images: ``00000``."""
    table = open_table(io.BytesIO(data.files[_LIST]), _LIST, error=EvaluationError)
    names = [name for name in _FIELDS if name in table.columns]
    rows = [
        (batch.at(number), row)
        for batch in table.batches(names)
        for number, row in enumerate(batch.rows)
    ]
    return SuiteContent([_item(row, at, f"{number:05}") for number, (at, row) in enumerate(rows)])


def _item(row: Mapping[str, Any], place: str, name: str) -> SuiteItem:
    prompt, tag = row.get("prompt"), row.get("tag")
    objects = {key: row[key] for key in ("include", "exclude") if key in row}
    problem = objects_problem(objects)
    if not isinstance(prompt, str) or not isinstance(tag, str):
        problem = "prompt and tag: expected texts"
    if problem:
        raise EvaluationError(
            f"{place}: {problem}", hint="a line of GenEval's list has tag, include and prompt"
        )
    return SuiteItem(name, str(prompt), str(tag), {"objects": objects})


GENEVAL = Suite(
    "geneval",
    "objects, their number, colours and positions, by a detector",
    _read,
    places={
        _LIST: PublishedFile(
            "https://raw.githubusercontent.com/djghosh13/geneval/"
            "af4902f24d3ca90ebbb446dd9891a59e0f82725f/prompts/evaluation_metadata.jsonl",
            "5c48e0813e812e3c373fa5c8ed07a8f0a483be30272b4427b0559c8048e67c13",
        )
    },
    origin=SuiteOrigin(
        "MIT",
        "https://arxiv.org/abs/2310.11513",
        553,
        ("single_object", "two_object", "counting", "colors", "position", "color_attr"),
    ),
    judges={"geneval": {}},
    aggregated="tags",
    protocol=Protocol(
        images=4,
        steps=50,
        guidance=9.0,
        seeds="42 anew for each prompt",
        source="djghosh13/geneval@af4902f generation/diffusers_generate.py",
    ),
    unofficial=("seeds are derived from each prompt, where upstream begins each with seed 42",),
)
