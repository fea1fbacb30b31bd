"""``synpic score`` with the judges of T2I-CompBench, on scenes of the embedded world."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
import torch

from synpic import Workspace, score_candidates
from synpic.pipeline.inventory import take_inventory
from synpic.score.towers.blip_vqa import AUTHORS_FILE
from synpic.shapes.references import scene_of
from synpic.workspace import tables
from synpic.workspace.suite import write_suite
from tests.cli.conftest import in_process
from tests.parity.blip_vqa_inputs import vocabulary
from tests.publish.fixtures import build
from tests.score.judges.test_blip_vqa import weights

RECIPE = """
[prompts]
file = "prompts.txt"

[models.alpha]
checkpoint = "./weights/alpha"

[judges.blip_vqa]
judge = "tests.score.judges.test_blip_vqa:Small"
checkpoint = "weights/blip"
batch_size = 3
options = { tokenizer = "weights/bert" }

[judges.clip_text]
checkpoint = "package:synpic.shapes/weights/clip"
"""
TEXTS = ["a red circle and a blue square", "a green star", "an orange cross and a purple circle"]


def drawn(row: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    scene_of(row["prompt"], row["sample"]).save(buffer, "PNG")
    return buffer.getvalue()


def made(root: Path, specs: list[dict[str, Any]]) -> Workspace:
    build(root, [(text, "train") for text in TEXTS], text=RECIPE, draw=drawn)
    (root / "weights" / "blip").mkdir()
    torch.save({"model": weights()}, root / "weights" / "blip" / AUTHORS_FILE)
    (root / "weights" / "bert").mkdir()
    (root / "weights" / "bert" / "vocab.txt").write_text("\n".join(vocabulary()) + "\n")
    workspace = Workspace.open(root)
    texts = take_inventory(workspace).prompts.select("prompt_id", "prompt").iter_rows()
    rows = [
        {
            "prompt_id": key,
            "suite": "mine",
            "version": "1",
            "item": str(TEXTS.index(text)),
            "tag": "color",
            "spec": json.dumps(specs[TEXTS.index(text)]),
        }
        for key, text in texts
    ]
    write_suite(workspace, pa.Table.from_pylist(rows, tables.SUITE))
    return workspace


def verdicts(workspace: Workspace, judge: str) -> dict[str, dict[str, Any]]:
    inventory = take_inventory(workspace)
    rows = inventory.verdicts(judge).join(
        inventory.candidates().select("candidate_id", pl.col("prompt").alias("asked")),
        on="candidate_id",
    )
    return {row["asked"]: row for row in rows.iter_rows(named=True)}


def test_verdicts_of_both_are_kept(tmp_path: Path) -> None:
    workspace = made(tmp_path / "set", [{}, {"phrases": ["a star", "green paint"]}, {}])
    score_candidates(workspace)
    found = verdicts(workspace, "blip_vqa")
    questions = {text: [part["question"] for part in row["parts"]] for text, row in found.items()}
    assert questions == {
        TEXTS[0]: ["a red circle?", "a blue square?"],
        TEXTS[1]: ["a star?", "green paint?"],
        TEXTS[2]: ["an orange cross?", "a purple circle?"],
    }
    for row in found.values():
        product = math.prod(part["probability"] for part in row["parts"])
        assert row["score"] == pytest.approx(product, abs=1e-4)
        assert row["correct"] is None
    near = verdicts(workspace, "clip_text")
    assert len(near) == 3
    assert all(0.2 < row["score"] <= 1 for row in near.values())
    # Nothing is judged twice.
    again = in_process("-C", workspace.store.root, "score", "--dry-run")
    assert again.exit_code == 0, again.output
    assert "verdicts to give" not in again.stdout.replace("0 verdicts to give", "")


def test_an_item_that_cannot_be_asked_about_is_named_first(tmp_path: Path) -> None:
    workspace = made(tmp_path / "set", [{}, {"phrases": []}, {}])
    ended = in_process("-C", workspace.store.root, "score", "--only", "blip_vqa")
    assert ended.exit_code == 3, ended.output
    assert "item '1': 'a green star': phrases is []" in str(ended.exception)
    assert not verdicts(workspace, "blip_vqa")[TEXTS[0]]["parts"]
