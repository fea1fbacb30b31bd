"""Exports, loaded by versions of ``datasets`` that trainers pin, each in its own environment."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from synpic.publish import publish_to
from synpic.publish.export import export
from tests.publish.fixtures import build
from tests.release.conftest import PROMPTS, ragged

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

READERS = {
    "2.21": ["datasets==2.21.0", "pyarrow==17.0.0", "numpy<2", "huggingface_hub<1", "pillow"],
    "3.6": ["datasets==3.6.0", "pyarrow==19.0.1", "numpy<3", "huggingface_hub<1", "pillow"],
}

LOAD = """
import io, json, sys
import datasets
from datasets import load_dataset
from PIL import Image

pick, pairs, release, cache = sys.argv[1:]

def read(rows):
    seen = {}
    for row in rows:
        one, other = (Image.open(io.BytesIO(row[k])).convert("RGB") for k in ("jpg_0", "jpg_1"))
        assert one.size == other.size == (24, 24)
        assert row["label_0"] in (0.0, 1.0) and row["label_1"] == 1.0 - row["label_0"]
        winner = 0 if row["label_0"] else 1
        assert row[f"image_{winner}_uid"] == row["best_image_uid"]
        seen[row["caption"]] = row["best_image_uid"]
    return seen

told = {"version": datasets.__version__}
for name, arguments in {
    "folder": (pick,),
    "data_dir": ("parquet", None, pick),
}.items():
    loaded = load_dataset(*arguments, cache_dir=cache)
    told[name] = {split: read(rows) for split, rows in loaded.items()}
stream = load_dataset(pick, split="train", streaming=True)
told["streamed"] = {"train": read(stream)}
loaded = load_dataset(pairs, cache_dir=cache)
told["pairwise"] = {}
for split, rows in loaded.items():
    told["pairwise"][split] = {row["prompt"]: row["chosen_id"] for row in rows}
    assert all(row[k].size == (24, 24) for row in rows for k in ("chosen", "rejected"))
for config in ("pickapic", "pairwise", "ranked"):
    rows = load_dataset(release, config, split="train", cache_dir=cache)
    told[config + " of the release"] = len(rows)
print(json.dumps(told))
"""


@pytest.fixture(params=READERS)
def python(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The interpreter of an environment with an older ``datasets``."""
    uv = shutil.which(
        "uv", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    )
    if uv is None:
        pytest.skip("uv is not installed: pip install uv")
    found = tmp_path / "env" / "bin" / "python"
    subprocess.run([uv, "venv", "-q", "--python", sys.executable, tmp_path / "env"], check=True)
    install = [uv, "pip", "install", "-q", "--python", found, *READERS[request.param]]
    ended = subprocess.run(install, capture_output=True, text=True)
    if ended.returncode:
        if re.search(
            "failed to fetch|error sending request|connect|dns|timed out", ended.stderr, re.I
        ):
            pytest.skip(f"no package index is reachable: {ended.stderr.strip().splitlines()[-1]}")
        pytest.fail(ended.stderr)
    return found


def test_they_load(python: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    made = build(tmp_path / "set", PROMPTS, keep=ragged)
    pick = export(made, "pickapic", tmp_path / "pick")
    export(made, "pairwise", tmp_path / "pairs")
    release = publish_to(made, tmp_path / "release", configs=["ranked", "pairwise", "pickapic"])
    environment = {
        **{name: text for name, text in os.environ.items() if name != "PYTHONPATH"},
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(tmp_path / "home"),
    }
    names = [tmp_path / name for name in ("pick", "pairs", "release", "cache")]
    ended = subprocess.run(
        [python, "-c", LOAD, *names], env=environment, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout.splitlines()[-1])
    assert told["version"].startswith(f"{request.node.callspec.params['python']}.")
    assert told["folder"] == told["data_dir"] == told["pairwise"]
    assert told["streamed"]["train"] == told["folder"]["train"]
    assert {split: len(rows) for split, rows in told["folder"].items()} == pick.rows
    for config in ("ranked", "pairwise", "pickapic"):
        assert told[f"{config} of the release"] == release.rows[config]["train"]
