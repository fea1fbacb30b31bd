"""Rapidata: images and an order for each question, and the results that it gives back.

    DIR/images/<comparison>-1.webp  -2.webp
    DIR/order-<question>.json       the arguments of ``client.order.create_compare_order``
    DIR/comparisons.csv             prompt, image1, image2, model1, model2, as in its datasets

``image1`` is random. The name of a file holds no model, and answers come back by it.
Sources: docs.rapidata.ai, "Quickstart" and "Interpreting the Results" (3.x).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import polars as pl
from pydantic import Field

from synpic.errors import WorkspaceError
from synpic.publish.write_shards import explain_refusals
from synpic.readers.json_models import Record
from synpic.study.definition import Study
from synpic.study.exchange.outside import (
    encoded_pair,
    pictures_of,
    require_new_folder,
    sides,
)
from synpic.workspace import Workspace
from synpic.workspace.labels import LABEL_SCHEMA
from synpic.workspace.whole_folder import whole_folder

__all__ = ["RapidataResults", "export_rapidata", "labels_of_rapidata"]

_NAME = re.compile(r"(?:.*/)?(?P<comparison>c\d+)-(?P<side>[12])\.webp")


def export_rapidata(workspace: Workspace, study: Study, target: Path) -> int:
    """Write images and orders into the new folder ``target``; how many comparisons they have.

    Raises:
        PublishError: there is something, or the disk refuses or is full.
        WorkspaceError, CorruptPart: an image is gone, or damaged.
    """
    require_new_folder(target)
    pictures = pictures_of(workspace)
    rows = []
    with explain_refusals(target), whole_folder(target) as folder:
        (folder / "images").mkdir()
        for one in study.comparisons:
            names = [f"images/{one.id}-{side}.webp" for side in (1, 2)]
            both = encoded_pair(pictures, study, one.id)
            for name, data in zip(names, both, strict=True):
                (folder / name).write_bytes(data)
            left, right = sides(study, one.id)
            models = {"model1": left.model, "model2": right.model}
            shown = dict(zip(("image1", "image2"), names, strict=True))
            rows.append({"prompt": study.prompts[one.prompt_id], **shown, **models})
        pl.DataFrame(rows).write_csv(folder / "comparisons.csv")
        for question in study.questions:
            order = {
                "name": f"{study.name} {question.name}",
                "instruction": question.text,
                "datapoints": [[row["image1"], row["image2"]] for row in rows],
                # Not given at all where the prompt is hidden.
                **({"contexts": [row["prompt"] for row in rows]} if question.shows_prompt else {}),
            }
            text = json.dumps(order, ensure_ascii=False, indent=1)
            (folder / f"order-{question.name}.json").write_text(f"{text}\n", encoding="utf-8")
    return len(rows)


_Votes = Annotated[int, Field(ge=0, le=1 << 30)]
"""Of one image: the sum of two fits 32 bits."""
_Score = Annotated[float, Field(ge=0, le=1e9)]


class _Result(Record):
    """One comparison: file name → votes, and the same weighted by how far voters are trusted."""

    votes: Mapping[str, _Votes] = Field(alias="aggregatedResults")
    weighted: Mapping[str, _Score] = Field(alias="summedUserScores", default_factory=dict)


class RapidataResults(Record):
    """The results of a compare order, as its client saves them."""

    results: list[_Result]


def labels_of_rapidata(
    study: Study, results: RapidataResults, question: str, where: str
) -> pl.DataFrame:
    """The columns of ``tables.LABELS``, a row for each comparison with votes.

    ``share`` is of the votes weighted by the scores of those who voted, where there are such, and
    ``n`` counts votes. Files are known by their names, in whatever folder.

    Raises:
        WorkspaceError: names of files that are not those of the two images of a comparison; or
            votes and scores of a result that are not of the same images.
    """
    rows = []
    for number, result in enumerate(results.results):
        place = f"{where}: results.{number}"
        one, votes = _by_side(study, result.votes, f"{place}.aggregatedResults")
        weights = votes
        if result.weighted:
            other, scores = _by_side(study, result.weighted, f"{place}.summedUserScores")
            if other != one:
                raise WorkspaceError(
                    f"{place}.summedUserScores: expected the two images of {one}, as "
                    f"aggregatedResults has them, found those of {other}",
                    hint="both have to name the same two files; ask for the results again",
                )
            weights = scores if sum(scores) > 0 else votes
        if sum(votes) == 0:
            continue
        left, right = sides(study, one)
        rows.append(
            {
                "prompt_id": study.by_id[one].prompt_id,
                "left": left.candidate_id,
                "right": right.candidate_id,
                "question": question,
                "share": weights[0] / sum(weights),
                "n": sum(votes),
                "kind": "person",
                "row": number,
            }
        )
    return pl.DataFrame(rows, schema=LABEL_SCHEMA)


def _by_side(
    study: Study, numbers: Mapping[str, float], place: str
) -> tuple[str, tuple[float, float]]:
    """The comparison that two files are of, and the numbers of its left and right image.

    Raises:
        WorkspaceError: they are not the two images of one comparison.
    """
    found: dict[tuple[str, str], float] = {}
    for name, value in numbers.items():
        match = _NAME.fullmatch(name)
        if match is not None and match["comparison"] in study.by_id:
            found[match["comparison"], match["side"]] = value
    ids = {one for one, _ in found}
    if len(numbers) != 2 or len(found) != 2 or len(ids) != 1:
        one = min(ids, default=study.comparisons[0].id)
        raise WorkspaceError(
            f"{place}: expected the two images of a comparison of study {study.name!r}, as "
            f"{one}-1.webp and {one}-2.webp, found {' and '.join(numbers) or 'no image'}",
            hint="name the study whose export was answered: --name",
        )
    (one,) = ids
    return one, (found[one, "1"], found[one, "2"])
