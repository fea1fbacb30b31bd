"""Labels of pairs, as people would have given them, in a workspace of ``fixtures.build``."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Any

import polars as pl

from synpic.pipeline.inventory import take_inventory
from synpic.workspace import Workspace
from synpic.workspace.labels import as_labels, write_labels
from tests.publish.fixtures import hashed_score

PEOPLE = '[rewards.people]\nlabels = "study"\nweight = 2\n\n'
"""Of a recipe."""

Pair = tuple[dict[str, Any], dict[str, Any]]


def of_hash(pair: Pair) -> float:
    """The share of the first, by nothing that a reward here looks at."""
    return round(
        hashed_score("people", {"candidate_id": "".join(one["candidate_id"] for one in pair)}), 2
    )


def label_pairs(
    workspace: Workspace,
    *,
    keep: Callable[[Pair], bool] = lambda pair: True,
    share: Callable[[Pair], float | None] = of_hash,
    source: str = "study",
) -> pl.DataFrame:
    """Write a label of three votes for each pair of images that ``keep`` names."""
    rows: list[dict[str, Any]] = []
    images = take_inventory(workspace).candidates().sort("candidate_id")
    for _, prompt in images.group_by("prompt_id", maintain_order=True):
        for pair in combinations(prompt.to_dicts(), 2):
            if keep(pair):
                row = {
                    "prompt_id": pair[0]["prompt_id"],
                    "left": pair[0]["candidate_id"],
                    "right": pair[1]["candidate_id"],
                    "question": "overall",
                    "share": share(pair),
                    "n": 3,
                    "kind": "study",
                }
                rows.append(row)
    labels = as_labels(pl.DataFrame(rows))
    write_labels(workspace, source, {"source": source}, labels)
    return labels
