"""A package that brings a reward, installed as a user would, and used through the command."""

from __future__ import annotations

import json
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from math import hypot
from pathlib import Path

import pytest
from PIL import Image

from synpic import generate_candidates
from synpic.workspace import Workspace
from tests.conftest import MakeRecipe
from tests.nursery import COMMAND, ForkServer

SOURCE = Path(__file__).parent.parent / "examples" / "reward_package"

Synpic = Callable[..., str]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has installed the example: built, with its metadata."""
    folder = tmp_path_factory.mktemp("package")
    shutil.copytree(SOURCE, folder / "source")  # building leaves files beside the source
    words = ["install", "--quiet", "--no-build-isolation", "--no-deps", "--no-index"]
    ended = subprocess.run(
        [sys.executable, "-m", "pip", *words, "--target", folder / "site", folder / "source"],
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    return folder / "site"


@pytest.fixture
def synpic(installed: Path, forks: ForkServer) -> Synpic:
    """``synpic …`` in a process that finds what is installed there."""
    code = f"import sys; sys.path.insert(0, {str(installed)!r})\n{COMMAND}"

    def run(*words: str, cwd: str | None = None) -> str:
        process = forks.start(words, code=code, cwd=cwd)
        output, errors = process.communicate(timeout=280)
        assert process.wait() == 0, output + errors
        return output

    return run


def test_it_is_listed_with_the_name_of_its_package(synpic: Synpic) -> None:
    rows = {row["name"]: row for row in json.loads(synpic("list", "rewards", "--json"))}
    row = rows["colourfulness"]
    assert (row["installed"], row["from"]) == (True, "synpic-colourfulness")
    assert (row["reads_prompt"], row["cached"]) == (False, None)
    assert rows["clip_score"]["from"] == "synpic"
    lines = synpic("list", "rewards", "colourfulness").splitlines()
    assert "from          synpic-colourfulness" in lines


def test_a_recipe_scores_with_it(synpic: Synpic, recipe: MakeRecipe, tmp_path: Path) -> None:
    text = recipe(prompts=4, more="[rewards.colourfulness]\n")
    workspace = Workspace.create(tmp_path / "set", text)
    generate_candidates(workspace)
    assert "colourfulness" in synpic("score", cwd=str(workspace.store.root))
    (folder,) = (path for path in (tmp_path / "set" / "scores").iterdir() if "colour" in path.name)
    scores = workspace.scores(f"scores/{folder.name}")
    assert scores.height == 8
    assert scores["score"].n_unique() == 8
    assert scores["score"].min() > 0


def test_its_numbers_by_hand() -> None:
    example = runpy.run_path(str(SOURCE / "synpic_colourfulness.py"))
    grey, red, two = (Image.new("RGB", (2, 1), color) for color in ("grey", "red", "red"))
    two.putpixel((1, 0), (0, 0, 255))
    # Red is rg 255 and yb 127.5; blue is rg 0 and yb -255.
    spread, mean = hypot(127.5, 191.25), hypot(127.5, -63.75)
    assert example["Colourfulness"]().score(["a"] * 3, [grey, red, two]) == pytest.approx(
        [0, 0.3 * hypot(255, 127.5), spread + 0.3 * mean]
    )
