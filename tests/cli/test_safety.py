"""Flagged images, as the commands see them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pytest

from synpic import Workspace, generate_candidates, score_candidates
from synpic.errors import PublishError
from tests.cli.conftest import in_process
from tests.cli.test_publish import here, hub, online, waits
from tests.conftest import MakeRecipe
from tests.hub_server import HubServer
from tests.publish.fixtures import build
from tests.safety.conftest import save_images

__all__ = ["here", "hub", "online", "save_images", "waits"]


@pytest.fixture
def checked(tmp_path: Path, recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Ten prompts of which a list of words flags two; one model was drawn before it was there."""
    text = recipe(samples=2)
    workspace = Workspace.create(tmp_path / "set", text)
    generate_candidates(workspace, only=["b"])
    workspace.store.write("words.txt", "0-3\nПРОМПТ\n0-7  # seven\n".encode())
    workspace.store.write("recipe.toml", (text + '[safety]\nwords = "words.txt"\n').encode())
    monkeypatch.chdir(tmp_path / "set")
    return workspace


def test_validate_counts_the_prompts_that_a_list_flags(checked: Workspace) -> None:
    shown = in_process("validate")
    assert "2 of 10 prompts hold a word of words.txt" in shown.output
    assert shown.exit_code == 0


def test_validate_lists_the_classes_of_a_classifier(
    checked: Workspace, recipe: MakeRecipe, save_images: Callable[..., Path]
) -> None:
    folder = save_images(labels=("drawings", "hentai", "porn"))
    text = recipe(more=f'[safety]\nimages = "{folder.as_posix()}"\n')
    checked.store.write("recipe.toml", text.encode())
    shown = in_process("validate")
    assert shown.exit_code == 1
    words = " ".join(shown.output.split())
    assert "no classifier has a class 'nsfw'" in words
    assert "drawings, hentai, porn" in words
    text = text.replace("[safety]", '[safety]\nlabels = ["porn", "Hentai"]')
    checked.store.write("recipe.toml", text.encode())
    assert in_process("validate").exit_code == 0


def test_status_counts_what_is_flagged_and_what_was_not_checked(checked: Workspace) -> None:
    assert in_process("generate").exit_code == 0
    shown = in_process("status").output
    assert "flagged: a: 4 of 20 images; 0 were not checked" in shown
    assert "flagged: b: 0 of 10 images; 10 were not checked" in shown
    counts = json.loads(in_process("status", "--json").stdout)["counts"]
    assert [(c["flagged"], c["unchecked"]) for c in counts if c["stage"] == "generate"] == [
        (4, 0),
        (0, 10),
    ]


def test_status_is_silent_where_nothing_is_checked(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    generate_candidates(workspace)
    monkeypatch.chdir(workspace.store.root)
    assert "flagged" not in in_process("status").output


def test_flagged_images_are_published_or_not(
    checked: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    generate_candidates(checked)
    score_candidates(checked)
    ranked = in_process("rank")
    assert "4 images are flagged, and kept" in ranked.output
    left = in_process("rank", "--leave-out-flagged", "--to", tmp_path / "ranking.csv")
    assert "left out: 4 flagged images; 10 that no safety check has seen are kept" in left.output
    assert len((tmp_path / "ranking.csv").read_text().splitlines()) == 1 + 8 * 3
    found = json.loads(in_process("rank", "--leave-out-flagged", "--json").stdout)["counts"]
    assert [found[key] for key in ("flagged", "flagged_left_out", "unchecked")] == [0, 4, 10]

    for name, options, prompts, images in (
        ("all", [], 10, 30),
        ("left", ["--leave-out-flagged"], 8, 26),
    ):
        shown = in_process("publish", "--to", tmp_path / name, *options)
        assert shown.exit_code == 0
        assert ("left out: 4 flagged images" in shown.output) == bool(options)
        rows = datasets.load_dataset(str(tmp_path / name), "ranked", split="train")
        assert len(rows) == prompts
        scores = datasets.load_dataset(str(tmp_path / name), "scores", split="train")
        assert len(scores) == images
        assert sum(one is True for one in scores["flagged"]) == (0 if options else 4)
    # Of a flagged prompt one image is left, drawn before anything was checked: no ranking.
    gone = {row["prompt"] for row in datasets.load_dataset(str(tmp_path / "all"), split="train")}
    gone -= {row["prompt"] for row in rows}
    assert gone == {"prompt 0-3", "prompt 0-7"}


def test_the_hub_gets_them_or_not(here: HubServer, tmp_path: Path) -> None:
    build(tmp_path / "other", flag=lambda row: row["model"] == "alpha")
    words = ["publish", "-C", tmp_path / "other", "user/other", "--leave-out-flagged"]
    planned = in_process(*words, "--dry-run", "--json")
    files = {file["path"]: file["rows"] for file in json.loads(planned.stdout)["files"]}
    assert sum(rows for path, rows in files.items() if path.startswith("scores/")) == 10
    found = json.loads(in_process(*words, "--json").stdout)
    assert (found["flagged"], found["flagged_left_out"], found["unchecked"]) == (0, 5, 0)
    assert sum(found["rows"]["scores"].values()) == 10
    kept = in_process(*words[:-1], "--json")
    release: dict[str, Any] = json.loads(kept.stdout)
    assert "images flagged by a safety check are kept, were left out" in release["reasons"]
    assert release["flagged"] == 5


def test_a_model_has_nothing_to_leave_out(tmp_path: Path) -> None:
    shown = in_process("publish", "--model", tmp_path, "user/model", "--leave-out-flagged")
    assert shown.exit_code == 1
    assert isinstance(shown.exception, PublishError)
    assert "--leave-out-flagged is for datasets" in str(shown.exception)
