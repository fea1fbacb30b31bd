"""Labels in tars and in files of metadata: the layouts of datasets, where rows are samples."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synpic.errors import IngestError
from synpic.ingest.index import read_index
from synpic.publish.export import export
from synpic.workspace.labels import label_sources
from tests.ingest.conftest import cache, picture
from tests.ingest.labels.making import ingest, labels, named
from tests.ingest.test_tar_shards import text
from tests.ingest.test_tar_shards import write as write_tar
from tests.publish.fixtures import build

__all__ = ["cache"]


def tar(path: Path, *samples: Mapping[str, Any]) -> Path:
    """``png`` of each sample names its images; other keys are its JSON. Pictures count up."""
    files: list[tuple[str, bytes]] = []
    seed = 0
    for number, sample in enumerate(samples):
        for name in sample["png"]:
            tail = f".{name}.png" if name else ".png"
            files.append((f"{number:04}{tail}", picture(seed)))
            seed += 1
        about = {"prompt": "a cat", **{k: v for k, v in sample.items() if k != "png"}}
        files.append((f"{number:04}.json", text(about)))
    return write_tar(path, files)


PAIR = ["0", "1"]
OF_TWO: list[tuple[list[dict[str, Any]], list[tuple[Any, ...]]]] = [
    (  # Pick-a-Pic
        [{"png": PAIR, "label_0": 1, "label_1": 0, "has_label": True, "user_id": 7},
         {"png": PAIR, "label_0": 0.5, "label_1": 0.5, "has_label": True},
         {"png": PAIR, "label_0": 0, "label_1": 0, "has_label": False}],
        [(0, 1, 1.0, "overall", 1), (2, 3, 0.5, "overall", 1), (4, 5, None, "overall", None)],
    ),
    (  # chosen and rejected, in either order
        [{"png": ["chosen", "rejected"]}, {"png": ["rejected", "chosen"]}],
        [(0, 1, 1.0, "overall", None), (3, 2, 1.0, "overall", None)],
    ),
    (  # votes, on names of images and on numbers
        [{"png": ["image1", "image2"], "votes_image1": 3, "votes_image2": 1},
         {"png": PAIR, "votes_image0": 2, "votes_image1": 6}],
        [(0, 1, 0.75, "overall", 4), (2, 3, 0.25, "overall", 8)],
    ),
    (  # weights by question
        [{"png": ["image1", "image2"], "weighted_results_image1_alignment": 0.25,
          "weighted_results_image2_alignment": 0.75}],
        [(0, 1, 0.25, "alignment", None)],
    ),
    (  # lists of ranks, of as many images as there are, and of preferences
        [{"png": ["0", "1", "2"], "rank": [2, 1, 3]}, {"png": PAIR, "human_preference": [0, 1]}],
        [(0, 1, 0.0, "overall", None), (0, 2, 1.0, "overall", None),
         (1, 2, 1.0, "overall", None), (3, 4, 0.0, "overall", None)],
    ),
    (  # by rater
        [{"png": PAIR, "rank": [1, 2], "raw_annotations": [{"rank": [2, 1], "user_hash": "u"}]}],
        [(0, 1, 0.0, "overall", 1)],
    ),
    (  # rows of one list, one image each
        [{"png": [""], "prompt_id": "p", "rank": 2, "fidelity_rating": 4},
         {"png": [""], "prompt_id": "p", "rank": 1, "fidelity_rating": 4}],
        [(0, 1, 0.0, "overall", None), (0, 1, 0.5, "fidelity", None)],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("samples", "wanted"), OF_TWO)
@pytest.mark.parametrize("key", ["images", "dataset"])
def test_samples_have_the_labels_of_their_layout(
    tmp_path: Path, samples: list[dict[str, Any]], wanted: list[tuple[Any, ...]], key: str
) -> None:
    tar(tmp_path / "tars" / "train.tar", *samples)
    workspace = ingest(tmp_path / "w", f'{key} = "../tars"')
    # Labels of one row are in the order of ids.
    assert sorted(named(workspace, "share", "question", "n"), key=repr) == sorted(wanted, key=repr)
    assert labels(workspace)["kind"].unique().to_list() == ["person"]


def test_labels_of_several_tars_are_in_the_order_of_samples(tmp_path: Path) -> None:
    """Of other names of images in turn, and of a list that lies in two tars."""
    files: dict[str, list[tuple[str, bytes]]] = {"a.tar": [], "b.tar": []}
    seed = 0
    for file in files:
        for number in range(3):
            names = PAIR if number % 2 else ["chosen", "rejected"]
            for name in names:
                files[file].append((f"{number}.{name}.png", picture(seed)))
                seed += 1
            label = {"label_0": 0.0} if names == PAIR else {}
            files[file].append((f"{number}.json", text({"prompt": "x", **label})))
    for name, members in files.items():
        write_tar(tmp_path / "tars" / name, members)
    workspace = ingest(tmp_path / "w", 'images = "../tars"')
    assert named(workspace, "share", "row") == [
        (0, 1, 1.0, 0), (2, 3, 0.0, 1), (4, 5, 1.0, 2),
        (6, 7, 1.0, 3), (8, 9, 0.0, 4), (10, 11, 1.0, 5),
    ]  # fmt: skip
    cut = ingest(tmp_path / "v", 'images = "../tars"', "count = 4")
    assert [row for *_, row in named(cut, "row")] == [0, 1, 2, 3]


def test_texts_of_the_scripts_of_diffusers_are_labels(tmp_path: Path) -> None:
    members = [("0.jpg_0", picture(0)), ("0.jpg_1", picture(1)), ("0.label_0.txt", b"0"),
               ("0.label_1.txt", b"1\n"), ("0.original_prompt.txt", b"a cat")]  # fmt: skip
    write_tar(tmp_path / "tars" / "train.tar", members)
    workspace = ingest(tmp_path / "w", 'images = "../tars"')
    assert named(workspace, "share") == [(0, 1, 0.0)]


def test_a_side_of_a_sample_is_named_by_the_recipe(tmp_path: Path) -> None:
    tar(tmp_path / "tars" / "a.tar", {"png": ["left", "right"], "label_0": 1})
    lines = 'images = "../tars"'
    with pytest.raises(IngestError, match=r"a.tar#.*label_0' may be of 'left' or 'right'"):
        ingest(tmp_path / "w", lines)
    workspace = ingest(tmp_path / "v", lines, 'label_0 = "right"')
    assert named(workspace, "share") == [(1, 0, 1.0)]


def test_an_export_to_tars_comes_back_with_its_labels(tmp_path: Path) -> None:
    made = build(tmp_path / "set")
    done = export(made, "webdataset", tmp_path / "out", strategy="all")
    workspace = ingest(tmp_path / "w", f"images = {str(done.directory)!r}")
    found = labels(workspace)
    assert found.height == sum(done.rows.values())
    assert found["kind"].unique().to_list() == ["reward"]
    assert found["share"].unique().to_list() == [1.0]


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        ({"png": PAIR, "label_0": 3}, r"a.tar#0001.0.png: column 'label_0' is 3; expected"),
        ({"png": PAIR, "label_0": "left"}, r"a.tar#0001.0.png: column 'label_0' is 'left'"),
        ({"png": ["0", "1", "2"], "rank": [1, 2]}, r"a.tar#0001.0.png: column 'rank' is of 2 im"),
    ],
)
def test_what_cannot_be_a_label_is_refused_by_sample(
    tmp_path: Path, sample: dict[str, Any], message: str
) -> None:
    sound = {**sample, "label_0": 1} if "label_0" in sample else {**sample, "rank": [1, 2, 3]}
    tar(tmp_path / "tars" / "a.tar", sound, sample)
    with pytest.raises(IngestError, match=message) as error:
        ingest(tmp_path / "w", 'images = "../tars"')
    assert "labels = false in [ingest]" in str(error.value.hint)
    unread = ingest(tmp_path / "v", 'images = "../tars"', "labels = false")
    assert label_sources(unread) == []


def test_keys_of_no_layout_are_named(tmp_path: Path) -> None:
    tar(tmp_path / "tars" / "a.tar", {"png": PAIR, "winner": "0", "colour": "red", "label_0": 1},
        {"png": ["0", "1", "2"], "votes": 3})  # fmt: skip
    workspace = ingest(tmp_path / "w", 'images = "../tars"')
    (note,) = read_index(workspace.snapshot()).notes
    assert note.endswith("their layout is not known: winner, votes")


def metadata(folder: Path, kind: str, rows: list[dict[str, Any]]) -> None:
    """Pictures by number, and what a file of metadata says of them."""
    folder.mkdir()
    for number, row in enumerate(rows):
        (folder / row["file_name"]).write_bytes(picture(number))
    if kind == "csv":
        stream = io.StringIO()
        table = csv.DictWriter(stream, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
        (folder / "metadata.csv").write_text(stream.getvalue())
    elif kind == "jsonl":
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / "metadata.jsonl").write_text(lines)
    else:
        pq.write_table(pa.Table.from_pylist(rows), folder / "metadata.parquet")


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_metadata_rank_images_of_one_list(tmp_path: Path, kind: str) -> None:
    rows = [
        {"file_name": f"{n}.png", "text": "a cat", "prompt_id": pid, "rank": rank,
         "overall_rating": rating, "winner": ""}
        for n, (pid, rank, rating) in enumerate([("007", 2, 3.5), ("007", 1, 3.5), ("7", 1, 1.0),
                                                 ("007", 3, None)])
    ]  # fmt: skip
    metadata(tmp_path / "pictures", kind, rows)
    workspace = ingest(tmp_path / "w", 'images = "../pictures"')
    found = named(workspace, "share", "question", "group")
    assert sorted(found) == [
        (0, 1, 0.0, "overall", "007"), (0, 1, 0.5, "overall_rating", "007"),
        (0, 3, 1.0, "overall", "007"), (1, 3, 1.0, "overall", "007"),
    ]  # fmt: skip
    (note,) = read_index(workspace.snapshot()).notes
    assert note.endswith("their layout is not known: winner")
    assert label_sources(ingest(tmp_path / "v", 'images = "../pictures"', "labels = false")) == []


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_rank_that_is_none_is_refused_by_line(tmp_path: Path, kind: str) -> None:
    rows = [
        {"file_name": f"{n}.png", "text": "x", "prompt_id": "p", "rank": rank}
        for n, rank in enumerate([1, "first"])
    ]
    metadata(tmp_path / "pictures", kind, rows)
    line = 3 if kind == "csv" else 2
    with pytest.raises(IngestError, match=rf"metadata.{kind}:{line}: column 'rank' is 'first'"):
        ingest(tmp_path / "w", 'images = "../pictures"')
