from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from PIL import Image

from synpic.errors import CorruptPart, PublishError, RankingError, RecipeError, RewardError
from synpic.publish import folder as folder_module
from synpic.publish import publish_to
from synpic.publish.table.records import CONFIGS
from synpic.rank import rank
from tests.publish.fixtures import TWO_SPLITS, build, encoded, hashed_score, recipe, scored

Load = Callable[..., Any]


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def ragged(row: dict[str, Any]) -> bool:
    """Only two images of the first prompt were drawn."""
    return not (row["prompt"] == TWO_SPLITS[0][0] and row["model"] == "beta")


@pytest.mark.parametrize("streaming", [False, True])
def test_ranked_loads_as_it_was_generated(tmp_path: Path, load: Load, streaming: bool) -> None:
    workspace = build(tmp_path / "set", keep=ragged)
    release = publish_to(workspace, tmp_path / "out")
    pixels = encoded(workspace)
    expected = rank(scored(workspace), {"redness": 1.0, "greenness": 1.0}).table
    seen = []
    for split, count in (("train", 3), ("validation", 2)):
        data = load(tmp_path / "out", split=split, streaming=streaming)
        data = data.cast_column("image_0", _raw()).cast_column("image_1", _raw())
        rows = list(data.cast_column("image_2", _raw()))
        assert len(rows) == count == release.rows["ranked"][split]
        seen += rows
    assert {row["prompt"] for row in seen} == {prompt for prompt, _ in TWO_SPLITS}
    for row in seen:
        ids = row["candidate_ids"]
        images = [row[f"image_{place}"] for place in range(3)]
        assert [image["bytes"] for image in images if image] == [pixels[one] for one in ids]
        assert [image["path"] for image in images if image] == [f"{one}.png" for one in ids]
        assert images[len(ids) :] == [None] * (3 - len(ids))
        assert row["models"] == sorted(row["models"])
        of_prompt = expected.filter(pl.col("prompt_id") == row["prompt_id"])
        assert ids == of_prompt["candidate_id"].to_list()
        assert row["rank"] == of_prompt["rank"].to_list()
        assert row["wins"] == of_prompt["wins"].to_list()
        assert row["preference"] == pytest.approx(of_prompt["preference"].to_list())
        assert row["best"] == row["rank"].index(1)
        assert row["flagged"] == [None] * len(ids)
    assert sorted(len(row["models"]) for row in seen) == [2, 3, 3, 3, 3]


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("config", ["scores", "images"])
def test_images_carry_their_provenance(
    tmp_path: Path, load: Load, config: str, streaming: bool
) -> None:
    workspace = build(tmp_path / "set", score=_without_one_score)
    publish_to(workspace, tmp_path / "out", configs=[config])
    pixels = encoded(workspace)
    have = {row["candidate_id"]: row for row in scored(workspace).iter_rows(named=True)}
    data = load(tmp_path / "out", config, split="train", streaming=streaming)
    if config == "images":
        data = data.cast_column("image", _raw())
    rows = list(data)
    assert len(rows) == 9
    for row in rows:
        candidate = have[row["candidate_id"]]
        same = [
            "prompt_id",
            "prompt",
            "model",
            "fingerprint",
            "sample",
            "seed",
            "sha256",
            "environment",
        ]
        same += ["width", "height", "batch_size", "flagged"]
        assert "seconds" not in row
        same += ["score_redness", "score_greenness"]
        assert {key: row[key] for key in same} == {key: candidate[key] for key in same}
        assert (row["rank"] is None) == (row["score_greenness"] is None)
        assert (row["preference"] is None) == (row["score_greenness"] is None)
        if config == "images":
            assert row["image"]["bytes"] == pixels[row["candidate_id"]]
    assert sum(row["rank"] is None for row in rows) == 1


@pytest.mark.parametrize("streaming", [False, True])
def test_pairwise_loads(tmp_path: Path, load: Load, streaming: bool) -> None:
    workspace = build(tmp_path / "set", text=recipe(more='[records]\npairs = "all"\n'))
    publish_to(workspace, tmp_path / "out", configs=["ranked", "pairwise"])
    pixels = encoded(workspace)
    data = load(tmp_path / "out", "pairwise", split="train", streaming=streaming)
    rows = list(data.cast_column("chosen", _raw()).cast_column("rejected", _raw()))
    assert rows
    for row in rows:
        assert row["chosen"]["bytes"] == pixels[row["chosen_id"]]
        assert row["rejected"]["bytes"] == pixels[row["rejected_id"]]
        assert row["chosen_preference"] > row["rejected_preference"]
        assert row["margin"] == pytest.approx(row["chosen_preference"] - row["rejected_preference"])
        assert row["chosen_model"] != row["rejected_model"]
        assert row["strategy"] == "all"


@pytest.mark.parametrize("streaming", [False, True])
def test_pickapic_is_what_its_readers_expect(tmp_path: Path, load: Load, streaming: bool) -> None:
    prompts = [(f"prompt {number}", "train") for number in range(40)]
    workspace = build(tmp_path / "set", prompts, text=recipe(("alpha", "beta")))
    publish_to(workspace, tmp_path / "out", configs=["pickapic"])
    pixels = encoded(workspace)
    data = load(tmp_path / "out", split="train", streaming=streaming)
    # The columns of yuvalkirstain/pickapic_v2, in their order.
    assert list(data.features) == [
        *["are_different", "best_image_uid", "caption", "created_at", "has_label"],
        *["image_0_uid", "image_0_url", "image_1_uid", "image_1_url", "jpg_0", "jpg_1"],
        *["label_0", "label_1", "model_0", "model_1", "ranking_id", "user_id"],
        *["num_example_per_prompt", "__index_level_0__"],
    ]
    rows = list(data)
    for number, row in enumerate(rows):
        assert row["jpg_0"] == pixels[row["image_0_uid"]]
        assert row["jpg_1"] == pixels[row["image_1_uid"]]
        winner = 0 if row["label_0"] == 1.0 else 1
        assert (row["label_0"], row["label_1"]) == ((1.0, 0.0), (0.0, 1.0))[winner]
        assert row["best_image_uid"] == row[f"image_{winner}_uid"]
        assert row["are_different"]
        assert row["has_label"]
        assert row["num_example_per_prompt"] == 1
        assert row["__index_level_0__"] == number
        assert Image.open(io.BytesIO(row["jpg_0"])).size == (24, 24)
    # Which side wins is a coin's toss: of 20 or so, not all and not none.
    assert len(rows) > 10
    assert 0.1 < sum(row["label_0"] for row in rows) / len(rows) < 0.9


def test_the_manifest_names_every_file(tmp_path: Path) -> None:
    workspace = build(tmp_path / "set", keep=ragged)
    release = publish_to(workspace, tmp_path / "out", configs=CONFIGS)
    files = files_of(tmp_path / "out")
    manifest = json.loads(files.pop("manifest.json"))
    assert manifest["files"] == {
        name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
        for name, data in files.items()
    }
    assert release.files == len(files) + 1
    assert release.bytes == sum(map(len, files_of(tmp_path / "out").values()))
    assert manifest["recipe"] == workspace.snapshot().recipe_text
    assert {entry["source"] for entry in manifest["lock"]} == {
        f"./weights/{name}" for name in ("alpha", "beta", "gamma")
    }
    assert [model["name"] for model in manifest["models"]] == ["alpha", "beta", "gamma"]
    assert [reward["weight"] for reward in manifest["rewards"]] == [1.0, 1.0]
    assert manifest["environments"] == {"e1": {"device": "cpu", "torch": "2"}}
    assert manifest["prompts"] == {"prompts.txt": 5}
    assert manifest["counts"]["candidates"] == 14
    assert manifest["counts"]["candidates_missing"] == 1
    assert manifest["records"]["scores"] == {"train": 8, "validation": 6}
    assert str(tmp_path) not in json.dumps(manifest)


def test_twins_are_counted_apart(tmp_path: Path) -> None:
    """Two models of equal settings, told apart by their seeds alone, have one fingerprint."""
    text = recipe().replace('checkpoint = "./weights/beta"', 'checkpoint = "./weights/alpha"')
    missing = TWO_SPLITS[0][0]
    workspace = build(
        tmp_path / "set",
        text=f"shared_seeds = false\n{text}",
        keep=lambda row: not (row["model"] == "beta" and row["prompt"] == missing),
    )
    publish_to(workspace, tmp_path / "out")
    models = json.loads((tmp_path / "out" / "manifest.json").read_bytes())["models"]
    assert models[0]["fingerprint"] == models[1]["fingerprint"]
    assert {model["name"]: model["candidates"] for model in models} == {
        "alpha": 5,
        "beta": 4,
        "gamma": 5,
    }


def test_one_reward_has_no_others_to_agree_with(tmp_path: Path) -> None:
    text = recipe(more='[ranking]\nrewards = ["redness"]\n')
    publish_to(build(tmp_path / "set", text=text), tmp_path / "out")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_bytes())
    assert manifest["agreement"]["leave_one_out"] == []
    assert manifest["ranking"]["weights"] == {"redness": 1.0}


def test_equal_workspaces_give_equal_bytes(tmp_path: Path) -> None:
    first = build(tmp_path / "one", rows_per_part=4)
    second = build(tmp_path / "two", rows_per_part=7)
    publish_to(first, tmp_path / "a", configs=CONFIGS)
    publish_to(second, tmp_path / "b", configs=CONFIGS)
    assert files_of(tmp_path / "a") == files_of(tmp_path / "b")


def test_other_scores_move_no_images(tmp_path: Path, load: Load) -> None:
    before = build(tmp_path / "one")
    after = build(tmp_path / "two", score=lambda reward, row: -hashed_score(reward, row))
    publish_to(before, tmp_path / "a")
    publish_to(after, tmp_path / "b")
    one, two = (load(tmp_path / name, split="train") for name in "ab")
    assert one["candidate_ids"] == two["candidate_ids"]
    assert one["rank"] != two["rank"]


def test_progress_ends_at_the_total(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    publish_to(
        build(tmp_path / "set"),
        tmp_path / "out",
        configs=["ranked", "scores"],
        on_progress=lambda done, total: told.append((done, total)),
    )
    assert told[-1] == (5 + 15, 5 + 15)
    assert [done for done, _ in told] == sorted({done for done, _ in told})


def test_a_split_without_rankings_is_left_out(tmp_path: Path, load: Load) -> None:
    train = {prompt for prompt, split in TWO_SPLITS if split == "train"}
    workspace = build(tmp_path / "set", keep=lambda row: row["prompt"] in train)
    release = publish_to(workspace, tmp_path / "out")
    assert release.rows == {"ranked": {"train": 3}, "scores": {"train": 9}}
    assert list(load(tmp_path / "out")) == ["train"]


def test_nothing_drawn(tmp_path: Path) -> None:
    workspace = build(tmp_path / "set", keep=lambda row: False)
    with pytest.raises(RankingError, match="holds no image that the recipe wants") as error:
        publish_to(workspace, tmp_path / "out")
    assert "synpic generate" in str(error.value.hint)
    assert not (tmp_path / "out").exists()


def test_nothing_scored(tmp_path: Path) -> None:
    workspace = build(tmp_path / "set", score=lambda reward, row: None)
    with pytest.raises(RankingError, match="'redness' has scored none of 15 images"):
        publish_to(workspace, tmp_path / "out")


def test_all_dropped(tmp_path: Path) -> None:
    workspace = build(tmp_path / "set", keep=lambda row: row["model"] == "alpha")
    with pytest.raises(RankingError, match="of 5 prompts none has two images"):
        publish_to(workspace, tmp_path / "out")


def test_no_rewards(tmp_path: Path) -> None:
    text = recipe().partition("[rewards.")[0]
    workspace = build(tmp_path / "set", text=text)
    with pytest.raises(RecipeError, match=r"no \[rewards"):
        publish_to(workspace, tmp_path / "out")


def test_constant_scores_are_refused(tmp_path: Path) -> None:
    prompts = [(f"prompt {number}", "train") for number in range(6)]
    workspace = build(tmp_path / "set", prompts, score=lambda reward, row: 0.5)
    with pytest.raises(RewardError, match="same score"):
        publish_to(workspace, tmp_path / "out")


def test_only_ties_make_no_pairs(tmp_path: Path) -> None:
    workspace = build(tmp_path / "set", score=lambda reward, row: len(row["prompt"]))
    with pytest.raises(PublishError, match="is tied"):
        publish_to(workspace, tmp_path / "out", configs=["pairwise"])
    assert publish_to(workspace, tmp_path / "out", configs=["ranked", "pairwise"]).rows == {
        "ranked": {"train": 3, "validation": 2}
    }


@pytest.mark.parametrize("split", ["../up", "all", "All"])
def test_a_split_that_is_no_name(tmp_path: Path, split: str) -> None:
    workspace = build(tmp_path / "set", [("a", "train"), ("b", split)])
    with pytest.raises(PublishError, match=re.escape(f"split {split!r}")):
        publish_to(workspace, tmp_path / "out")


@pytest.mark.parametrize(
    ("configs", "split", "name"),
    [
        (None, "train", "out"),
        (["scores"], "val", 'it\'s \\ "out" here'),
        (["pickapic", "ranked"], "val", "deeper/out"),
        # What load_dataset takes for a format where it stands alone.
        (None, "train", "parquet"),
    ],
)
@pytest.mark.parametrize("absolute", [False, True])
def test_the_load_line_works_as_printed(
    tmp_path: Path,
    load: Load,
    monkeypatch: pytest.MonkeyPatch,
    configs: list[str] | None,
    split: str,
    name: str,
    absolute: bool,
) -> None:
    workspace = build(tmp_path / "set", [(prompt, split) for prompt, _ in TWO_SPLITS])
    monkeypatch.chdir(tmp_path)
    release = publish_to(workspace, tmp_path / name if absolute else name, configs=configs)
    loader = SimpleNamespace(load_dataset=load)
    rows = eval(release.load_line, {"datasets": loader})
    config = configs[0] if configs else "ranked"
    assert rows.num_rows == release.rows[config][split]
    assert ("rank" in rows.column_names) == (config != "pickapic")
    assert str(tmp_path) in release.load_line or not absolute
    with Image.open(release.picture) as picture:
        assert picture.format == "PNG"


def test_a_release_knows_what_it_was_made_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = build(tmp_path / "set", keep=ragged)
    monkeypatch.setenv("HOME", str(tmp_path))
    release = publish_to(workspace, "~/out")
    assert release.directory == tmp_path / "out"
    assert release.ranked.ranking.counts.kept_candidates == 14
    assert release.ranked.scored.equals(scored(workspace))


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("~nosuchuser/x", "Could not determine home"),
        ("x\0y", "null byte"),
        ("x" * 300, "File name too long"),
        ("set/recipe.toml/x", "cannot be written: File exists"),
    ],
)
def test_a_place_that_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, message: str
) -> None:
    workspace = build(tmp_path / "set")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PublishError, match=message) as error:
        publish_to(workspace, place)
    assert error.value.hint
    assert list(tmp_path.iterdir()) == [tmp_path / "set"]


def test_a_place_that_may_not_be_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = build(tmp_path / "set")

    def forbid(target: Path) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(target))

    monkeypatch.setattr(folder_module, "require_free", forbid)
    with pytest.raises(PublishError, match="out cannot be written: Permission denied") as error:
        publish_to(workspace, tmp_path / "out")
    assert "who may write there" in str(error.value.hint)


def test_a_disk_with_too_little_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = build(tmp_path / "set")
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(PublishError, match=r"36.1 kB and the disk has 1.0 kB free"):
        publish_to(workspace, tmp_path / "out")
    assert list(tmp_path.iterdir()) == [tmp_path / "set"]


def test_a_disk_that_fills_up(tmp_path: Path) -> None:
    workspace = build(tmp_path / "set")
    publish_to(workspace, tmp_path / "out")
    before = files_of(tmp_path / "out")

    def fill(done: int, total: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(PublishError, match="No space left") as error:
        publish_to(workspace, tmp_path / "out", on_progress=fill)
    assert "free some room" in str(error.value.hint)
    assert files_of(tmp_path / "out") == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "set"]


def test_an_unknown_config(tmp_path: Path) -> None:
    with pytest.raises(PublishError, match="Did you mean 'ranked'"):
        publish_to(build(tmp_path / "set"), tmp_path / "out", configs=["rankd"])


def test_pixels_that_are_not_the_ones_that_were_scored(tmp_path: Path) -> None:
    workspace = build(tmp_path / "set")
    image = next(iter(encoded(workspace).values()))
    damaged = image[:60] + bytes([image[60] ^ 1]) + image[61:]
    (part,) = (
        part
        for part in (tmp_path / "set" / "candidates").rglob("*.parquet")
        if image in part.read_bytes()
    )
    part.write_bytes(part.read_bytes().replace(image, damaged))
    with pytest.raises(CorruptPart, match=re.escape(str(part))) as error:
        publish_to(workspace, tmp_path / "out")
    assert "synpic repair" in str(error.value.hint)
    assert list(tmp_path.iterdir()) == [tmp_path / "set"]


def _raw() -> Any:
    import datasets

    return datasets.Image(decode=False)


def _without_one_score(reward: str, row: dict[str, Any]) -> float | None:
    missing = (reward, row["model"], row["prompt"]) == ("greenness", "alpha", TWO_SPLITS[0][0])
    return None if missing else hashed_score(reward, row)
