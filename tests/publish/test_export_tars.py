"""Exported tars, as ``webdataset``, ``datasets`` and synpic itself read them."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pytest
import webdataset

import synpic
from synpic import ids
from synpic.errors import PublishError
from synpic.pipeline.inventory import take_inventory
from synpic.publish import publish_to
from synpic.publish.export import export, plan_export
from synpic.publish.table.shards import Limits
from synpic.workspace import Workspace
from tests.publish.fixtures import build, encoded
from tests.release.conftest import PROMPTS, SEVERAL, files_of, ragged

Load = Callable[..., Any]


@pytest.fixture
def made(tmp_path: Path) -> Workspace:
    return build(tmp_path / "set", PROMPTS, keep=ragged)


@pytest.fixture
def pairs(made: Workspace, tmp_path: Path) -> list[dict[str, Any]]:
    """The same pairs, as ``pairwise``."""
    export(made, "pairwise", tmp_path / "pairwise")
    paths = [str(path) for path in sorted((tmp_path / "pairwise/data").iterdir())]
    rows = datasets.Dataset.from_parquet(paths)
    for side in ("chosen", "rejected"):
        rows = rows.cast_column(side, datasets.Image(decode=False))
    return list(rows)


def tars(folder: Path) -> list[Path]:
    return sorted((folder / "data").iterdir())


def test_webdataset_reads_every_pair(
    made: Workspace, pairs: list[dict[str, Any]], tmp_path: Path
) -> None:
    done = export(made, "webdataset", tmp_path / "tars", limits=Limits(shard_bytes=10_000))
    assert len(tars(tmp_path / "tars")) > len(done.rows) >= 1
    names = [str(path) for path in tars(tmp_path / "tars")]
    found = {}
    for sample in webdataset.WebDataset(names, shardshuffle=False):
        about = json.loads(sample["json"])
        assert sample["__key__"] == f"{about['chosen_id']}-{about['rejected_id']}"
        assert sample["txt"].decode() == about["prompt"]
        assert about["chosen_rank"] < about["rejected_rank"]
        assert isinstance(about["chosen_seed"], int)
        found[sample["__key__"]] = (about, sample["chosen.png"], sample["rejected.png"])
    assert len(found) == len(pairs) == sum(done.rows.values())
    for row in pairs:
        about, chosen, rejected = found[f"{row['chosen_id']}-{row['rejected_id']}"]
        images = {"chosen", "rejected"}
        assert {name: about[name] for name in row if name not in images} == {
            name: value for name, value in row.items() if name not in images
        }
        assert (chosen, rejected) == (row["chosen"]["bytes"], row["rejected"]["bytes"])


@pytest.mark.parametrize("streaming", [False, True])
def test_datasets_reads_every_pair(
    made: Workspace, pairs: list[dict[str, Any]], tmp_path: Path, streaming: bool
) -> None:
    export(made, "webdataset", tmp_path / "tars", split="train")
    loaded = datasets.load_dataset(
        str(tmp_path / "tars"), split="train", streaming=streaming, cache_dir=str(tmp_path / "c")
    )
    seen = {
        (row["json"]["chosen_id"], row["json"]["rejected_id"]): row["chosen.png"].tobytes()
        for row in loaded
    }
    assert len(seen) == plan_export(made, "pairwise", split="train").rows["train"]
    pixels = encoded(made)
    for (chosen, _), data in seen.items():
        image = datasets.Image().decode_example({"bytes": pixels[chosen], "path": None})
        assert image.tobytes() == data


def test_what_is_exported_is_ingested_again(made: Workspace, tmp_path: Path) -> None:
    export(made, "webdataset", tmp_path / "tars", strategy="all")
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / "recipe.toml").write_text('[ingest]\nimages = "../tars"\n')
    again = Workspace.open(tmp_path / "again")
    (outcome,) = synpic.ingest_candidates(again).outcomes
    assert outcome.failed == 0
    found = take_inventory(again).candidates()
    keys = list(found.select("candidate_id", "sha256").iter_rows())
    data = again.images(take_inventory(again).image_folders()).read(keys)
    back = {
        (ids.sha256(one), prompt, model)
        for one, prompt, model in zip(data, found["prompt"], found["model"], strict=True)
    }
    there = take_inventory(made).candidates()
    pixels = encoded(made)
    paired = {
        one
        for path in tars(tmp_path / "tars")
        for sample in webdataset.WebDataset([str(path)], shardshuffle=False)
        for one in sample["__key__"].split("-")
    }
    assert back == {
        (ids.sha256(pixels[one]), prompt, model)
        for one, prompt, model in there.select("candidate_id", "prompt", "model").iter_rows()
        if one in paired
    }
    assert len(back) > 5
    assert synpic.prompts.stored_prompts(again).table.column_names[4:] == []


def test_a_workspace_and_its_release_give_the_same_bytes_without_time_or_owner(
    made: Workspace, tmp_path: Path
) -> None:
    release = publish_to(made, tmp_path / "rel", configs=["ranked", "scores"], limits=SEVERAL)
    export(made, "webdataset", tmp_path / "one")
    export(release.directory, "webdataset", tmp_path / "two")
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")
    for path in tars(tmp_path / "one"):
        with tarfile.open(path) as tar:
            infos = tar.getmembers()
        assert {(i.mtime, i.uid, i.gid, i.uname, i.mode) for i in infos} == {(0, 0, 0, "", 0o644)}
        assert path.stat().st_size % tarfile.RECORDSIZE == 0


def test_pairs_of_a_release_of_pairs_have_no_seeds(made: Workspace, tmp_path: Path) -> None:
    release = publish_to(made, tmp_path / "rel", configs=["pairwise"])
    export(release.directory, "webdataset", tmp_path / "tars")
    with tarfile.open(tars(tmp_path / "tars")[0]) as tar:
        name = next(one for one in tar.getnames() if one.endswith(".json"))
        about = json.load(tar.extractfile(name) or io.BytesIO())
    assert about["chosen_seed"] is None
    assert about["chosen_preference"] > about["rejected_preference"]


def test_a_plan_writes_nothing_and_another_folder_is_left_alone(
    made: Workspace, tmp_path: Path
) -> None:
    planned = plan_export(made, "webdataset")
    written = export(made, "webdataset", tmp_path / "tars")
    assert planned.rows == written.rows
    assert 0.5 < planned.bytes / written.bytes < 1.5 or written.bytes < 200_000
    export(made, "webdataset", tmp_path / "tars")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "x").write_text("x")
    with pytest.raises(PublishError):
        export(made, "webdataset", tmp_path / "mine")
