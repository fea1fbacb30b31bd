"""A command reads recipe and lock once, and follows what it read to its end."""

from __future__ import annotations

import json
import pickle
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from synpic import publish_to
from synpic.engine.task import Task
from synpic.pipeline.tasks import drawing_tasks, scoring_tasks
from synpic.workspace import Workspace
from synpic.workspace.images import ImageReader
from synpic.workspace.storage import Store
from tests.cli.conftest import in_process
from tests.conftest import MakeRecipe, edit
from tests.ingest.conftest import cache, pictures
from tests.publish.fixtures import build

__all__ = ["cache", "pictures"]

SAFETY = '[safety]\nwords = "words.txt"\n'
FILES = ("recipe.toml", "recipe.lock")


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each file is read or opened, by name."""
    counted: Counter[str] = Counter()

    def counting(method: str) -> None:
        original: Callable[[Store, str], Any] = getattr(Store, method)

        def count(self: Store, name: str) -> Any:
            counted[name] += 1
            return original(self, name)

        monkeypatch.setattr(Store, method, count)

    for method in ("read", "open"):
        counting(method)
    return counted


def names(reads: Counter[str]) -> dict[str, int]:
    return {name: reads[name] for name in FILES}


@pytest.mark.parametrize(
    "words",
    [
        ("generate", "--dry-run"),
        ("generate", "--only", "alpha", "--device", "cpu"),
        ("score", "--dry-run"),
        ("score", "--device", "cpu", "--table", "../scores.csv"),
        ("rank",),
        ("publish", "--to", "../out"),
        ("export", "--to", "pickapic", "../pairs"),
        ("status",),
        ("validate",),
        ("plan", "--no-calibrate"),
    ],
    ids=" ".join,
)
def test_a_command_reads_recipe_and_lock_once(
    words: Sequence[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reads: Counter[str]
) -> None:
    build(tmp_path / "set", text=None)
    monkeypatch.chdir(tmp_path / "set")
    reads.clear()
    in_process(*words)
    assert names(reads) == dict.fromkeys(FILES, 1)


def test_what_is_resolved_for_the_first_time_is_merged_with_the_file(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, reads: Counter[str]
) -> None:
    monkeypatch.chdir(workspace.store.root)
    for lock in (0, 1):  # before the first there is none
        reads.clear()
        assert in_process("generate", "--device", "cpu").exit_code == 0
        assert names(reads) == {"recipe.toml": 1, "recipe.lock": lock}


@pytest.mark.parametrize("source", ["--images", "written"])
def test_scoring_what_exists_reads_the_recipe_once(
    source: str,
    pictures: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    reads: Counter[str],
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    words = ("--images", str(pictures), "--reward", "tests.fakes:redness")
    for asked in (words, words if source == "--images" else ()):
        reads.clear()
        in_process("score", *asked, "--device", "cpu", "--table", "scores.csv")
        assert reads["recipe.toml"] == 1


def test_a_recipe_that_is_edited_while_images_are_read_is_not_in_the_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = build(tmp_path / "set")
    before = workspace.snapshot()
    sizes = ImageReader.sizes

    def slowly(self: ImageReader, wanted: Sequence[tuple[str, str]]) -> list[int]:
        edit(workspace, before.recipe_text.replace("[rewards.redness]", "[rewards.elsewise]"))
        entry = before.lock.entries[0].model_copy(update={"source": "./other"})
        workspace.snapshot().lock.remember(entry)
        return sizes(self, wanted)

    monkeypatch.setattr(ImageReader, "sizes", slowly)
    publish_to(workspace, tmp_path / "out")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_bytes())
    assert "elsewise" in workspace.snapshot().recipe_text
    assert manifest["recipe"] == before.recipe_text
    assert [reward["name"] for reward in manifest["rewards"]] == ["redness", "greenness"]
    assert [entry["source"] for entry in manifest["lock"]] == [
        entry.source for entry in before.lock.entries
    ]


def test_several_steps_of_one_command_follow_one_recipe(
    workspace: Workspace, recipe: MakeRecipe
) -> None:
    from synpic import generate_candidates, rank_candidates, score_candidates

    snapshot = workspace.snapshot()
    generate_candidates(snapshot, device="cpu")
    edit(workspace, recipe(prompts=3))
    score_candidates(snapshot, device="cpu")
    assert rank_candidates(snapshot).inventory.prompts.height == 10
    assert rank_candidates(workspace).inventory.prompts.height == 3


def first_batch(task: Task) -> int:
    """What a worker in another process makes of the first batch, as it is handed over."""
    work = pickle.loads(pickle.dumps(task.opener.open))("cpu", "e1")
    made = work.do(task.batches[0], task.batches[0], [])
    rows = len(made.rows) + len(work.finish().rows)
    work.close()
    return rows


def test_workers_need_neither_recipe_nor_lock(
    workspace: Workspace, recipe: MakeRecipe, pictures: Path, tmp_path: Path
) -> None:
    from synpic import generate_candidates

    workspace.store.write("words.txt", b"prompt 0-1\n")
    edit(workspace, recipe(more=SAFETY))
    tasks, _ = drawing_tasks(workspace)
    generate_candidates(workspace, device="cpu")
    tasks += scoring_tasks(workspace)[0]
    images = Workspace.create(
        tmp_path / "images",
        f'[ingest]\nimages = "{pictures}"\n[rewards.red]\nreward = "tests.fakes:redness"\n{SAFETY}',
    )
    images.store.write("words.txt", b"circle\n")
    tasks += drawing_tasks(images)[0]
    assert [task.stage for task in tasks] == ["generate", "generate", "score", "score", "ingest"]
    for root in (workspace.store.root, images.store.root):
        for name in (*FILES, "words.txt"):
            (Path(root) / name).unlink(missing_ok=True)
    assert [first_batch(task) > 0 for task in tasks] == [True] * 5
