"""What a release says of a reward that a server computed."""

from __future__ import annotations

from pathlib import Path

from synpic.pipeline.inventory import take_inventory
from synpic.publish import publish_to
from synpic.recipe import parse_recipe
from synpic.release.manifest import read_manifest
from tests.publish.fixtures import build, recipe

JUDGE = """
[rewards.judge]
reward = "vlm_yes_endpoint"
options = {{ model = "owner/A_model", variant = "awq", endpoint = "{}" }}
"""


def test_the_card_names_the_model_and_not_the_server(tmp_path: Path) -> None:
    url = "http://gpu-17.internal.example:8000/v1"
    workspace = build(tmp_path / "set", text=recipe(more=JUDGE.format(url)))
    publish_to(workspace, folder := tmp_path / "out")
    card = (folder / "README.md").read_text().replace("\\", "")
    assert "The scores of `judge` are **not reproducible bit for bit**: owner/A_model (awq)" in card
    assert "gpu-17" not in card
    manifest = read_manifest(folder)
    assert "gpu-17" not in (folder / "manifest.json").read_text()
    published = parse_recipe(manifest.recipe).rewards["judge"].options
    assert published["endpoint"] == "$OPENAI_BASE_URL"
    (judge,) = [row for row in manifest.rewards if row.name == "judge"]
    assert judge.fingerprint_inputs["options"] == {"model": "owner/A_model", "variant": "awq"}


def test_where_a_server_is_changes_no_fingerprint(tmp_path: Path) -> None:
    def fingerprint(url: str, variant: str = "awq") -> str:
        text = recipe(more=JUDGE.format(url).replace("awq", variant))
        root = tmp_path / str(len(list(tmp_path.iterdir())))
        return take_inventory(build(root, text=text)).rewards[-1].fingerprint

    assert fingerprint("http://one/v1") == fingerprint("$OPENAI_BASE_URL")
    assert fingerprint("http://one/v1") != fingerprint("http://one/v1", "fp8")
