"""``synpic merge`` as a user runs it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from synpic.workspace import Workspace
from tests.cli.conftest import in_process
from tests.conftest import MakeRecipe, edit


@pytest.fixture
def here(tmp_path: Path, recipe: MakeRecipe) -> Path:
    """Workspaces A, with two prompts, and B, with three, of which two are those of A."""
    for name, prompts in (("A", 2), ("B", 3)):
        Workspace.create(tmp_path / name, recipe(prompts=prompts))
        for verb in ("generate", "score"):
            assert in_process("-C", tmp_path / name, verb, "--device", "cpu").exit_code == 0
    os.chdir(tmp_path)
    return tmp_path


def test_merge(here: Path) -> None:
    looked = in_process("merge", "A", "B", "--to", "C", "--dry-run")
    assert looked.exit_code == 0
    assert "would merge: 3 prompts, 6 images" in looked.output
    assert not Path("C").exists()
    done = in_process("merge", "A", "B", "--to", "C")
    assert done.exit_code == 0, done.output
    assert "merged: 3 prompts, 6 images\n" in done.output
    assert " linked (" in done.output
    assert f"Next: synpic -C {here / 'C'} status" in done.output
    again = in_process("merge", "A", "B", "--to", "my set")
    assert f"Next: synpic -C '{here / 'my set'}' status" in again.output
    status = json.loads(in_process("-C", here / "C", "status", "--json").stdout)
    assert status["complete"]
    assert Workspace.open(here / "C").snapshot().recipe.prompts.count == 3  # type: ignore[union-attr]


def test_json_and_another_folder(here: Path) -> None:
    done = in_process("merge", "-C", "A", ".", "../B", "--to", "../C", "--json")
    found = json.loads(done.stdout)
    assert found["workspaces"] == [".", "../B"]
    assert (found["prompts"], found["images"], found["clashes"]) == (3, 6, [])
    assert set(found["scores"].values()) == {6}
    assert found["parts_linked"] > 0
    assert found["to"] == str(here / "C")


def test_clashes(here: Path) -> None:
    b = Workspace.open("B")
    edit(b, b.store.read("recipe.toml").decode().replace("weight = 0.5", "weight = 2.0"))
    line = "[rewards.blue] weight: 0.5 in A, 2.0 in B"
    looked = in_process("merge", "A", "B", "--to", "C", "--dry-run")
    assert looked.exit_code == 1
    assert f"clash: {line}\n" in looked.output
    assert "compared: 3 prompts, 6 images\n" in looked.output
    assert "1 clash: nothing can be merged." in looked.output
    as_json = in_process("merge", "A", "B", "--to", "C", "--dry-run", "--json")
    assert as_json.exit_code == 1
    assert json.loads(as_json.stdout)["clashes"] == [{"kind": "recipe", "what": line}]
    ended = in_process("merge", "A", "B", "--to", "C")
    assert ended.exit_code == 1
    assert line in str(ended.exception)
    assert in_process("merge", "A", "--to", "C").exit_code == 1
    assert in_process("merge", "A", "B").exit_code == 2
    address = in_process("merge", "A", "B", "--to", "s3://bucket/C")
    assert "that is an address" in str(address.exception)


def test_what_is_not_found_there_is_said_and_read(here: Path, recipe: MakeRecipe) -> None:
    more = '\n[models.other]\ncheckpoint = "../away"\n'
    for name, prompts in (("A", 2), ("B", 3)):
        edit(Workspace.open(name), recipe(prompts=prompts) + more)
    said = f"warning: models.other is not found: ../away: no such folder ({here / 'C'}/"
    looked = in_process("merge", "A", "B", "--to", "C", "--dry-run")
    assert said in looked.output.replace("\n", " ")
    done = in_process("merge", "A", "B", "--to", "C")
    assert done.exit_code == 0, done.output
    assert said in done.output.replace("\n", " ")
    after = in_process("-C", here / "C", "status")
    assert "or take it out of the recipe; `synpic list models` shows" in after.output


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that takes no file")
def test_a_place_that_takes_no_file_is_named_with_its_reason(here: Path) -> None:
    done = in_process("merge", "A", "B", "--to", "/proc/merged")
    assert done.exit_code == 1
    assert "/proc/.merged.merging: No such file" in str(done.exception)
