from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synpic.publish import publish_to
from synpic.publish.manifest import BINS
from synpic.workspace import Workspace
from tests.publish.fixtures import build, hashed_score, recipe, scored
from tests.release.conftest import files_of


def manifest_of(workspace: Workspace, folder: Path) -> dict[str, Any]:
    publish_to(workspace, folder)
    loaded: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return loaded


def test_histograms_count_every_score_once(tmp_path: Path) -> None:
    prompts = [(f"prompt {number}", "train") for number in range(40)]
    workspace = build(tmp_path / "set", prompts)
    found = manifest_of(workspace, tmp_path / "out")["histograms"]
    assert set(found) == {"redness", "greenness"}
    for reward, histogram in found.items():
        scores = scored(workspace)[f"score_{reward}"].to_list()
        low, high = min(scores), max(scores)
        assert (histogram["low"], histogram["high"]) == (low, high)
        expected = [0] * BINS
        for score in scores:
            expected[min(int((score - low) / (high - low) * BINS), BINS - 1)] += 1
        assert histogram["counts"] == expected


def test_histograms_of_few_scores(tmp_path: Path) -> None:
    def score(reward: str, row: dict[str, Any]) -> float | None:
        if reward == "redness":
            return hashed_score(reward, row)
        return 3.0 if row["prompt"] == "a red circle" else None

    text = recipe(more='[ranking]\nrewards = ["redness"]\n')
    found = manifest_of(build(tmp_path / "set", text=text, score=score), tmp_path / "out")
    assert found["histograms"]["greenness"] == {"low": 3.0, "high": 3.0, "counts": [3]}
    none = build(
        tmp_path / "none", text=text, score=lambda reward, row: score(reward, {**row, "prompt": ""})
    )
    assert set(manifest_of(none, tmp_path / "other")["histograms"]) == {"redness"}


@pytest.mark.parametrize(
    ("strategy", "picked"),
    [("best-worst", 5), ("best-rest", 9), ("all", 13), ("adjacent", 9), ("random", 5)],
)
def test_pairs_add_up(tmp_path: Path, strategy: str, picked: int) -> None:
    # Four prompts of three images, and one of two.
    text = recipe(more=f'[records]\npairs = "{strategy}"\nconfigs = ["pickapic", "pairwise"]\n')

    def keep(row: dict[str, Any]) -> bool:
        return not (row["prompt"] == "a red circle" and row["model"] == "beta")

    found = manifest_of(build(tmp_path / "set", text=text, keep=keep), tmp_path / "out")
    for config in ("pickapic", "pairwise"):
        pairs, rows = found["pairs"][config], sum(found["records"][config].values())
        assert pairs == {"strategy": strategy, "picked": picked, "tied": picked - rows}


def test_features_are_the_columns(tmp_path: Path) -> None:
    found = manifest_of(build(tmp_path / "set"), tmp_path / "out")
    assert found["version"] is None
    assert set(found["features"]) == {"ranked", "scores"}
    names = [feature["name"] for feature in found["features"]["scores"]]
    assert names[:2] == ["candidate_id", "prompt_id"]
    assert {"name": "image_2", "dtype": "image"} in found["features"]["ranked"]


def test_measured_times_are_no_part_of_a_release(tmp_path: Path) -> None:
    one, other = build(tmp_path / "one"), build(tmp_path / "other")
    for part in sorted((tmp_path / "other" / "candidates").rglob("*.parquet")):
        table = pq.read_table(part, partitioning=None)
        place = table.schema.get_field_index("seconds")
        times = pa.array([0.25] * table.num_rows, pa.float32())
        folder = part.parent.relative_to(tmp_path / "other").as_posix()
        note = other.part_metadata(part.relative_to(tmp_path / "other").as_posix()).model_dump(
            by_alias=True
        )
        note.pop("schema_version")
        part.unlink()
        other.write_part(folder, table.set_column(place, table.schema.field(place), times), note)
    assert set(scored(other)["seconds"]) != set(scored(one)["seconds"])
    publish_to(one, tmp_path / "a")
    publish_to(Workspace.open(tmp_path / "other"), tmp_path / "b")
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")
