"""Datasets of Parquet: pairs in the columns of Pick-a-Pic, and others."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import load_dataset
from PIL import Image

import synpic
from synpic.engine.shard import Shard
from synpic.errors import CheckpointError, IngestError
from synpic.ingest.index import read_index
from synpic.pipeline.inventory import take_inventory
from synpic.pipeline.status import status
from synpic.pipeline.steps import image_scores
from synpic.pipeline.validation import validate
from synpic.publish.export import export
from synpic.workspace import Workspace
from tests.ingest.conftest import PROMPTS, MakeWorkspace, picture

PAIRS = 'dataset = "../pickapic"'


def rows(workspace: Workspace) -> pl.DataFrame:
    return take_inventory(workspace).candidates()


def write(folder: Path, **columns: Any) -> Path:
    folder.mkdir(exist_ok=True)
    pq.write_table(pa.table(columns), folder / "train-00000-of-00001.parquet", row_group_size=2)
    return folder


def test_images_that_pairs_share_are_one_candidate(make: MakeWorkspace, pickapic: Path) -> None:
    workspace = make(PAIRS)
    (outcome,) = synpic.ingest_candidates(workspace).outcomes
    assert (outcome.wanted, outcome.made, outcome.failed) == (6, 5, 1)
    found = rows(workspace)
    assert Counter(found.select("prompt", "model").rows()) == {
        (PROMPTS[0], "org_sdxl"): 2,
        (PROMPTS[0], "model_2b"): 1,
        (PROMPTS[2], "model_2b"): 1,
        (PROMPTS[2], "org_sdxl_2"): 1,
    }
    keys = list(found.select("candidate_id", "sha256").iter_rows())
    data = workspace.images(take_inventory(workspace).image_folders()).read(keys)
    assert set(data) == {picture(seed, "JPEG") for seed in range(10, 15)}
    assert image_scores(workspace)["place"].to_list() == ["r0", "r1", "r2", "c0", "c1", "gone"]


def test_pairs_are_relabelled_by_a_reward(
    make: MakeWorkspace, pickapic: Path, tmp_path: Path
) -> None:
    """What the README of docs/labels.md promises: AI feedback for Diffusion-DPO."""
    more = '[rewards.red]\nreward = "tests.fakes:redness"\n[records]\npairs = "all"'
    workspace = make(PAIRS, more)
    synpic.score_candidates(workspace, device="cpu")
    done = export(workspace, "pickapic", tmp_path / "pairs")
    assert done.rows == {"train": 4}

    def redness(data: bytes) -> float:
        return float(np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))[..., 0].mean())

    files = str(tmp_path / "pairs" / "data" / "*.parquet")
    for row in load_dataset("parquet", data_files=files, split="train"):
        won = redness(row["jpg_0"]) > redness(row["jpg_1"])
        assert (row["label_0"], row["label_1"]) == (float(won), float(not won))
    release = synpic.publish_to(workspace, tmp_path / "out", configs=["pickapic", "scores"])
    assert synpic.verify(synpic.open_release(release.directory)).problems == []
    card = (release.directory / "README.md").read_text()
    assert "| `org_sdxl_2` | org/sdxl! | 1 |" in card
    assert status(workspace).counts[1].done == 5


def test_without_ids_equal_images_are_found_by_their_bytes(
    make: MakeWorkspace, tmp_path: Path
) -> None:
    a, b, c = (picture(seed) for seed in (1, 2, 3))
    write(
        tmp_path / "pairs",
        prompt=["x", "x", "y"],
        chosen=[
            {"bytes": a, "path": None},
            {"bytes": b, "path": "b.png"},
            {"bytes": a, "path": ""},
        ],
        rejected=[{"bytes": b, "path": None}, {"bytes": c, "path": "c.png"}, None],
    )
    workspace = make('dataset = "../pairs"')
    synpic.score_candidates(workspace, device="cpu")
    found = rows(workspace)
    assert Counter(found["prompt"]) == {"x": 3, "y": 1}
    assert sorted(found.filter(pl.col("prompt") == "x")["sample"]) == [0, 1, 3]
    (images, red, _) = status(workspace).counts
    assert (images.wanted, images.done, images.failed, images.unused) == (5, 4, 1, 1)
    assert (red.wanted, red.done, red.missing) == (4, 4, 0)
    (again,) = synpic.ingest_candidates(workspace).outcomes
    assert (again.made, again.failed, again.left) == (0, 0, 0)


def test_one_image_a_row_and_columns_by_name(make: MakeWorkspace, tmp_path: Path) -> None:
    write(
        tmp_path / "set",
        img=[picture(n) for n in range(3)],
        other=[picture(n) for n in range(3, 6)],
        words=pa.array(["a", "b", " "]).dictionary_encode(),
        who=[1, None, 2],
    )
    lines = 'dataset = "../set"\nimage = ["other", "img"]\nprompt = "words"\nmodel = "who"'
    (tmp_path / "ws").mkdir()
    (tmp_path / "ws" / "recipe.toml").write_text(f"[ingest]\n{lines}")
    workspace = Workspace.open(tmp_path / "ws")
    synpic.ingest_candidates(workspace)
    found = rows(workspace)
    assert found.select("prompt", "model", "sample").rows() == [
        ("a", "model_1", 0),
        ("a", "model_1", 1),
        ("b", "unknown", 0),
        ("b", "unknown", 1),
    ]
    assert set(workspace.failures("generate")["reason"]) == {"there is no caption"}
    table = image_scores(workspace)
    assert table["place"][0] == "train-00000-of-00001.parquet#0.0:other"


def test_every_layout_of_text_and_bytes_is_read(make: MakeWorkspace, tmp_path: Path) -> None:
    write(
        tmp_path / "views",
        image=pa.array([picture(0), picture(1), picture(2)], pa.binary_view()),
        prompt=pa.array(["a", "b\0", "\u200b"], pa.string_view()),
        model=pa.array(["x", "y", "z"], pa.large_string()),
    )
    workspace = make('dataset = "../views"')
    synpic.ingest_candidates(workspace)
    assert rows(workspace).select("prompt", "model").rows() == [("a", "x")]
    assert sorted(workspace.failures("generate")["reason"]) == [
        "its caption has a NUL at character 2",
        "there is no caption",
    ]


def test_a_column_of_models_that_holds_lists_is_refused(
    make: MakeWorkspace, tmp_path: Path
) -> None:
    write(tmp_path / "views", image=[picture(0)], prompt=["a"], model=[["x"]])
    with pytest.raises(IngestError, match=r"column 'model' is .*, not one name or id a row"):
        synpic.ingest_candidates(make('dataset = "../views"'))


def test_more_rows_leave_what_was_there(make: MakeWorkspace, pickapic: Path) -> None:
    synpic.ingest_candidates(make(PAIRS + "\ncount = 2"))
    before = rows(make(PAIRS + "\ncount = 2"))
    assert before.height == 3
    (outcome,) = synpic.ingest_candidates(make(PAIRS)).outcomes
    assert outcome.made == 2
    after = rows(make(PAIRS)).select("candidate_id", "model", "sample")
    assert set(before.select(after.columns).rows()) < set(after.rows())


def test_going_on_reads_no_more_than_is_missing(
    make: MakeWorkspace, pickapic: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = make(PAIRS)
    read: list[tuple[int, list[str]]] = []
    plain = pq.ParquetFile.iter_batches

    def iter_batches(self: Any, *sizes: int, row_groups: list[int], columns: list[str]) -> Any:
        read.append((row_groups[0], columns))
        return plain(self, *sizes, row_groups=row_groups, columns=columns)

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", iter_batches)
    synpic.ingest_candidates(workspace, shard=Shard(1, 2))
    synpic.ingest_candidates(workspace, shard=Shard(2, 2))
    # The first row group of both files, once; the others hold no image that was not there.
    assert read == [(0, ["jpg_0", "jpg_1"])] * 2
    read.clear()
    synpic.score_candidates(workspace, device="cpu")
    assert read == []


def test_what_is_found_is_found_without_pixels(make: MakeWorkspace, pickapic: Path) -> None:
    """The pages of the image columns are destroyed: who reads them fails."""
    for file in sorted(pickapic.rglob("*.parquet")):
        data = bytearray(file.read_bytes())
        group = pq.read_metadata(file).row_group(0)
        for column in map(group.column, range(group.num_columns)):
            if column.path_in_schema.startswith("jpg"):
                start = column.dictionary_page_offset or column.data_page_offset
                size = column.total_compressed_size
                data[start : start + size] = b"\xff" * size
        file.write_bytes(data)
    workspace = make(PAIRS)
    assert read_index(workspace.snapshot()).rows.height == 6
    (outcome,) = synpic.ingest_candidates(workspace).outcomes
    assert outcome.broken is not None
    assert "train-00000-of-00002.parquet: not Parquet, or damaged" in outcome.broken.message


def test_a_plan_knows_bytes_and_what_cannot_be_ranked(make: MakeWorkspace, pickapic: Path) -> None:
    found = validate(make(PAIRS))
    assert (found.prompts, found.images, found.problems) == (2, 6, [])
    assert not any("rank" in note for note in found.notes)
    total = sum(len(picture(seed, "JPEG")) for seed in range(10, 15))
    assert 0.3 * total < found.bytes < 3 * total


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ('split = "test"', "there is no split 'test'"),
        ('config = "nope"', "cannot be read: .*nope"),
        ('prompt = "captoin"', "no column 'captoin'. Did you mean 'caption'"),
        ('prompt = "ranking_id"', "'ranking_id' is int64, not text"),
        ('image = "caption"', "'caption' is string, and holds no encoded images"),
        ('image = "jpg"', "no column 'jpg'. Did you mean 'jpg_"),
        ('model = "whose"', "no column 'whose'"),
    ],
)
def test_mistakes_are_told(make: MakeWorkspace, pickapic: Path, lines: str, says: str) -> None:
    with pytest.raises(IngestError, match=says):
        synpic.ingest_candidates(make(f"{PAIRS}\n{lines}"))


def test_what_is_no_dataset_of_images(make: MakeWorkspace, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such folder"):
        synpic.ingest_candidates(make('dataset = "../nowhere"'))
    write(tmp_path / "texts", prompt=["a"], n=[1])
    with pytest.raises(IngestError, match="cannot tell which column holds images"):
        synpic.ingest_candidates(make('dataset = "../texts"'))
    (tmp_path / "lines").mkdir()
    (tmp_path / "lines" / "train.jsonl").write_text('{"prompt": "a"}\n')
    with pytest.raises(IngestError, match="its files are neither Parquet nor tars"):
        synpic.ingest_candidates(make('dataset = "../lines"'))


def test_a_dataset_whose_path_is_a_pattern_is_read(
    make: MakeWorkspace, pickapic: Path, tmp_path: Path
) -> None:
    pickapic.rename(tmp_path / "ds [v1]")
    (outcome,) = synpic.ingest_candidates(make('dataset = "../ds [v1]"')).outcomes
    assert (outcome.made, outcome.failed) == (5, 1)


def test_a_dataset_without_a_caption_is_refused(make: MakeWorkspace, tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    table = pa.table(
        {"image": [picture(1), picture(2)], "text": pa.array([None, " "], pa.string())}
    )
    pq.write_table(table, tmp_path / "bare" / "train.parquet")
    workspace = make('dataset = "../bare"')
    with pytest.raises(
        IngestError, match=r"none of 2 images .* has a caption \(column 'text': 2 ×"
    ):
        synpic.ingest_candidates(workspace)
    assert not workspace.store.exists("ingest.parquet")


def test_equal_images_without_ids_have_a_row_each(make: MakeWorkspace, tmp_path: Path) -> None:
    (tmp_path / "twice").mkdir()
    images = [picture(1), picture(2), picture(1)]
    table = pa.table({"image": images, "text": ["a cup"] * 3})
    pq.write_table(table, tmp_path / "twice" / "train.parquet")
    workspace = make('dataset = "../twice"')
    synpic.score_candidates(workspace, device="cpu")
    rows = synpic.image_scores(workspace)
    assert rows["place"].n_unique() == 3
    assert rows["candidate_id"].n_unique() == 2
    assert rows["score_red"].null_count() == rows["failure"].count() == 0
