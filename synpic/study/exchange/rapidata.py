"""Rapidata: images and an order for each question, and the results that it gives back.

    DIR/images/<comparison>-1.webp  -2.webp
    DIR/order-<question>.json       the arguments of ``client.order.create_compare_order``
    DIR/comparisons.csv             prompt, image1, image2, model1, model2, as in its datasets

``image1`` is drawn by lot. The name of a file holds no model, and answers come back by it.
Sources: docs.rapidata.ai, "Quickstart" and "Interpreting the Results" (3.x).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import polars as pl
from pydantic import Field

from synpic.errors import WorkspaceError
from synpic.publish.write_shards import explain_refusals
from synpic.readers.json_models import Record
from synpic.study.definition import Study
from synpic.study.exchange.labels import LABEL_SCHEMA
from synpic.study.exchange.outside import (
    encoded_pair,
    pictures_of,
    require_new_folder,
    sides,
)
from synpic.workspace import Workspace
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


class _Result(Record):
    """One comparison: file name → votes, and the same weighted by how far voters are trusted."""

    votes: Mapping[str, int] = Field(alias="aggregatedResults")
    weighted: Mapping[str, float] = Field(alias="summedUserScores", default_factory=dict)


class RapidataResults(Record):
    """The results of a compare order, as its client saves them."""

    results: list[_Result]


def labels_of_rapidata(
    study: Study, results: RapidataResults, question: str, where: str
) -> pl.DataFrame:
    """The columns of ``tables.LABELS``, a row for each comparison with votes.

    ``share`` is of the votes weighted by the scores of those who voted, where there are such, and
    ``n`` counts votes.

    Raises:
        WorkspaceError: a file name that is of no comparison of the study.
    """
    rows = []
    for number, result in enumerate(results.results):
        found = {name: _NAME.fullmatch(name) for name in result.votes}
        known = {
            (match["comparison"], match["side"]): name
            for name, match in found.items()
            if match is not None and match["comparison"] in study.by_id
        }
        ids = {one for one, _ in known}
        if len(known) != 2 or len(found) != 2 or len(ids) != 1:
            one = min(ids, default=study.comparisons[0].id)
            raise WorkspaceError(
                f"{where}: results.{number}.aggregatedResults: expected the two images of a "
                f"comparison of study {study.name}, as {one}-1.webp and {one}-2.webp, found "
                f"{' and '.join(result.votes) or 'no image'}",
                hint="name the study whose export was answered: --name",
            )
        (one,) = ids
        names = known[one, "1"], known[one, "2"]
        votes = sum(result.votes.values())
        if votes == 0:
            continue
        weights = result.weighted if sum(result.weighted.values()) > 0 else result.votes
        left, right = sides(study, one)
        rows.append(
            {
                "prompt_id": study.by_id[one].prompt_id,
                "left": left.candidate_id,
                "right": right.candidate_id,
                "question": question,
                "share": weights.get(names[0], 0) / sum(weights.values()),
                "n": votes,
                "kind": "person",
                "row": number,
            }
        )
    return pl.DataFrame(rows, schema=LABEL_SCHEMA)
