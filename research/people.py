"""How far the rewards of the embedded world agree with its judge, and what simulated raters change.

    python -m research.people FOLDER [--prompts 300] [--json]

Images of the test split are drawn by the four packaged models and scored by the four rewards in
FOLDER, which goes on when called again. The judge, which no reward uses, stands for people: of two
images it prefers the one that shows what was asked for (strictly; then by GenEval's rule), and else
neither. Raters vote like the judge with a known probability, five of them on each pair.
"""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from synpic.evaluate.agree import PeopleAgreement, agree
from synpic.pipeline.inventory import take_inventory
from synpic.pipeline.steps import generate_candidates, init_workspace, score_candidates
from synpic.readers.images import decode
from synpic.recipe.presets import preset
from synpic.shapes import judge
from synpic.workspace import Workspace
from synpic.workspace.labels import as_labels, write_labels

__all__ = ["judged", "label_by_judge", "label_by_raters", "make"]

COMPARER = """
[rewards.shapes_compare]
comparer = "shapes_compare"
"""
"""Compared after the rewards have scored; it ranks as they do."""

RELIABILITIES = (0.6, 0.75, 0.9)
VOTES = 5


def make(folder: Path, prompts: int) -> Workspace:
    """Images and scores of ``prompts`` test prompts; what is there already is kept."""
    if not (folder / "recipe.toml").exists():
        text = preset("shapes").replace('split = "train"', 'split = "test"')
        text = text.replace("count = 300", f"count = {prompts}")
        text = text.replace("# [rewards.shapes_biased]", "[rewards.shapes_biased]")
        init_workspace(folder, text + COMPARER)
    workspace = Workspace.open(folder)
    generate_candidates(workspace).raise_if_unfinished()
    score_candidates(workspace).raise_if_unfinished()
    return workspace


def judged(workspace: Workspace) -> pl.DataFrame:
    """``candidate_id``, ``prompt_id`` and ``level``: 2 strictly right, 1 by GenEval's rule, 0."""
    inventory = take_inventory(workspace)
    rows = inventory.candidates()
    keys = list(rows.select("candidate_id", "sha256").iter_rows())
    pictures = workspace.images(inventory.image_folders()).read(keys)
    levels = []
    for prompt, data in zip(rows["prompt"], pictures, strict=True):
        reading = judge.read(decode(data))
        levels.append(judge.strict(prompt, reading) + judge.lenient(prompt, reading))
    return rows.select("candidate_id", "prompt_id").with_columns(
        level=pl.Series(levels, dtype=pl.Int64)
    )


def label_by_judge(workspace: Workspace, levels: pl.DataFrame) -> None:
    """Labels "judge": every pair of a prompt's images."""
    pairs = _pairs(levels)
    shares = [0.5 + 0.5 * np.sign(a - b) for _, _, _, a, b in pairs]
    write_labels(workspace, "judge", {"judge": "shapes"}, _labels(pairs, shares, votes=1))


def label_by_raters(workspace: Workspace, levels: pl.DataFrame, reliability: float) -> str:
    """Labels of raters who see what the judge sees with this probability; returns their name."""
    random = np.random.default_rng(round(1000 * reliability))
    pairs = [pair for pair in _pairs(levels) if pair[3] != pair[4]]
    right = random.binomial(VOTES, reliability, len(pairs)) / VOTES
    shares = [
        share if a > b else 1 - share for (_, _, _, a, b), share in zip(pairs, right, strict=True)
    ]
    source = f"raters_{round(100 * reliability)}"
    inputs = {"judge": "shapes", "reliability": reliability}
    write_labels(workspace, source, inputs, _labels(pairs, shares, votes=VOTES))
    return source


_Pair = tuple[str, str, str, int, int]


def _pairs(levels: pl.DataFrame) -> list[_Pair]:
    return [
        (prompt_id[0], one[0], other[0], one[2], other[2])
        for prompt_id, images in levels.group_by("prompt_id", maintain_order=True)
        for one, other in itertools.combinations(images.iter_rows(), 2)
    ]


def _labels(pairs: list[_Pair], shares: list[float], votes: int) -> pl.DataFrame:
    return as_labels(
        pl.DataFrame(
            {
                "prompt_id": [pair[0] for pair in pairs],
                "left": [pair[1] for pair in pairs],
                "right": [pair[2] for pair in pairs],
                "question": "overall",
                "share": shares,
                "n": votes,
                "kind": "person",
            }
        )
    )


def _shown(found: PeopleAgreement) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for question in found.questions:
        for row in question.accuracies:
            rows.append({"labels": question.source, "judge": row.judge, **row.accuracy.as_dict()})
        if question.one_vote.value is not None:
            vote = {"judge": "one vote with the others", **question.one_vote.as_dict()}
            rows.append({"labels": question.source, **vote})
    return rows


def main() -> None:
    """Make what is missing, label it, and print how far rewards agree."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--prompts", type=int, default=300)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    workspace = make(options.folder, options.prompts)
    levels = judged(workspace)
    label_by_judge(workspace, levels)
    for reliability in RELIABILITIES:
        label_by_raters(workspace, levels, reliability)
    rows = _shown(agree(workspace))
    if options.json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    print(
        "| labels | judge | accuracy | 95 % interval | pairs | prompts |\n|---|---|---|---|---|---|"
    )
    for row in rows:
        interval = f"{row['low']:.3f} … {row['high']:.3f}"
        cells = (row["labels"], row["judge"], f"{row['value']:.3f}", interval)
        print(f"| {' | '.join(cells)} | {row['n']:,} | {row['clusters']:,} |")


if __name__ == "__main__":
    main()
