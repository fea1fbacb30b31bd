"""The Python that README and docs print, run as it is printed: the blocks of a page in order."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import synpic
from tests.hub_server import HubServer
from tests.hub_server.fixtures import hub, online, waits
from tests.publish.on_hub import here, publish, trusting

__all__ = ["here", "hub", "online", "trusting", "waits"]

ROOT = Path(__file__).parent.parent

NOT_RUN = {
    ("README.md", 'synpic.reward("pickscore")'): "downloads PickScore's weights",
    ("docs/rewards.md", 'synpic.reward("hpsv2")'): "downloads HPSv2's weights",
    ("docs/existing-images.md", '["hpsv2"]'): "downloads HPSv2's weights",
    ("docs/tutorial.md", "../my-release"): "tests/test_tutorial.py runs the page as a whole",
    ("docs/training.md", "stable-diffusion-xl-base-1.0"): "downloads SDXL's weights",
}
"""Page and a piece of the block → why it cannot run offline on a CPU."""


def blocks(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text("utf-8"), re.S | re.M)


PAGES = [
    page
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    for page in [path.relative_to(ROOT).as_posix()]
    if blocks(page)
]

RELEASE = "user/name"

MODEL = """
[models.{name}]
family = "tests.fakes:Painter"
checkpoint = "{weights}"
sizes = ["8x8"]
steps = {steps}
"""

RECIPE = """
[prompts]
world = "tests.fakes:world"
count = 4
{models}
[rewards.pickscore]
reward = "tests.fakes:redness"

[rewards.imagereward]
reward = "tests.fakes:blueness"

[records]
configs = ["ranked", "scores", "images", "pairwise"]
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the pages have it: workspaces, a release and an export of one, images."""
    folder = tmp_path_factory.mktemp("docs") / "place"
    folder.mkdir()
    weights = folder.parent / "weights"
    weights.mkdir()
    (weights / "model.bin").write_bytes(b"weights")
    tables = [
        MODEL.format(name=name, weights=weights.as_posix(), steps=steps)
        for steps, name in enumerate(("sdxl", "sd3_medium", "pixart_sigma"), 1)
    ]
    workspace = synpic.init_workspace(folder / "my-set", RECIPE.format(models="".join(tables)))
    for name, drawn in (("A", tables[:2]), ("B", tables[1:])):
        part = synpic.init_workspace(folder / name, RECIPE.format(models="".join(drawn)))
        synpic.generate_candidates(part).raise_if_unfinished()
    synpic.generate_candidates(workspace).raise_if_unfinished()
    synpic.score_candidates(workspace).raise_if_unfinished()
    synpic.publish_to(workspace, folder / "out")
    synpic.export(workspace.store.root, "pairwise", folder / "pairs")
    for name in ("one.png", "two.png"):
        Image.new("RGB", (32, 32), "red").save(folder / name)
    return folder


@pytest.fixture
def place(
    made: Path,
    here: HubServer,
    trusting: None,
    page: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """A copy of it to stand in, and for a page that names it the release on a Hub as v1.2.0."""
    folder = tmp_path / "place"
    shutil.copytree(made, folder)
    if any(RELEASE in block for block in blocks(page)):
        publish(synpic.Workspace.open(folder / "my-set"), RELEASE, version="1.2.0")
    recipe = (folder / "my-set" / "recipe.toml").read_text()
    monkeypatch.setattr("synpic.pipeline.steps.preset", lambda name: recipe)
    monkeypatch.chdir(folder)
    return folder


def _runs(page: str, block: str) -> bool:
    return not any(page == where and piece in block for where, piece in NOT_RUN)


@pytest.mark.parametrize(
    "page", [page for page in PAGES if any(_runs(page, b) for b in blocks(page))]
)
def test_the_python_of_a_page_runs(page: str, place: Path) -> None:
    if page == "docs/scale.md":  # it begins the workspace itself
        shutil.rmtree(place / "my-set")
    shown: dict[str, Any] = {"__name__": "shown"}
    for number, block in enumerate(blocks(page)):
        if _runs(page, block):
            exec(compile(block, f"{page}, block {number + 1}", "exec", dont_inherit=True), shown)
    if check := CHECKS.get(page):
        check(shown)


def _loading(shown: dict[str, Any]) -> None:
    assert isinstance(shown["batch"][0]["chosen"], Image.Image)
    assert len(shown["batch"]) == 2


def _merging(shown: dict[str, Any]) -> None:
    assert shown["merged"].images == 12


CHECKS: dict[str, Callable[[dict[str, Any]], None]] = {
    "docs/loading.md": _loading,
    "docs/workspace.md": _merging,
}


def test_what_is_not_run_is_there() -> None:
    for page, piece in NOT_RUN:
        assert sum(piece in block for block in blocks(page)) == 1, (page, piece)
