"""Tables whose cells are lists of images, whose images have captions of their own, or in Arrow."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import synpic
from synpic import ids
from synpic.errors import IngestError, RecipeError
from synpic.ingest.index import read_index
from synpic.pipeline.inventory import take_inventory
from synpic.pipeline.steps import image_scores
from synpic.prompts import stored_prompts
from synpic.workspace import Workspace
from tests.ingest.conftest import MakeWorkspace, picture
from tests.ingest.test_tar_shards import write as write_tar

FEATURES = datasets.Features(
    {
        "prompt": datasets.Value("string"),
        "image": datasets.List(datasets.Image()),
        "models": datasets.List(datasets.Value("string")),
        "rank": datasets.List(datasets.Value("int32")),
        "category": datasets.Value("string"),
    }
)


def cell(seed: int) -> dict[str, Any]:
    return {"bytes": picture(seed), "path": f"{seed}.png"}


ROWS = [
    {"prompt": "a", "image": [cell(0), cell(1), cell(2)], "models": ["X", "Y", "Z"],
     "rank": [2, 0, 1], "category": "art"},
    {"prompt": "b", "image": [], "models": [], "rank": [], "category": "photo"},
    {"prompt": "c", "image": [cell(3)], "models": ["X"], "rank": [0], "category": "photo"},
]  # fmt: skip


def saved(folder: Path) -> datasets.Dataset:
    """As ``datasets`` has it: HPDv2's columns, with what many add."""
    made = datasets.Dataset.from_list(ROWS, features=FEATURES)
    made.save_to_disk(folder)
    return made


def ingested(workspace: Workspace) -> dict[str, tuple[str, str]]:
    """sha256 of every image → its model and prompt."""
    (outcome,) = synpic.ingest_candidates(workspace).outcomes
    assert outcome.failed == 0
    found = take_inventory(workspace).candidates()
    keys = list(found.select("candidate_id", "sha256").iter_rows())
    data = workspace.images(take_inventory(workspace).image_folders()).read(keys)
    pairs = found.select("model", "prompt").rows()
    return {ids.sha256(one): pair for one, pair in zip(data, pairs, strict=True)}


def expected(*rows: tuple[int, str, str]) -> dict[str, tuple[str, str]]:
    return {ids.sha256(picture(seed)): (model, prompt) for seed, model, prompt in rows}


LISTED = expected((0, "x", "a"), (1, "y", "a"), (2, "z", "a"), (3, "x", "c"))


@pytest.mark.parametrize("how", ["parquet", "saved", "saved splits"])
def test_a_list_of_images_is_a_candidate_each(
    make: MakeWorkspace, tmp_path: Path, how: str
) -> None:
    made = saved(tmp_path / "set.saved")
    split = "train"
    if how == "saved":
        (tmp_path / "set.saved").rename(tmp_path / "data")
    elif how == "parquet":
        made.to_parquet(tmp_path / "data" / "train.parquet")
    else:
        split = "test"
        datasets.DatasetDict({"other": made.select([1]), "test": made}).save_to_disk(
            tmp_path / "data"
        )
    workspace = make(f'dataset = "../data"\nsplit = "{split}"\nkeep = ["category"]')
    assert ingested(workspace) == LISTED
    places = image_scores(workspace)["place"].to_list()
    assert [place.rpartition(":")[2] for place in places] == [
        "image[0]", "image[1]", "image[2]", "image[0]",
    ]  # fmt: skip
    prompts = stored_prompts(workspace)
    assert prompts is not None
    assert prompts.table["meta_category"].to_pylist() == ["art", "photo"]
    (again,) = synpic.ingest_candidates(workspace).outcomes
    assert (again.already, again.made) == (4, 0)


def test_without_names_of_models_the_images_of_a_list_are_of_one(
    make: MakeWorkspace, tmp_path: Path
) -> None:
    datasets.Dataset.from_list(ROWS, features=FEATURES).remove_columns("models").to_parquet(
        tmp_path / "data" / "train.parquet"
    )
    index = read_index(make('dataset = "../data"').snapshot()).rows
    assert index.select("model", "sample").rows()[:3] == [("unknown", n) for n in range(3)]


def test_lists_of_bytes_and_lists_that_do_not_fit(make: MakeWorkspace, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    table = pa.table(
        {
            "pictures": pa.array([[picture(0), picture(1)], None], pa.list_(pa.binary())),
            "who": [["X"], ["Y"]],
            "captions": [["a", "b"], ["c"]],
        }
    )
    pq.write_table(table, tmp_path / "data" / "train.parquet")
    lines = 'dataset = "../data"\nimage = "pictures"\nmodel = "who"\nprompt = "captions"'
    assert ingested(make(lines)) == expected((0, "x", "a"), (1, "unknown", "b"))


def columns(tmp_path: Path, **more: Any) -> Path:
    (tmp_path / "data").mkdir(exist_ok=True)
    images = {f"image_{side}": [cell(10 * side + row) for row in range(2)] for side in range(2)}
    pq.write_table(pa.table({**images, **more}), tmp_path / "data" / "train.parquet")
    return tmp_path / "data"


def test_a_caption_of_each_image_is_its_prompt(make: MakeWorkspace, tmp_path: Path) -> None:
    columns(tmp_path, caption_0=["a", "b"], caption_1=["a", "other"], model_1=["Y", "Y"])
    assert ingested(make('dataset = "../data"')) == expected(
        (0, "unknown", "a"), (10, "y", "a"), (1, "unknown", "b"), (11, "y", "other")
    )


def test_a_column_for_all_comes_before_captions_of_each(
    make: MakeWorkspace, tmp_path: Path
) -> None:
    columns(tmp_path, prompt=["p", "q"], caption_0=["a", "b"], caption_1=["c", "d"])
    found = read_index(make('dataset = "../data"').snapshot()).rows
    assert found["prompt"].to_list() == ["p", "p", "q", "q"]
    lines = 'dataset = "../data"\nprompt = ["caption_1", "caption_0"]'
    shutil.rmtree(tmp_path / "set")
    found = read_index(make(lines).snapshot()).rows
    assert found["prompt"].to_list() == ["c", "a", "d", "b"]


def test_ranked_of_a_release_is_read_with_its_models_and_ids(
    make: MakeWorkspace, tmp_path: Path
) -> None:
    columns(
        tmp_path, prompt=["p", "q"], models=[["X", "Y"], ["Y", "X"]],
        candidate_ids=[["1", "2"], ["3", "4"]],
    )  # fmt: skip
    found = read_index(make('dataset = "../data"').snapshot()).rows
    assert found.select("place", "model").rows() == [
        ("1", "x"), ("2", "y"), ("3", "y"), ("4", "x"),
    ]  # fmt: skip


def refused(make: MakeWorkspace, lines: str) -> str:
    with pytest.raises((IngestError, RecipeError)) as caught:
        synpic.ingest_candidates(make(lines))
    return f"{caught.value.message} | {caught.value.hint}"


def test_what_is_refused(make: MakeWorkspace, tmp_path: Path) -> None:
    columns(tmp_path, caption_0=["a", "b"], caption_1=["c", "d"], many=[[1], [2]])
    data = 'dataset = "../data"\n'
    three = 'prompt = ["caption_0", "caption_1", "caption_0"]'
    assert "3 columns of prompts for 2 of images" in refused(make, data + three)
    assert "'many' is list<element: int64>, not one value a row" in refused(
        make, data + 'keep = ["many"]'
    )
    several = 'prompt = ["a", "b"]'
    assert "a folder of images does not" in refused(make, 'images = "../data"\n' + several)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"_data_files": [{"filename": "../../x.arrow"}]}, "is no file of this folder"),
        ({"_data_files": []}, "state.json: _data_files: is no list"),
        ({"_data_files": [3]}, "filename is missing"),
        ({"_split": "test"}, "there is no split 'train' | it has: test"),
    ],
)
def test_a_saved_dataset_that_says_another_thing(
    make: MakeWorkspace, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    saved(tmp_path / "data")
    state = tmp_path / "data" / "state.json"
    state.write_text(json.dumps({**json.loads(state.read_text()), **change}))
    assert message in refused(make, 'dataset = "../data"')


def test_a_saved_dataset_that_is_damaged(make: MakeWorkspace, tmp_path: Path) -> None:
    saved(tmp_path / "data")
    (path,) = (tmp_path / "data").glob("*.arrow")
    path.write_bytes(path.read_bytes()[:500])
    assert "not Arrow, or damaged" in refused(make, 'dataset = "../data"')
    path.unlink()
    shutil.rmtree(tmp_path / "set")
    assert f"filename: '{path.name}' is no file of this folder" in refused(
        make, 'dataset = "../data"'
    )


def test_a_dataset_of_tars(make: MakeWorkspace, tmp_path: Path) -> None:
    for shard in range(2):
        write_tar(
            tmp_path / "data" / f"train-{shard}.tar",
            [(f"{shard}.png", picture(shard)), (f"{shard}.txt", b"a")],
        )
    workspace = make('dataset = "../data"')
    assert ingested(workspace) == expected((0, "unknown", "a"), (1, "unknown", "a"))
    assert image_scores(workspace)["place"].to_list() == ["train-0.tar#0.png", "train-1.tar#1.png"]


# -- lists of preferences in JSON ----------------------------------------------------------------


def put(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(picture(seed))


@pytest.mark.parametrize("folder", ["", "train", "images"])
def test_hpdv2(make: MakeWorkspace, tmp_path: Path, folder: str) -> None:
    root = tmp_path / "hpd"
    for seed in range(3):
        put(root / folder / f"{seed}.png", seed)
    rows = [
        {"prompt": "a", "file_path": ["0.png", "1.png"], "human_preference": [1, 0]},
        {"prompt": "b", "file_path": ["2.png", "0.png"], "human_preference": [0, 1]},
    ]
    (root / "train.json").write_text(json.dumps(rows))
    workspace = make('images = "../hpd"')
    (outcome,) = synpic.ingest_candidates(workspace).outcomes
    assert (outcome.made, outcome.failed) == (4, 0)
    found = take_inventory(workspace).candidates()
    keys = list(found.select("candidate_id", "sha256").iter_rows())
    data = workspace.images(take_inventory(workspace).image_folders()).read(keys)
    assert sorted(
        (picked, prompt) for picked, prompt in zip(data, found["prompt"], strict=True)
    ) == (sorted([(picture(0), "a"), (picture(1), "a"), (picture(2), "b"), (picture(0), "b")]))


def test_hpdv3_with_models_and_a_list_that_grows(make: MakeWorkspace, tmp_path: Path) -> None:
    root = tmp_path / "hpd"
    for seed in range(2):
        put(root / "images" / "d" / f"{seed}.png", seed)
    row = {"prompt": "a", "path1": "images/d/0.png", "path2": "images/d/1.png",
           "model1": "Flux", "model2": "SDXL", "confidence": 0.5}  # fmt: skip
    (root / "train.json").write_text(json.dumps([row]))
    workspace = make('images = "../hpd"')
    assert ingested(workspace) == expected((0, "flux", "a"), (1, "sdxl", "a"))
    prompts = stored_prompts(workspace)
    assert prompts is not None
    assert prompts.table["meta_confidence"].to_pylist() == [0.5]
    gone = {**row, "prompt": "b", "path2": "images/d/gone.png"}
    (root / "train.json").write_text(json.dumps([row, gone]))
    (outcome,) = synpic.ingest_candidates(workspace).outcomes
    assert (outcome.already, outcome.made, outcome.failed) == (2, 1, 1)
    assert "there is no such image file" in image_scores(workspace)["failure"].to_list()


def test_a_list_whose_rows_are_wrong_names_the_row(make: MakeWorkspace, tmp_path: Path) -> None:
    root = tmp_path / "hpd"
    put(root / "0.png", 0)
    good = {"prompt": "a", "path1": "0.png", "path2": "0.png"}
    (root / "train.json").write_text(json.dumps([good, {**good, "path2": 7}]))
    assert "train.json: item 2: path1 and path2: 7 is not the name of a file" in refused(
        make, 'images = "../hpd"'
    )
