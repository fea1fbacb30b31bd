"""Rankings, read from releases and from what has Pick-a-Pic's columns; in folders and on a Hub."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import datasets
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synpic.errors import ReleaseError, SynpicError, TrainingError
from synpic.publish.export import export
from synpic.release.source import open_release
from synpic.train.data.records import TrainingRecords, read_records
from tests.hub_server import HubServer
from tests.hub_server.fixtures import GoOnline, hub, online, waits
from tests.publish.fixtures import TWO_SPLITS, build
from tests.release.conftest import files_of
from tests.train.material import data, encoded_image, release

__all__ = ["hub", "online", "waits"]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return release(tmp_path)


def as_published(out: Path, config: str = "ranked") -> pl.DataFrame:
    return open_release(out).table(config).filter(pl.col("split") == "train")


def image_bytes(out: Path, split: str = "train") -> list[list[bytes]]:
    """The images of each row, from the files themselves."""
    (shard,) = (out / "ranked").glob(f"{split}-*")
    names = ("image_0", "image_1", "image_2")
    rows = pq.read_table(shard, columns=list(names)).to_pylist()
    return [[row[name]["bytes"] for name in names if row[name]] for row in rows]


def test_a_release_is_read_as_it_was_published(out: Path) -> None:
    records = read_records(data(out))
    published = as_published(out)
    table = records.table
    assert table["row"].to_list() == list(range(6))
    for name in ("prompt", "rank"):
        assert table[name].to_list() == published[name].to_list()
    assert table["preference"].to_list() == published["preference"].to_list()
    assert table["score_redness"].to_list() == published["score_redness"].to_list()
    assert [
        records.images(row, places) for row, places in table.select("row", "images").rows()
    ] == (image_bytes(out))
    sizes = dict(table.select("prompt", pl.col("images").list.len()).rows())
    assert sizes.pop("prompt 4") == 2
    assert set(sizes.values()) == {3}


def test_only_the_images_that_are_asked_for(out: Path) -> None:
    records = read_records(data(out))
    row = next(n for n, size in enumerate(records.table["images"].list.len()) if size == 3)
    assert records.images(row, [2, 0]) == [image_bytes(out)[row][n] for n in (2, 0)]
    ragged = records.table["prompt"].to_list().index("prompt 4")
    with pytest.raises(TrainingError, match=f"image_2 of row {ragged} of split 'train' is empty"):
        records.images(ragged, [0, 2])


def test_the_first_so_many_of_a_split(out: Path) -> None:
    whole = read_records(data(out, split="validation"))
    some = read_records(data(out, split="validation", count=2))
    assert some.table.equals(whole.table.head(2))
    assert some.images(1, [0]) == [image_bytes(out, "validation")[1][0]]


def test_what_it_is_does_not_depend_on_where_it_lies(out: Path, tmp_path: Path) -> None:
    here = read_records(data(out)).source
    shutil.copytree(out, tmp_path / "elsewhere" / "copy")
    there = read_records(data(tmp_path / "elsewhere" / "copy")).source
    assert (here.name, there.name) == ("out", "copy")
    assert here.fingerprint_inputs == there.fingerprint_inputs
    assert str(tmp_path) not in str(here)
    assert (here.config, here.split, here.commit) == ("ranked", "train", None)
    assert (
        here.fingerprint_inputs
        != read_records(data(out, split="validation")).source.fingerprint_inputs
    )


def test_a_release_names_the_rewards_that_ranked_it(out: Path) -> None:
    manifest = open_release(out).manifest
    ranked = {one.name: one.fingerprint for one in manifest.rewards if one.weight is not None}
    assert ranked
    assert read_records(data(out)).source.rewards == ranked


def test_a_repository_is_read_at_its_commit(
    hub: HubServer, online: GoOnline, out: Path, tmp_path: Path
) -> None:
    hub.create("user/set")
    commit = hub.commit("user/set", files_of(out)).oid
    hub.repositories["user/set"].tags |= {"v1.0.0": commit}
    hub.commit("user/set", {"manifest.json": b"{}"})
    online(hub, None, tmp_path / "home")
    here = read_records(data(out))
    for asked in (data("user/set@v1.0.0"), data("user/set", revision=commit)):
        there = read_records(asked)
        assert there.table.equals(here.table)
        assert there.images(3, [0, 1]) == here.images(3, [0, 1])
        assert (there.source.name, there.source.commit) == ("user/set", commit)
    with pytest.raises(ReleaseError, match="no revision 'v2'"):
        read_records(data("user/set", revision="v2"))
    with pytest.raises(TrainingError, match="two revisions"):
        read_records(data("user/set@v1.0.0", revision="main"))
    with pytest.raises(ReleaseError, match="there is no dataset 'user/nowhere'"):
        read_records(data("user/nowhere"))


def test_pairs_on_the_hub_need_no_manifest(
    hub: HubServer, online: GoOnline, out: Path, tmp_path: Path
) -> None:
    hub.create("user/pairs")
    (shard,) = (out / "pickapic").glob("train-*")
    commit = hub.commit("user/pairs", {f"data/{shard.name}": shard.read_bytes()}).oid
    online(hub, None, tmp_path / "home")
    there = read_records(data("user/pairs"))
    here = read_records(data(out, config="pickapic"))
    assert there.source.commit == commit
    assert there.source.rewards is None
    assert there.table.equals(here.table)


def check_pairs(records: TrainingRecords, out: Path) -> None:
    """Against `pairwise`, which says who won in other words."""
    won = {}
    for row, images, preference, rank in records.table.select(
        "row", "images", "preference", "rank"
    ).iter_rows():
        assert (sorted(preference), sorted(rank)) == ([0, 1], [1, 2])
        assert preference.index(1) == rank.index(1)
        pair = records.images(row, images)
        won[frozenset(pair)] = pair[rank.index(1)]
    (shard,) = (out / "pairwise").glob("train-*")
    published = pq.read_table(shard, columns=["chosen", "rejected"]).to_pylist()
    chosen = {
        frozenset((row["chosen"]["bytes"], row["rejected"]["bytes"])): row["chosen"]["bytes"]
        for row in published
    }
    assert won == chosen
    assert won


def test_pairs_of_a_release(out: Path) -> None:
    check_pairs(read_records(data(out, config="pickapic")), out)


def test_pairs_of_an_export(out: Path, tmp_path: Path) -> None:
    export(str(out), "pickapic", tmp_path / "pairs")
    check_pairs(read_records(data(tmp_path / "pairs")), out)


def write(folder: Path, **columns: Any) -> Path:
    folder.mkdir()
    pq.write_table(pa.table(columns), folder / "train.parquet")
    return folder


def pairs(tmp_path: Path, **columns: Any) -> Path:
    count = len(columns["label_0"])
    images = [encoded_image(8, 8, n) for n in range(count)]
    return write(
        tmp_path / "pairs",
        **{"caption": ["a"] * count, "jpg_0": images, "jpg_1": images[::-1], **columns},
    )


def test_labels_of_pairs(tmp_path: Path) -> None:
    where = pairs(tmp_path, label_0=[1.0, 0.0, 0.5, None, 1.0], has_label=[True] * 4 + [False])
    table = read_records(data(where)).table
    assert table["preference"].to_list() == [[1, 0], [0, 1], [0.5, 0.5], [0.5, 0.5], [0.5, 0.5]]
    assert table["rank"].to_list() == [[1, 2], [2, 1], [1, 1], [1, 1], [1, 1]]
    assert table["key"].n_unique() == 5, "pairs of one prompt are told apart"


def test_the_second_label_counts(tmp_path: Path) -> None:
    table = read_records(data(pairs(tmp_path, label_0=[1, 0], label_1=[0, 0]))).table
    assert table["rank"].to_list() == [[1, 2], [1, 1]]


def test_labels_of_another_type(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="column 'label_0' is String"):
        read_records(data(pairs(tmp_path, label_0=["first"])))


def test_images_of_the_hubs_own_type(tmp_path: Path) -> None:
    data_ = [encoded_image(8, 8, n) for n in range(2)]
    cells = [{"bytes": one, "path": None} for one in data_]
    where = write(tmp_path / "pairs", caption=["a"], label_0=[1], jpg_0=cells[:1], jpg_1=cells[1:])
    assert read_records(data(where)).images(0, [0, 1]) == data_


def test_a_file_that_the_manifest_does_not_know_is_no_row(out: Path) -> None:
    (shard,) = (out / "ranked").glob("train-*")
    shutil.copy(shard, shard.with_name("train-00001-of-00001.parquet"))
    records = read_records(data(out))
    assert records.table.height == 6
    with pytest.raises(ReleaseError, match="datasets cannot load it"):
        records.images(0, [0])


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"split": "test"}, "config 'ranked' has no split 'test'"),
        ({"config": "rankd"}, "no config 'rankd'. Did you mean 'ranked'"),
        ({"config": "scores"}, "columns are neither rankings .* nor pairs"),
        ({"revision": "v1"}, "is a folder, and revision='v1' is asked for"),
    ],
)
def test_mistakes_with_a_release(out: Path, settings: dict[str, str], says: str) -> None:
    with pytest.raises(SynpicError, match=says):
        read_records(data(out, **settings))


def test_mistakes_with_other_folders(tmp_path: Path) -> None:
    where = pairs(tmp_path, label_0=[1.0])
    with pytest.raises(TrainingError, match="no split 'test'") as caught:
        read_records(data(where, split="test"))
    assert caught.value.hint == "data.split: it has train"
    with pytest.raises(TrainingError, match="datasets cannot load it"):
        read_records(data(where, config="nope"))
    build(tmp_path / "workspace", TWO_SPLITS)
    with pytest.raises(ReleaseError, match="and is a workspace"):
        read_records(data(tmp_path / "workspace"))
    with pytest.raises(ReleaseError, match="no such folder"):
        read_records(data(tmp_path / "nowhere"))


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"preference": [[0.5]], "rank": [[1]]}, "row 0 has fewer than two images"),
        ({"preference": [[1.0, 0.0, 0.5]], "rank": [[1, 3, 2]]}, "than it has images"),
        ({"preference": [[1.0, 0.0]], "rank": [[1]]}, "lists of other lengths"),
        ({"preference": [[1.0, None]], "rank": [[1, 2]]}, "an image without preference"),
        ({"preference": [None], "rank": [[1, 2]]}, "column 'preference' is Null"),
        ({"preference": [[1.0, 0.0]], "rank": [1]}, "column 'rank' is Int64, .* a list of numbers"),
        ({"preference": [["1", "0"]], "rank": [[1, 2]]}, "'preference' is List.String"),
        ({"preference": [[1.0, 0.0]], "rank": [[1, 2]], "prompt": [None]}, "has no prompt"),
    ],
)
def test_rows_that_are_no_rankings(tmp_path: Path, columns: dict[str, Any], says: str) -> None:
    image = [encoded_image(8, 8, 0)]
    columns = {"prompt": pa.array(columns.pop("prompt", ["a"]), pa.string()), **columns}
    where = write(tmp_path / "set", image_0=image, image_1=image, **columns)
    with pytest.raises(TrainingError, match=says):
        read_records(data(where))


def test_a_label_that_is_nan_or_twice_zero_is_none(tmp_path: Path) -> None:
    nan = float("nan")
    where = pairs(tmp_path, label_0=[1.0, nan, 0.0, nan], label_1=[0.0, nan, 0.0, 1.0])
    table = read_records(data(where)).table
    assert table["preference"].to_list() == [[1, 0], [0.5, 0.5], [0.5, 0.5], [0.5, 0.5]]


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"label_0": [1.0, 2.0]}, r"row 1 has a label_0 that is no share, 0 … 1: 2 \(1 such row"),
        ({"label_0": [1.0, -0.5]}, "row 1 has a label_0 that is no share, 0 … 1: -0.5"),
        ({"label_0": [0.0], "label_1": [float("inf")]}, "row 0 has a label_1 .*: inf"),
        (
            {"label_0": [0.0, 1.0, 1.0], "label_1": [1.0, 1.0, 1.0]},
            r"row 1 has a label_0 and a label_1 that contradict each other: 1 and 1 \(2 such rows",
        ),
        ({"label_0": [0.0], "label_1": [0.0], "has_label": [True]}, "contradict each other: 0 a"),
    ],
)
def test_labels_that_cannot_be_are_refused_with_row_and_column(
    tmp_path: Path, columns: dict[str, Any], says: str
) -> None:
    with pytest.raises(TrainingError, match=says):
        read_records(data(pairs(tmp_path, **columns)))
    if "has_label" not in columns:
        return
    unlabelled = {**columns, "has_label": [False]}
    (tmp_path / "again").mkdir()
    assert read_records(data(pairs(tmp_path / "again", **unlabelled))).table["rank"][0].to_list()


def test_a_ranking_with_nan_is_named_by_its_row(tmp_path: Path) -> None:
    image = [encoded_image(8, 8, 0)]
    columns = {"prompt": ["a"], "preference": [[1.0, float("nan")]], "rank": [[1, 2]]}
    where = write(tmp_path / "ranked", image_0=image, image_1=image, **columns)
    with pytest.raises(TrainingError, match="row 0 has an image without preference"):
        read_records(data(where))


def test_a_folder_whose_path_is_a_pattern_is_read(tmp_path: Path) -> None:
    (tmp_path / "ds [v1]").mkdir()
    assert read_records(data(pairs(tmp_path / "ds [v1]", label_0=[1.0, 0.0]))).table.height == 2
