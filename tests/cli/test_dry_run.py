"""A dry run leaves everything as it was, whatever the command."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer.main

from synpic.prompts.suites import SuiteData
from synpic.publish import publish_to
from synpic.shapes.references import scene_of
from synpic.shapes.suite import SHAPES as SHAPES_SUITE
from synpic.workspace import LOCK, PROMPTS, Workspace
from synpic_cli.main import app
from synpic_cli.reference import commands
from tests.cli.conftest import in_process
from tests.generate.conftest import saved
from tests.hub_server import HubServer
from tests.hub_server.fixtures import hub, online, waits
from tests.ingest.conftest import cache, pickapic, pictures
from tests.publish.fixtures import TWO_SPLITS, build
from tests.publish.test_model_release import trained
from tests.train.conftest import Wanted, encoded, ranked, wanted
from tests.train.runs import RECIPE

__all__ = [
    "cache",
    "encoded",
    "hub",
    "online",
    "pickapic",
    "pictures",
    "ranked",
    "saved",
    "waits",
    "wanted",
]

REWARD = ("--reward", "tests.fakes:redness")

IN_A_WORKSPACE = {
    "eval": (),
    "generate": (),
    "score": (),
    "export": ("--to", "pickapic", "../new/out"),
    "repair": (),
    "serve": (),
    "study new": ("--pairs", "2"),
    "view": ("--to", "../new/page"),
    "publish": ("user/set",),
}
SHAPES = ("--suite", "shapes", "--into", "../new/eval")
ELSEWHERE = {
    "eval": [
        ("shapes_unet", "--base", "shapes_mmdit", *SHAPES),
        ("--images", "a=../scenes", "--images", "b=../scenes", *SHAPES),
    ],
    "score": [("--images", "../pictures", *REWARD), ("--dataset", "../pickapic", *REWARD)],
    "merge": [("../set", "../other", "--to", "../new/both")],
    "train": [("../tune.toml", "--out", "../new/run")],
    "publish": [("--model", "../run/model", "user/model")],
    "remake": [("../out", "--sample", "all")],
}
"""Commands that have a dry run, with what they are given."""


def test_every_command_with_a_dry_run_is_tried() -> None:
    def takes_it(path: tuple[str, ...]) -> bool:
        command: Any = typer.main.get_command(app)
        for word in path:
            command = command.commands[word]
        return any("--dry-run" in one.opts for one in command.params)

    found = {" ".join(path) for path in commands() if takes_it(path)}
    assert found == {*IN_A_WORKSPACE, *ELSEWHERE}


@pytest.fixture
def untouched(tmp_path: Path) -> Workspace:
    """Images and scores, and nothing that a command writes on its way to them."""
    workspace = build(tmp_path / "set")
    for name in (PROMPTS, LOCK):
        workspace.store.remove(name)
    lines = "".join(f"{prompt}\n" for prompt, _ in TWO_SPLITS)
    workspace.store.write("prompts.txt", lines.encode())
    return workspace


def files(root: Path) -> dict[str, Any]:
    """Every file and folder below ``root``, with what a file holds."""
    found = sorted(root.rglob("*"))
    return {
        str(one.relative_to(root)): one.is_file() and hashlib.sha256(one.read_bytes()).hexdigest()
        for one in found
    }


@pytest.fixture
def dry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Run a command dry in a folder of ``tmp_path``: nothing there is another one afterwards."""

    def run(folder: str, command: str, *words: str) -> None:
        (tmp_path / folder).mkdir(exist_ok=True)
        monkeypatch.chdir(tmp_path / folder)
        (tmp_path / "new").mkdir()
        aside = {"cache", "modules", "home", "hub"}  # of the Hub, and of its clients
        before = {k: v for k, v in files(tmp_path).items() if k.split("/")[0] not in aside}
        done = in_process(*command.split(), *words, "--dry-run")
        assert done.exit_code == 0, done.exception or done.output
        after = {k: v for k, v in files(tmp_path).items() if k.split("/")[0] not in aside}
        assert after == before

    return run


@pytest.mark.parametrize("command", sorted(set(IN_A_WORKSPACE) - {"publish"}))
def test_a_workspace_stays_as_it_was(
    untouched: Workspace, dry: Callable[..., None], command: str
) -> None:
    dry("set", command, *IN_A_WORKSPACE[command])


@pytest.mark.parametrize("words", ELSEWHERE["score"])
def test_images_that_exist_leave_no_recipe(
    pictures: Path, pickapic: Path, dry: Callable[..., None], words: tuple[str, ...]
) -> None:
    dry("here", "score", *words)


@pytest.mark.parametrize("words", ELSEWHERE["eval"])
def test_an_evaluation_is_not_begun(
    dry: Callable[..., None], tmp_path: Path, words: tuple[str, ...]
) -> None:
    item = SHAPES_SUITE.read(SuiteData()).items[0]
    (tmp_path / "scenes").mkdir()
    scene_of(item.prompt, 0).save(tmp_path / "scenes" / f"{item.item}.png")
    dry("here", "eval", *words)


def test_workspaces_to_merge_stay_as_they_were(
    untouched: Workspace, dry: Callable[..., None], tmp_path: Path
) -> None:
    shutil.copytree(tmp_path / "set", tmp_path / "other")
    dry("here", "merge", *ELSEWHERE["merge"][0])


def test_a_remake_makes_nothing(
    untouched: Workspace, dry: Callable[..., None], tmp_path: Path
) -> None:
    publish_to(build(tmp_path / "made"), tmp_path / "out")
    dry("here", "remake", *ELSEWHERE["remake"][0])


def test_training_leaves_no_run(wanted: Wanted, dry: Callable[..., None], tmp_path: Path) -> None:
    settings = wanted("sd3_without_t5")
    text = RECIPE.format(checkpoint=settings.model.checkpoint, dataset=settings.data.dataset)
    (tmp_path / "tune.toml").write_text(text)
    dry("here", "train", *ELSEWHERE["train"][0])


@pytest.fixture
def here(hub: HubServer, online: Any, waits: list[float], tmp_path: Path) -> HubServer:
    online(hub, "hf_write", tmp_path / "home")
    return hub


def test_publishing_leaves_the_workspace_and_the_hub(
    here: HubServer, untouched: Workspace, dry: Callable[..., None]
) -> None:
    dry("set", "publish", *IN_A_WORKSPACE["publish"])
    assert not here.repositories


def test_publishing_a_model_leaves_its_folder_and_the_hub(
    here: HubServer, dry: Callable[..., None], tmp_path: Path
) -> None:
    trained(tmp_path)
    dry("here", "publish", *ELSEWHERE["publish"][0])
    assert not here.repositories
