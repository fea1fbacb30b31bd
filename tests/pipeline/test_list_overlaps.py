"""Prompts of a workspace that an evaluation has too, counted from what is in the cache."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest

from synpic import Workspace, validate
from synpic.hub import published_files
from synpic.hub.published_files import PublishedFile
from synpic.pipeline.list_overlaps import ListOverlap
from synpic.prompts.suites import find_suite
from tests.cli.conftest import in_process
from tests.conftest import edit

LIST = [
    {"tag": tag, "include": [{"class": name, "count": count}], "prompt": f"a photo of {prompt}"}
    for tag, name, count, prompt in (
        ("single_object", "dog", 1, "a dog"),
        ("single_object", "cat", 1, "a cat"),
        ("counting", "cat", 2, "two cats"),
    )
]
DATA = "".join(json.dumps(one) + "\n" for one in LIST).encode()


def refused(*asked: object) -> NoReturn:
    raise AssertionError(f"fetched {asked}")


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of GenEval's list in the cache; nothing can be fetched."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(published_files, "_download", refused)
    digits = hashlib.sha256(DATA).hexdigest()
    place = PublishedFile("http://nowhere/evaluation_metadata.jsonl", digits)
    geneval = replace(find_suite("geneval"), places={"evaluation_metadata.jsonl": place})
    monkeypatch.setattr("synpic.prompts.suites.geneval.GENEVAL", geneval)
    file = tmp_path / "cache" / "synpic" / "files" / digits
    file.parent.mkdir(parents=True)
    file.write_bytes(DATA)
    return file


def with_prompts(workspace: Workspace, text: str, name: str = "mine.txt") -> Workspace:
    recipe = workspace.store.read("recipe.toml").decode()
    head, _, rest = recipe.partition("[prompts]")
    _, _, rest = rest.partition("\n[")
    workspace.store.write(name, text.encode())
    return edit(workspace, f'{head}[prompts]\nfile = "{name}"\n\n[{rest}')


def test_they_are_counted_word_for_word_and_nearly(kept: Path, workspace: Workspace) -> None:
    mine = with_prompts(workspace, "a photo of a dog\nA photo, of a CAT!\na horse\n")
    made = validate(mine)
    assert made.overlaps == [ListOverlap("geneval", 3, 1, 1)]
    assert made.as_dict()["overlaps"] == [{"suite": "geneval", "items": 3, "exact": 1, "folded": 1}]
    line = "1 prompt here is of the 3 prompts of the suite geneval, 1 more but for case"
    assert any(line in note for note in made.notes)
    planned = in_process("-C", mine.store.root, "plan", "--no-calibrate")
    assert line in " ".join(planned.output.split())


def test_a_metadata_file_of_that_format_is_a_source_of_prompts(
    kept: Path, workspace: Workspace
) -> None:
    others = [LIST[0] | {"prompt": "a photo of a bench"}, LIST[2]]
    lines = "".join(json.dumps(one) + "\n" for one in others)
    mine = with_prompts(workspace, lines, "train_metadata.jsonl")
    assert validate(mine).overlaps == [ListOverlap("geneval", 3, 1, 0)]


def test_none_is_no_note_and_a_list_that_is_not_whole_is_not_read(
    kept: Path, workspace: Workspace
) -> None:
    made = validate(workspace)
    assert made.overlaps == [ListOverlap("geneval", 3, 0, 0)]
    assert not any("geneval" in note for note in made.notes)
    kept.write_bytes(DATA[:-9])
    assert validate(workspace).overlaps == []


def test_a_workspace_of_a_suite_is_not_compared_with_it(kept: Path, workspace: Workspace) -> None:
    text = workspace.store.read("recipe.toml").decode()
    head, _, rest = text.partition("[prompts]")
    _, _, rest = rest.partition("\n[")
    text = f'{head}[suite]\nname = "geneval"\n\n[{rest}'.replace("samples = 1\n", "")
    made = validate(edit(workspace, text))
    assert (made.prompts, made.overlaps) == (3, [])
