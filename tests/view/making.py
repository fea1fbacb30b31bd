"""Workspaces to look at, written without drawing or scoring anything."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from synpic import ids
from synpic.pipeline.inventory import take_inventory
from synpic.workspace import Workspace, tables
from synpic.workspace.labels import write_labels
from synpic.workspace.parts import frame
from tests.publish import fixtures

KINDS = ("count", "colour", "place")
SHARES = (0.25, math.nan, None, 0.75, math.inf, 0.5, -math.inf)

RECIPE = fixtures.recipe(more=fixtures.THIRD)


def sample_prompts(count: int) -> list[str]:
    things = ("circle", "square", "star", "heart")
    return [f"{n + 1} {things[n % 4]}s on a table, number {n}" for n in range(count)]


def build(
    root: Path, prompts: Sequence[str] | int = 24, text: str = RECIPE, **options: Any
) -> Workspace:
    """A workspace of three models and three rewards, with ``meta_`` columns.

    ``meta_kind`` is one of ``KINDS``, ``meta_level`` a whole number from 0, ``meta_tags`` a list,
    ``meta_share`` one of ``SHARES``, of which some are no numbers.
    """
    texts = sample_prompts(prompts) if isinstance(prompts, int) else list(prompts)
    workspace = fixtures.build(root, [(text, "train") for text in texts], text=text, **options)
    with_meta(workspace, texts)
    return workspace


def with_meta(workspace: Workspace, texts: Sequence[str]) -> None:
    columns: dict[str, Any] = {
        "prompt_id": [ids.prompt_id(text) for text in texts],
        "prompt": [ids.normalise_prompt(text) for text in texts],
        "split": ["train" if n % 4 else "validation" for n in range(len(texts))],
        "source": ["prompts.txt"] * len(texts),
    }
    table = pa.table(columns, schema=tables.PROMPTS)
    table = table.append_column("meta_kind", pa.array([KINDS[n % 3] for n in range(len(texts))]))
    table = table.append_column("meta_level", pa.array(list(range(len(texts)))))
    shares = pa.array([SHARES[n % len(SHARES)] for n in range(len(texts))], pa.float64())
    table = table.append_column("meta_share", shares)
    table = table.append_column("meta_tags", pa.array([["a", "b"] for _ in texts]))
    note = {"identity": {}, "read": len(texts), "empty": 0, "duplicates": 0}
    workspace.write_prompts(table, note)


def failure(workspace: Workspace, candidate_id: str, model: str, reason: str) -> None:
    """Note that an image failed."""
    fingerprints = {one.name: one.fingerprint for one in take_inventory(workspace).models}
    row = {
        "stage": "generate",
        "candidate_id": candidate_id,
        "name": model,
        "fingerprint": fingerprints[model],
        "reason": reason,
        "attempts": 1,
    }
    workspace.write_part("failures", pa.Table.from_pylist([row], tables.FAILURES), {})


def wanted(workspace: Workspace) -> pl.DataFrame:
    return take_inventory(workspace).wanted_candidates()


def label(workspace: Workspace, question: str = "overall", more: str | None = None) -> pl.DataFrame:
    """Labels of most pairs, as a dataset brings them: votes, ties, rewards', of absent images.

    Args:
        more: another question, with the opposite answers.
    """
    rows: list[dict[str, Any]] = []
    images = take_inventory(workspace).candidates().sort("candidate_id")
    for number, (_, prompt) in enumerate(images.group_by("prompt_id", maintain_order=True)):
        for at, (one, other) in enumerate(combinations(prompt["candidate_id"], 2)):
            if (number + at) % 7 == 6:
                continue
            votes = (3 * number + 5 * at) % 6
            row = {
                "prompt_id": prompt["prompt_id"][0],
                "left": one if at % 2 else other,
                "right": other if at % 2 else one,
                "question": question,
                "share": None if number == 20 else votes / 5,
                "n": 5,
                "kind": "person",
            }
            # Another label of the pair, from the other side: 0.5 of two votes.
            again = {**row, "left": row["right"], "right": row["left"], "share": 0.5, "n": 2}
            rewards = {**row, "share": 1.0, "n": 1000, "kind": "reward"}
            rows += [row, again, rewards] if at == 1 else [row]
    rows.append({**rows[0], "left": "0" * 32})
    schema = frame(tables.LABELS.empty_table()).schema
    labels = pl.DataFrame(rows, schema=schema).with_columns(row=pl.int_range(pl.len()))
    if more is not None:
        other = labels.with_columns(question=pl.lit(more), share=1 - pl.col("share"))
        labels = pl.concat([labels, other])
    write_labels(workspace, "ingested", {"of": question}, labels)
    return labels
