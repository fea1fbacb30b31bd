"""Exports for Flow-Factory, held to what its loader demands of a record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from synpic.errors import PublishError
from synpic.publish import publish_to
from synpic.publish.export import export, plan_export
from synpic.workspace import Workspace
from tests.publish.fixtures import build, encoded
from tests.release.conftest import PROMPTS, SEVERAL, files_of, ragged

SPREAD = "two\nlines, \u2028 and “quotes”"


@pytest.fixture
def made(tmp_path: Path) -> Workspace:
    return build(tmp_path / "set", [*PROMPTS, (SPREAD, "train")], keep=ragged)


def records(folder: Path) -> list[dict[str, Any]]:
    with (folder / "train.jsonl").open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def path_of(folder: Path, candidate: dict[str, Any]) -> Path:
    (media,) = candidate.pop("media")
    assert candidate == {}
    assert media.keys() == {"type", "path"}
    assert media["type"] == "image"
    return folder / media["path"]


@pytest.mark.parametrize("strategy", ["best-worst", "all"])
def test_a_record_is_a_pair_with_images_as_they_were_generated(
    made: Workspace, tmp_path: Path, strategy: str
) -> None:
    out = tmp_path / "out"
    done = export(made, "flow-factory", out, strategy=strategy)
    pixels = encoded(made)
    found, used = [], set()
    for record in records(out):
        # Other keys are refused by the loader.
        assert record.keys() == {"schema_version", "input", "supervision", "metadata"}
        assert record["schema_version"] == 2
        assert record["input"].keys() == {"prompt", "media"}
        assert record["input"]["media"] == []
        supervision, about = record["supervision"], record["metadata"]
        assert supervision.pop("type") == "preference"
        assert supervision.keys() == {"chosen", "rejected"}
        for side, candidate in supervision.items():
            path = path_of(out, candidate)
            used.add(path)
            assert path.read_bytes() == pixels[about[f"{side}_id"]]
        assert about["margin"] > 0
        assert about["strategy"] == strategy
        found.append(record["input"]["prompt"])
    assert done.rows == {"train": len(found)}
    assert SPREAD in found
    # Each image once, however many pairs it is in.
    assert used == set((out / "images").iterdir())


def test_other_splits_give_prompts_to_evaluate_with(made: Workspace, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = export(made, "flow-factory", out)
    lines = (out / "test.jsonl").read_text(encoding="utf-8").splitlines()
    held_out = {prompt for prompt, split in PROMPTS if split == "validation"}
    prompts = [json.loads(line) for line in lines]
    assert {one.pop("prompt") for one in prompts} <= held_out
    assert prompts
    assert not any(prompts)
    assert done.notes == (
        f"`test.jsonl` has {len(prompts)} prompts of another split, to evaluate with.",
    )
    assert done.notes[0] in (out / "README.md").read_text()


def test_of_one_split_it_has_pairs_alone(made: Workspace, tmp_path: Path) -> None:
    done = export(made, "flow-factory", tmp_path / "out", split="validation")
    assert list(done.rows) == ["validation"]
    assert len(records(tmp_path / "out")) == done.rows["validation"]
    assert not (tmp_path / "out" / "test.jsonl").exists()


def test_without_a_split_named_train_one_must_be_chosen(tmp_path: Path) -> None:
    splits = ["first", "second"]
    made = build(tmp_path / "set", [(p, splits[n % 2]) for n, (p, _) in enumerate(PROMPTS)])
    with pytest.raises(PublishError, match="2 splits, and none is named `train`") as error:
        plan_export(made, "flow-factory")
    assert "--split" in str(error.value.hint)


def test_a_workspace_and_its_release_give_the_same_bytes(made: Workspace, tmp_path: Path) -> None:
    release = publish_to(made, tmp_path / "rel", configs=["ranked", "scores"], limits=SEVERAL)
    export(made, "flow-factory", tmp_path / "one")
    export(release.directory, "flow-factory", tmp_path / "two")
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")
