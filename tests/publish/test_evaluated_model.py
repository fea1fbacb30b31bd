"""A model evaluated on a suite by ``synpic eval``, and published with what was found."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from synpic import ids
from synpic.hub.checkpoints import load_unlocked
from synpic.registry import MODELS
from synpic.release.cards.model_card import render_card
from tests.cli.conftest import in_process
from tests.hub_server import HubServer
from tests.hub_server.fixtures import hub, online, waits
from tests.publish.test_model_release import MODEL, card, here
from tests.release.cards.facts import about

__all__ = ["here", "hub", "online", "waits"]

PROMPTS = [
    "a red circle",
    "two blue squares",
    "a green triangle left of a red square",
    "a yellow star",
]


def trained(folder: Path) -> Path:
    """A packaged model as training leaves it."""
    settings: Any = MODELS.load("shapes_unet").settings
    source, _ = load_unlocked(settings.checkpoint, None)
    shutil.copytree(source, folder)
    weights = sorted(folder.rglob("*.safetensors"))
    described = {
        one.relative_to(folder).as_posix(): {
            "bytes": one.stat().st_size,
            "sha256": ids.file_hash(one),
        }
        for one in weights
    }
    facts = about(files=described, saved="pipeline")
    (folder / "training.json").write_text(json.dumps(facts), "utf-8")
    (folder / "README.md").write_text(render_card(facts), "utf-8")
    return folder


@pytest.fixture
def evaluated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a trained model, ``model``, and its evaluation on a suite, ``set``."""
    trained(tmp_path / "model")
    lines = [json.dumps({"prompt": one, "tag": "easy"}) for one in PROMPTS]
    (tmp_path / "mine.jsonl").write_text("\n".join(lines))
    monkeypatch.chdir(tmp_path)
    words = ("tuned=model", "--base", "shapes_unet", "--suite", "mine.jsonl", "--judge", "shapes")
    ended = in_process("eval", *words, "--reward", "shapes_clip", "--into", "set", "--to", "report")
    assert ended.exit_code == 0, ended.output
    return tmp_path


@pytest.mark.slow
def test_what_eval_writes_is_what_publish_and_diff_read(here: HubServer, evaluated: Path) -> None:
    ended = in_process("publish", "--model", "model", MODEL, "--evaluation", "set")
    assert ended.exit_code == 0, ended.output
    found = json.loads((evaluated / "set/eval.json").read_bytes())
    read = ModelCard(card(here)).data.eval_results
    assert [(one.metric_name, one.metric_value) for one in read] == [
        (measure["metric"], row["mean"]["value"])
        for measure in found["measures"]
        for row in measure["results"]
        if (row["model"], row["tag"]) == ("tuned", "overall")
    ]
    assert read[0].dataset_args["version"] == found["suite"]["version"]
    assert "synpic:evaluation" in card(here)
    same = in_process("diff", "set", "report")
    assert "No difference" in same.output
    assert in_process("publish", "--model", "model", MODEL, "--evaluation", "report").exit_code == 0
