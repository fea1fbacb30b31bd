"""Two runs of one recipe publish equal bytes, whatever surrounds them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from synpic.publish import publish_to
from synpic.workspace import Workspace
from tests.cli.conftest import ENVIRONMENT
from tests.conftest import MakeRecipe
from tests.hub_server import HubServer
from tests.hub_server.fixtures import hub, online, waits
from tests.publish.making import CONFIGS
from tests.publish.on_hub import here, publish, trusting

__all__ = ["here", "hub", "online", "trusting", "waits"]

ONE = {"TZ": "UTC", "PYTHONHASHSEED": "1", "LC_ALL": "C", "PYTHONUTF8": "1"}
OTHER = {
    "TZ": "Pacific/Auckland",
    "PYTHONHASHSEED": "20",
    "LC_ALL": "de_DE.UTF-8",
    "LANG": "tr_TR.UTF-8",
    "HOME": "",
    "COLUMNS": "40",
    "NO_COLOR": "1",
}


@pytest.fixture
def two(tmp_path: Path, recipe: MakeRecipe) -> list[Path]:
    """Two workspaces that two processes made at once, each with a release in ``out`` beside it."""
    text = recipe(prompts=9, samples=2, more='[safety]\nwords = "words.txt"')
    running = []
    folders = []
    for name, around, order in (("one", ONE, []), ("another", OTHER, ["backwards"])):
        folder = tmp_path / name / "sets" / f"my {name}"
        folder.mkdir(parents=True)
        (folder / "words.txt").write_text("0-3\n")
        Workspace.create(folder, text)
        for place in ("tmp", "home"):
            (tmp_path / name / place).mkdir()
        around = {**around, "TMPDIR": str(tmp_path / name / "tmp")}
        around |= {"HOME": str(tmp_path / name / "home")} if "HOME" in around else {}
        running.append(
            subprocess.Popen(
                [sys.executable, "-m", "tests.publish.making", folder, folder / "out", *order],
                env={**ENVIRONMENT, **around},
                cwd=tmp_path / name,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        folders.append(folder)
    for process in running:
        _, told = process.communicate(timeout=280)
        assert process.returncode == 0, told
    return folders


def _files(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def _differing(one: dict[str, bytes], other: dict[str, bytes]) -> list[str]:
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def test_two_runs_publish_equal_bytes(
    two: list[Path], here: HubServer, trusting: None, tmp_path: Path
) -> None:
    first, second = (Workspace.open(folder) for folder in two)
    # The runs were two: their parts hold measured times.
    parts = [[p for f in w.folders("candidates") for p in w.parts(f)] for w in (first, second)]
    assert parts[0] != parts[1]
    made = [_files(folder / "out") for folder in two]
    assert {name.partition("/")[0] for name in made[0]} > {*CONFIGS} - {"images"}
    assert any(name.endswith(".png") for name in made[0])
    assert _differing(*made) == []
    # Packed again, by this process.
    publish_to(second, tmp_path / "again", configs=CONFIGS)
    assert _differing(made[0], _files(tmp_path / "again")) == []
    sent = []
    for name, workspace in (("user/one", first), ("user/another", second)):
        publish(workspace, name, configs=CONFIGS)
        files = here.repositories[name].files("main")
        data = {path: here.read(name, path, "main") for path in files}
        # A card says where it is loaded from, and as what it is cited.
        cited = b"@misc{%s-" % name.partition("/")[2].encode()
        plain = {path: one.replace(name.encode(), b"NAME") for path, one in data.items()}
        sent.append({path: one.replace(cited, b"@misc{NAME-") for path, one in plain.items()})
    # So its own hash differs too, which the manifest holds.
    manifests = [json.loads(files.pop("manifest.json")) for files in sent]
    hashes = [manifest["files"].pop("README.md")["sha256"] for manifest in manifests]
    assert hashes[0] != hashes[1]
    assert manifests[0] == manifests[1]
    assert _differing(*sent) == []
