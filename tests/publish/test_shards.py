from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from synpic.pipeline.inventory import take_inventory
from synpic.publish import Limits, publish_to
from synpic.publish.table.features import IMAGE
from synpic.publish.table.records import REFERENCE, ConfigRows, join, records
from synpic.publish.table.shards import plan_shards, write_shard
from synpic.rank import rank
from tests.publish.fixtures import build, recipe

NAME = re.compile(r"(\w+)/(\w+)-(\d{5})-of-(\d{5})\.parquet")
LIMITS = Limits(shard_bytes=120_000, shards=50, group_rows=7, group_bytes=40_000)


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 prompts of 3 images of about 1.8 kB, with limits that they reach; one is far larger."""
    root = tmp_path_factory.mktemp("shards")
    prompts = [(f"prompt {number}", "train" if number % 4 else "test") for number in range(60)]

    def draw(row: dict[str, Any]) -> bytes:
        edge = 160 if (row["prompt"], row["model"]) == ("prompt 1", "beta") else 24
        seed = int(row["candidate_id"][:8], 16)
        noise = np.random.default_rng(seed).integers(0, 256, (edge, edge, 3), dtype=np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(noise).save(buffer, "PNG")
        return buffer.getvalue()

    workspace = build(root / "set", prompts, text=recipe(), draw=draw, rows_per_part=16)
    configs = ["ranked", "scores", "images", "pairwise", "pickapic"]
    publish_to(workspace, root / "out", configs=configs, limits=LIMITS)
    return root / "out"


def shards(release: Path) -> list[tuple[str, pq.ParquetFile]]:
    files = sorted(release.rglob("*.parquet"))
    return [(path.relative_to(release).as_posix(), pq.ParquetFile(path)) for path in files]


def test_shards_are_numbered(release: Path) -> None:
    numbers: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for name, _ in shards(release):
        match = NAME.fullmatch(name)
        assert match, name
        config, split, number, count = match.groups()
        numbers.setdefault((config, split), []).append((int(number), int(count)))
    assert set(numbers) == {
        (config, split)
        for config in ("ranked", "scores", "images", "pairwise", "pickapic")
        for split in ("train", "test")
    }
    for found in numbers.values():
        assert found == [(number, len(found)) for number in range(len(found))]
    assert len(numbers["ranked", "train"]) > 2


def test_row_groups_are_small(release: Path) -> None:
    several = 0
    for name, file in shards(release):
        groups = [file.metadata.row_group(place) for place in range(file.num_row_groups)]
        several += len(groups) > 1
        for group in groups:
            assert group.num_rows <= LIMITS.group_rows, name
            # A row that is larger than the limit stands alone.
            assert group.total_byte_size <= LIMITS.group_bytes or group.num_rows == 1, name
    assert several


def test_pixels_are_stored_plainly_and_the_rest_is_not(release: Path) -> None:
    for name, file in shards(release):
        metadata = file.metadata
        for place in range(metadata.num_columns):
            column = metadata.row_group(0).column(place)
            leaf = column.path_in_schema
            pixels = leaf.endswith(".bytes") or leaf.startswith("jpg_")
            assert column.compression == ("UNCOMPRESSED" if pixels else "ZSTD"), (name, leaf)
            assert column.has_offset_index, (name, leaf)
            assert column.has_column_index or pixels, (name, leaf)
            if pixels:
                assert not column.has_dictionary_page, (name, leaf)


def test_rows_stand_in_the_order_of_prompts(release: Path) -> None:
    for config in ("ranked", "scores", "images", "pairwise"):
        for split in ("train", "test"):
            paths = sorted((release / config).glob(f"{split}-*.parquet"))
            ids = [
                one
                for path in paths
                for one in pq.read_table(path, columns=["prompt_id"])["prompt_id"].to_pylist()
            ]
            assert ids == sorted(ids)


def test_one_row_group_of_pixels_is_read_at_a_time(tmp_path: Path) -> None:
    prompts = [(f"prompt {number}", "train") for number in range(30)]
    workspace = build(tmp_path, prompts)
    inventory = take_inventory(workspace)
    scored = inventory.scored()
    reader = workspace.images(inventory.image_folders())
    keys = list(scored.select("candidate_id", "sha256").iter_rows())
    sizes = reader.sizes(keys)
    assert sizes == [len(data) for data in reader.read(keys)]
    ranking = rank(scored, {"redness": 1, "greenness": 1})
    table = records(
        "images",
        join(scored, ranking, pl.Series(sizes), scored["candidate_id"] + ".png"),
        ranking,
        "all",
    )
    at_once: list[int] = []

    def read(wanted: Sequence[tuple[str, str]]) -> list[bytes]:
        found = reader.read(wanted)
        at_once.append(sum(map(len, found)))
        return found

    shards = plan_shards([table], ["train"], LIMITS)
    for shard in shards:
        write_shard(shard, read, io.BytesIO())
    assert len(at_once) == sum(len(shard.groups) for shard in shards)
    assert max(at_once) <= LIMITS.group_bytes
    assert sum(at_once) == sum(sizes)


def test_features_are_what_datasets_reads(release: Path) -> None:
    card = yaml.safe_load((release / "README.md").read_text().split("\n---\n")[0])
    infos = {info["config_name"]: info for info in card["dataset_info"]}
    for config, info in infos.items():
        schema = pq.read_schema(next((release / config).iterdir()))
        features = datasets.Features.from_arrow_schema(schema)
        assert features == datasets.Features._from_yaml_list(info["features"])
        assert features.arrow_schema.remove_metadata() == schema.remove_metadata()
        # What readers of datasets 3 do not know.
        assert b'"List"' not in schema.metadata[b"huggingface"]
    ranked = datasets.Features._from_yaml_list(infos["ranked"]["features"])
    assert ranked["image_2"] == datasets.Image()
    assert ranked["wins"] == datasets.List(datasets.Value("float32"))
    pickapic = datasets.Features._from_yaml_list(infos["pickapic"]["features"])
    assert pickapic["jpg_0"] == datasets.Value("binary")
    assert pickapic["created_at"] == datasets.Value("timestamp[ns]")


def test_tables_without_lists_for_old_readers(release: Path) -> None:
    for config in ("pairwise", "pickapic"):
        for path in (release / config).iterdir():
            assert "list" not in str(pq.read_schema(path))


@given(
    sizes=st.lists(st.integers(0, 500), max_size=80),
    shard_bytes=st.integers(1, 2000),
    most_shards=st.integers(1, 10),
    group_rows=st.integers(1, 9),
)
def test_a_plan_holds_every_row_once(
    sizes: list[int], shard_bytes: int, most_shards: int, group_rows: int
) -> None:
    rows = pl.DataFrame(
        {
            "split": ["train" if number % 3 else "test" for number in range(len(sizes))],
            "prompt_id": [f"{number:032x}" for number in range(len(sizes))],
            "image": [
                {"candidate_id": "c", "sha256": "s", "path": "p", "size": size} for size in sizes
            ],
        },
        schema={"split": pl.String, "prompt_id": pl.String, "image": REFERENCE},
    )
    table = ConfigRows("images", rows, {"image": IMAGE})
    limits = Limits(shard_bytes, most_shards, group_rows, 600)
    made = plan_shards([table], ["train", "test"], limits)
    for split in ("train", "test"):
        mine = [shard for shard in made if shard.split == split]
        ids = [one for shard in mine for one in shard.records.rows["prompt_id"]]
        assert ids == rows.filter(pl.col("split") == split)["prompt_id"].to_list()
        assert [shard.path for shard in mine] == [
            f"images/{split}-{place:05d}-of-{len(mine):05d}.parquet" for place in range(len(mine))
        ]
    total = sum(shard.bytes for shard in made)
    target = max(shard_bytes, -(-total // most_shards))
    for shard in made:
        assert sum(shard.groups) == shard.records.rows.height
        assert all(0 < count <= group_rows for count in shard.groups)
        assert shard.bytes <= target or shard.records.rows.height == 1
        held = shard.records.rows["image"].struct.field("size")
        starts = np.cumsum([0, *shard.groups])
        for start, count in zip(starts, shard.groups, strict=False):
            assert count == 1 or held.slice(int(start), count).sum() <= 600
    # Two neighbours are together more than one holds, or they would be one.
    assert len(made) <= 2 * most_shards + 2
