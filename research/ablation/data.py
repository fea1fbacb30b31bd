"""Datasets of an ablation: workspaces of the embedded world, and their releases.

A folder holds one study. What was made by another recipe (``--quick`` makes one of a few prompts)
is refused, not trained on.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from research.ablation.files import locked
from synpic import ids
from synpic.pipeline.steps import generate_candidates, init_workspace, score_candidates
from synpic.publish import publish_to
from synpic.workspace import RECIPE, Workspace

__all__ = ["check", "content", "make", "recipe_of"]

_PROMPTS = """
seed = 6

[prompts]
world = "shapes"
split = "train"
count = 3000
seed = 6
"""
_REST = """
[rewards.shapes_alignment]
[rewards.shapes_clip]
[rewards.shapes_quality]

[records]
configs = ["ranked"]

[publish]
"""
_RECIPES = {
    "mixed": f"""\
# Four models draw a picture each for 3,000 training prompts; three rewards judge.{_PROMPTS}
[models.shapes_mmdit]
[models.shapes_unet]
[models.shapes_mmdit_small]
[models.shapes_pixart]
{_REST}title = "Ablation: four models"
""",
    "own": f"""\
# The model that is fine-tuned draws all four pictures of each prompt itself.{_PROMPTS}
[models.shapes_mmdit_small]
samples = 4
{_REST}title = "Ablation: one model"
""",
}


def recipe_of(name: str, prompts: int) -> str:
    """The text of a workspace's recipe.

    Args:
        name: "mixed" or "own".
        prompts: how many.
    """
    return _RECIPES[name].replace("count = 3000", f"count = {prompts}")


def make(root: Path, name: str, prompts: int) -> None:
    """Make what is missing of ``root/name`` and its release; one process does, the others wait.

    Raises:
        SystemExit: what is there was made by another recipe.
    """
    with locked(root / f"{name}.lock"):
        check(root, name, prompts)
        if _manifest(root, name) is not None:
            return
        workspace = Workspace(root / name)
        if not workspace.store.exists(RECIPE):
            workspace = init_workspace(root / name, recipe_of(name, prompts))
        for step in (generate_candidates, score_candidates):
            step(workspace).raise_if_unfinished()
        publish_to(workspace, root / name / "release")


def check(root: Path, name: str, prompts: int) -> None:
    """Hold what is there of ``root/name`` to its recipe.

    Raises:
        SystemExit: it was made by another one.
    """
    wanted, stored = recipe_of(name, prompts), {}
    if (path := root / name / RECIPE).exists():
        stored[path] = path.read_text("utf-8")
    if (manifest := _manifest(root, name)) is not None:
        stored[_manifest_path(root, name)] = manifest["recipe"]
    for path, text in stored.items():
        if text == wanted:
            continue
        told = [
            next((line for line in recipe.splitlines() if line not in other.splitlines()), "less")
            for recipe, other in ((text, wanted), (wanted, text))
        ]
        raise SystemExit(
            f"{path}: made by another recipe: it has `{told[0]}`, and wanted is `{told[1]}`\n"
            "`--quick` and a full run each need a --dir of their own"
        )


def content(root: Path, name: str) -> str | None:
    """A hash of what a release holds, that training knows it by; None before it is there.

    It is that of its manifest, which has the hashes of its files.
    """
    manifest = _manifest(root, name)
    return None if manifest is None else ids.fingerprint(manifest)


def _manifest_path(root: Path, name: str) -> Path:
    return root / name / "release/manifest.json"


def _manifest(root: Path, name: str) -> dict[str, Any] | None:
    path = _manifest_path(root, name)
    if not path.exists():
        return None
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found
