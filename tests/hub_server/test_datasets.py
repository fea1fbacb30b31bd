"""``datasets`` against the server: configs, tags, streaming, fresh caches."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from huggingface_hub import HfFileSystem
from PIL import Image

from tests.hub_server import HubServer

REPO = "user/set"
CARD = b"""---
configs:
- config_name: rankings
  data_files:
  - split: train
    path: rankings/train-*.parquet
  default: true
- config_name: images
  data_files:
  - split: train
    path: images/train-*.parquet
---
"""


def parquet(**columns: Any) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def picture() -> dict[str, Any]:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 3), (200, 10, 10)).save(buffer, "PNG")
    return {"bytes": buffer.getvalue(), "path": "x.png"}


@pytest.fixture
def released(hub: HubServer) -> HubServer:
    """Version v1 with ranks 0 … 5 in two shards; main has moved on."""
    repository = hub.create(REPO)
    first = hub.commit(
        REPO,
        {
            "README.md": CARD,
            "rankings/train-00000-of-00002.parquet": parquet(rank=[0, 1, 2]),
            "rankings/train-00001-of-00002.parquet": parquet(rank=[3, 4, 5]),
            "images/train-00000-of-00001.parquet": parquet(image=[picture()]),
        },
    )
    repository.tags["v1"] = first.oid
    hub.commit(REPO, {"rankings/train-00001-of-00002.parquet": parquet(rank=[9])})
    return hub


@pytest.mark.parametrize("streaming", [False, True])
def test_a_config_at_a_tag(
    released: HubServer, online: Callable[..., Path], tmp_path: Path, streaming: bool
) -> None:
    online(released, None, tmp_path / "fresh")
    rows = datasets.load_dataset(
        REPO, "rankings", revision="v1", split="train", streaming=streaming
    )
    assert [row["rank"] for row in rows] == [0, 1, 2, 3, 4, 5]
    images = datasets.load_dataset(REPO, "images", split="train", streaming=streaming)
    shown = images.cast_column("image", datasets.Image())
    assert next(iter(shown))["image"].getpixel((0, 0)) == (200, 10, 10)
    ranges = [request.status for request in released.seen("GET", host="storage")]
    assert set(ranges) == ({206} if streaming else {200})


def test_a_fresh_cache_asks_again(
    released: HubServer, online: Callable[..., Path], tmp_path: Path
) -> None:
    for name in ("one", "two"):
        online(released, None, tmp_path / name)
        before = len(released.seen("GET", host="storage"))
        rows = datasets.load_dataset(REPO, "rankings", revision="main", split="train")
        assert rows["rank"][:] == [0, 1, 2, 9]
        assert len(released.seen("GET", host="storage")) == before + 2


def test_a_private_set_needs_a_token(
    released: HubServer, online: Callable[..., Path], tmp_path: Path
) -> None:
    released.repositories[REPO].private = True
    online(released, None, tmp_path / "nobody")
    with pytest.raises(datasets.exceptions.DatasetNotFoundError):
        datasets.load_dataset(REPO, "rankings", revision="v1")
    online(released, "hf_read", tmp_path / "reader")
    loaded = datasets.load_dataset(REPO, "rankings", revision="v1")
    assert loaded["train"].num_rows == 6


def test_polars_reads_through_the_file_system(
    released: HubServer, online: Callable[..., Path], tmp_path: Path
) -> None:
    online(released, None, tmp_path / "fresh")
    path = f"datasets/{REPO}@v1/rankings/train-00001-of-00002.parquet"
    with HfFileSystem(endpoint=released.endpoint).open(path) as file:
        assert pl.read_parquet(file)["rank"].to_list() == [3, 4, 5]


def test_what_datasets_pushes_itself(
    hub: HubServer, online: Callable[..., Path], tmp_path: Path
) -> None:
    online(hub, "hf_write", tmp_path / "home")
    made = datasets.Dataset.from_dict({"rank": [1, 2, 3]})
    made.push_to_hub("user/pushed", "pairs", private=True)
    assert hub.repositories["user/pushed"].private
    loaded = datasets.load_dataset("user/pushed", "pairs", split="train")
    assert loaded["rank"][:] == [1, 2, 3]
