"""`validate` says where all that ranks descends from one network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from synpic.pipeline.validation import validate
from synpic.workspace import Workspace
from tests.publish.fixtures import build

RULE = """\
[prompts]
file = "prompts.txt"

[models.alpha]
checkpoint = "./weights/alpha"
samples = 2

"""


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A folder that stands for any checkpoint: nothing of it is read here."""
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"\0")
    return folder


def noted(workspace: Workspace, weights: Path, *names: str, more: str = "") -> list[str]:
    companions = {"hpsv2": (), "imagereward": ("tokenizer",)}
    text = RULE
    for name in names:
        places = {key: str(weights) for key in companions.get(name, ("processor",))}
        options = ", ".join(f"{key} = {json.dumps(place)}" for key, place in places.items())
        text += (
            f"[rewards.{name}]\ncheckpoint = {json.dumps(str(weights))}\n"
            f"options = {{ {options} }}\n\n"
        )
    (workspace.folder / "recipe.toml").write_text(text + more)
    found = validate(Workspace.open(workspace.folder))
    return [note for note in found.notes if "descend" in note]


def test_one_family_is_noted_and_no_other(tmp_path: Path, weights: Path) -> None:
    made = build(tmp_path / "set", text=RULE, score=lambda *_: None)
    (note,) = noted(made, weights, "hpsv2", "pickscore", "mps")
    assert note.startswith("hpsv2, pickscore and mps all descend from CLIP ViT-H-14 (LAION-2B)")
    assert noted(made, weights, "hpsv2", "pickscore", "imagereward") == []
    assert noted(made, weights, "hpsv2") == []
    # Of those that rank: a third that is only looked at changes nothing.
    ranks = '[ranking]\nrewards = ["hpsv2", "pickscore"]\n'
    (note,) = noted(made, weights, "hpsv2", "pickscore", "imagereward", more=ranks)
    assert note.startswith("hpsv2 and pickscore all descend")
    people = '[rewards.people]\nlabels = "study"\n'
    assert noted(made, weights, "hpsv2", "pickscore", more=people) == []
