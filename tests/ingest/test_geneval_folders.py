"""Folders as GenEval's programs draw them."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image

from synpic.pipeline.inventory import take_inventory
from synpic.pipeline.steps import generate_candidates
from synpic.workspace import Workspace

LINES = [
    {"tag": "two", "include": [{"class": "dog", "count": 2}], "prompt": "two dogs"},
    {"tag": "one", "include": [{"class": "cat", "count": 1}], "prompt": "a photo of a cat"},
    {"tag": "one", "include": [{"class": "cow", "count": 1}], "prompt": "not drawn yet"},
]


def drawn(folder: Path) -> Path:
    """What generation/diffusers_generate.py leaves of two prompts, and begins of a third."""
    for number, line in enumerate(LINES):
        of = folder / f"{number:05}"
        (of / "samples").mkdir(parents=True)
        (of / "metadata.jsonl").write_text(json.dumps(line))
        if number < 2:
            for sample in range(4):
                image = Image.new("RGB", (8, 8), (50 * number, 60 * sample, 0))
                image.save(of / "samples" / f"{sample:05}.png")
            Image.new("RGB", (32, 8)).save(of / "grid.png")
    return folder


def test_images_have_the_prompt_of_their_folder_and_grids_are_left_out(tmp_path: Path) -> None:
    drawn(tmp_path / "outputs")
    (tmp_path / "list.jsonl").write_text("".join(json.dumps(one) + "\n" for one in LINES))
    text = '[ingest]\nimages = "outputs"\n'
    workspace = Workspace.create(tmp_path / "set", text.replace("outputs", "../outputs"))
    report = generate_candidates(workspace)
    assert [(one.made, one.failed) for one in report.outcomes] == [(8, 0)]
    inventory = take_inventory(workspace)
    assert inventory.prompts["prompt"].to_list() == ["two dogs", "a photo of a cat"]
    counted = inventory.candidates().group_by("prompt_id").len()["len"].to_list()
    assert counted == [4, 4]


def test_other_metadata_are_read_as_before(tmp_path: Path) -> None:
    folder = drawn(tmp_path / "outputs")
    Image.new("RGB", (8, 8), (1, 2, 3)).save(folder / "own.png")
    row = {"file_name": "own.png", "prompt": "mine", "include": []}
    (folder / "metadata.jsonl").write_text(json.dumps(row))
    workspace = Workspace.create(tmp_path / "set", '[ingest]\nimages = "../outputs"\n')
    generate_candidates(workspace)
    assert take_inventory(workspace).prompts["prompt"].to_list() == [
        "two dogs",
        "a photo of a cat",
        "mine",
    ]
