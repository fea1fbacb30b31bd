"""Images that exist already: a folder of them, and a dataset in the columns of Pick-a-Pic."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from synpic.workspace import Workspace

MakeWorkspace = Callable[..., Workspace]

REWARDS = """
[rewards.red]
reward = "tests.fakes:redness"

[rewards.blue]
reward = "tests.fakes:blueness"
weight = 0.5
"""

PROMPTS = ["a red circle", "zwei Äpfel", "三只猫 🙂"]


def picture(seed: int, kind: str = "PNG", mode: str = "RGB", edge: int = 12) -> bytes:
    """An image that no other seed gives."""
    channels = {"L": (), "RGB": (3,), "RGBA": (4,)}[mode]
    noise = np.random.default_rng(seed).integers(0, 256, (edge, edge, *channels), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise, mode).save(buffer, kind)
    return buffer.getvalue()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets.config

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_MODULES_CACHE", str(tmp_path / "modules"))


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Three prompts of two images each, one of them not whole, and one image without a caption."""
    folder = tmp_path / "pictures"
    (folder / "sub dir").mkdir(parents=True)
    files = {
        "0 a.png": (picture(0), PROMPTS[0]),
        "0 b.jpg": (picture(1, "JPEG"), PROMPTS[0] + "\n"),
        "1 a.webp": (picture(2, "WEBP"), PROMPTS[1]),
        "1 überß.PNG": (picture(3, mode="RGBA"), PROMPTS[1] + "\r\n"),
        "sub dir/2 猫.png": (picture(4, mode="L"), PROMPTS[2]),
        "sub dir/broken.png": (picture(5)[:-40], PROMPTS[2]),
    }
    for name, (data, caption) in files.items():
        path = folder / name
        path.write_bytes(data)
        path.with_suffix(".txt").write_bytes(caption.encode())
    (folder / "alone.gif").write_bytes(picture(6, "GIF"))
    (folder / "notes.md").write_text("no image")
    (folder / ".hidden.png").write_bytes(b"")
    return folder


def pairs_table() -> pa.Table:
    """Pairs of three images of one prompt and two of another; the last image has no bytes."""
    sides = [("r0", "r1"), ("r1", "r2"), ("r2", "r0"), ("c0", "c1"), ("c1", "gone")]
    models = {"r0": "org/SDXL", "r1": "org/SDXL", "r2": "2B", "c0": "2B", "c1": "org/sdxl!"}
    seeds = {name: 10 + number for number, name in enumerate(models)}

    def side(number: int) -> dict[str, list[Any]]:
        names = [pair[number] for pair in sides]
        data = [picture(seeds[n], "JPEG") if n in seeds else None for n in names]
        return {
            f"jpg_{number}": data,
            f"image_{number}_uid": names,
            f"model_{number}": [models.get(name) for name in names],
            f"label_{number}": [float(number == 0)] * len(names),
        }

    captions = [PROMPTS[0]] * 3 + [PROMPTS[2]] * 2
    return pa.table({"caption": captions, **side(0), **side(1), "ranking_id": list(range(5))})


@pytest.fixture
def pickapic(tmp_path: Path) -> Path:
    """Two files, row groups of two rows."""
    folder = tmp_path / "pickapic" / "data"
    folder.mkdir(parents=True)
    table = pairs_table()
    for number, rows in enumerate([table.slice(0, 3), table.slice(3)]):
        pq.write_table(rows, folder / f"train-0000{number}-of-00002.parquet", row_group_size=2)
    return tmp_path / "pickapic"


@pytest.fixture
def make(tmp_path: Path) -> MakeWorkspace:
    """A workspace beside these, whose recipe has ``lines`` below ``[ingest]``."""

    def write(lines: str, more: str = REWARDS) -> Workspace:
        root = tmp_path / "set"
        root.mkdir(exist_ok=True)
        (root / "recipe.toml").write_text(f"[ingest]\n{lines}\n{more}")
        return Workspace.open(root)

    return write


def metadata(folder: Path, *rows: dict[str, Any]) -> None:
    """``metadata.jsonl`` of ``folder``."""
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / "metadata.jsonl").write_text(text, encoding="utf-8")
