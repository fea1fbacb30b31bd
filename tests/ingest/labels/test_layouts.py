"""Labels that datasets bring: one small dataset in each layout, read as its publisher means it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import synpic
from synpic.errors import IngestError, WorkspaceError
from synpic.ingest.index import read_index
from synpic.pipeline.validation import validate
from synpic.workspace import Workspace
from synpic.workspace.labels import require_labels_of
from tests.ingest.conftest import picture
from tests.ingest.labels.making import cell, ingest, labels, named, write

NAN = float("nan")


def pickapic(**columns: Any) -> dict[str, Any]:
    """Rows of pictures 0 and 1, 2 and 3, … in the columns of Pick-a-Pic."""
    rows = len(columns["label_0"])
    return {
        "caption": ["a cat"] * rows,
        "jpg_0": [picture(2 * row) for row in range(rows)],
        "jpg_1": [picture(2 * row + 1) for row in range(rows)],
        **columns,
    }


def test_pickapic(tmp_path: Path) -> None:
    first = pickapic(
        label_0=[1.0, 0.0, 0.5, 1.0, NAN],
        label_1=[0.0, 1.0, 0.5, 0.0, NAN],
        has_label=[True, True, True, False, True],
        user_id=[7, 8, 7, 9, 7],
        ranking_id=[70, 80, 71, 90, 72],
    )
    write(tmp_path / "pairs", first)
    workspace = ingest(tmp_path / "w", "../pairs")
    assert named(workspace, "share", "rater", "group", "n", "kind", "question", "row") == [
        (0, 1, 1.0, "7", "70", 1, "person", "overall", 0),
        (2, 3, 0.0, "8", "80", 1, "person", "overall", 1),
        (4, 5, 0.5, "7", "71", 1, "person", "overall", 2),
        (6, 7, None, "9", "90", None, "person", "overall", 3),
        (8, 9, None, "7", "72", None, "person", "overall", 4),
    ]


def test_pickapic_without_the_other_label_and_with_columns_in_another_order(
    tmp_path: Path,
) -> None:
    write(tmp_path / "pairs", pickapic(label_0=[1, 0]))
    assert named(ingest(tmp_path / "w", "../pairs"), "share") == [(0, 1, 1.0), (2, 3, 0.0)]
    workspace = ingest(tmp_path / "v", "../pairs", 'image = ["jpg_1", "jpg_0"]')
    assert named(workspace, "share") == [(0, 1, 1.0), (2, 3, 0.0)]


@pytest.mark.parametrize(
    ("first", "second"),
    [("image_0_jpg", "image_1_jpg"), ("v1_image_0", "v1_image_1"), ("sd15_0", "sd21_1")],
)
@pytest.mark.parametrize("turned", [False, True])
def test_the_number_in_a_column_s_name_says_which_image_has_label_0(
    tmp_path: Path, first: str, second: str, turned: bool
) -> None:
    images = {first: [cell(0), cell(2)], second: [cell(1), cell(3)]}
    names = [second, first] if turned else [first, second]
    columns = {"caption": ["x", "x"], **{name: images[name] for name in names},
               "label_0": [1.0, 0.0]}  # fmt: skip
    write(tmp_path / "pairs", columns)
    workspace = ingest(tmp_path / "w", "../pairs", f"image = {names}")
    assert named(workspace, "share") == [(0, 1, 1.0), (2, 3, 0.0)]


@pytest.mark.parametrize("names", [("left", "right"), ("image1", "image2"), ("a1_0", "a0_1")])
def test_an_image_that_may_have_either_label_is_refused_by_name(
    tmp_path: Path, names: tuple[str, str]
) -> None:
    images = {name: [cell(place)] for place, name in enumerate(names)}
    write(tmp_path / "pairs", {"caption": ["x"], **images, "label_0": [1.0]})
    lines = f"image = {list(names)}"
    said = rf"parquet: column 'label_0' may be of '{names[0]}' or '{names[1]}'"
    with pytest.raises(IngestError, match=said) as error:
        ingest(tmp_path / "w", "../pairs", lines)
    assert f"label_0 = '{names[0]}' in [ingest], or --label-0 {names[0]}" in str(error.value.hint)
    ingest(tmp_path / "w", "../pairs", f"{lines}\nlabels = false")
    for place, side in enumerate(names):
        chosen = ingest(tmp_path / side, "../pairs", f'{lines}\nlabel_0 = "{side}"')
        assert named(chosen, "share") == [(place, 1 - place, 1.0)]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"label_0": [1.0]}, r"label_0 = 'lef' in \[ingest\] names no column.*Did you mean 'left'"),
        ({"votes": [1]}, r"label_0 = 'lef' in \[ingest\]: there is no column label_0 beside two"),
    ],
)
def test_a_side_that_is_none_is_refused(
    tmp_path: Path, columns: dict[str, Any], message: str
) -> None:
    write(tmp_path / "pairs", {"caption": ["x"], "left": [cell(0)], "right": [cell(1)], **columns})
    with pytest.raises(IngestError, match=message):
        ingest(tmp_path / "w", "../pairs", 'image = ["left", "right"]\nlabel_0 = "lef"')


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"label_0": [1, 0.7]}, None),
        ({"label_0": [1, 2.0]}, r"train-00000-of-00001\.parquet: row 2: column 'label_0' is 2;"),
        ({"label_0": [1, -1.0]}, "row 2: column 'label_0' is -1; expected its share of the votes"),
        ({"label_0": [1.0, 1.0], "label_1": [0.0, 1.0]},
         r"row 2: columns 'label_0' is 1 and 'label_1' is 1; expected labels that are 1 together"),
        ({"label_0": ["left", "right"]}, r"column 'label_0' is string, and labels in it are num"),
        ({"label_0": [1, 0], "user_id": [[1], [2]]}, r"column 'user_id' is list<.*not one name"),
    ],
)  # fmt: skip
def test_an_impossible_label_is_refused_by_row_and_column(
    tmp_path: Path, columns: dict[str, Any], message: str | None
) -> None:
    write(tmp_path / "pairs", pickapic(**columns))
    if message is None:
        shares = labels(ingest(tmp_path / "w", "../pairs"))["share"].to_list()
        assert shares == [1.0, pytest.approx(0.7)]
        return
    with pytest.raises(IngestError, match=message) as error:
        ingest(tmp_path / "w", "../pairs")
    assert "labels = false in [ingest], or --no-labels" in str(error.value.hint)
    found = validate(Workspace.open(tmp_path / "w"))
    assert [text for text, _ in found.problems] == [error.value.message]
    workspace = ingest(tmp_path / "w", "../pairs", "labels = false")
    with pytest.raises(WorkspaceError, match="no labels of 'ingested'"):
        labels(workspace)


def test_chosen_and_rejected_by_whom(tmp_path: Path) -> None:
    columns = {
        "prompt": ["x", "x", "x"],
        "rejected": [cell(0), cell(2), cell(4)],
        "chosen": [cell(1), cell(3), cell(5)],
        "label_source": ["people", "rewards", None],
    }
    write(tmp_path / "pairs", columns)
    assert named(ingest(tmp_path / "w", "../pairs"), "share", "kind", "n", "row") == [
        (1, 0, 1.0, "person", None, 0),
        (3, 2, 1.0, "reward", None, 1),
        (5, 4, 1.0, "person", None, 2),
    ]
    columns["label_source"][1] = "coin"
    write(tmp_path / "other", columns)
    with pytest.raises(IngestError, match=r"row 2: column 'label_source' is 'coin'; expected rew"):
        ingest(tmp_path / "v", "../other")


def test_better_and_worse_of_imagereward_without_other_columns(tmp_path: Path) -> None:
    write(
        tmp_path / "pairs",
        {"prompt": ["x", "y"], "img_worse": [cell(0), cell(2)], "img_better": [cell(1), cell(3)]},
    )
    assert named(ingest(tmp_path / "w", "../pairs"), "share") == [(1, 0, 1.0), (3, 2, 1.0)]


def rapidata(**columns: Any) -> dict[str, Any]:
    rows = len(next(iter(columns.values())))
    images = {f"image{side}": [cell(2 * row + side - 1) for row in range(rows)] for side in (1, 2)}
    return {"prompt": ["x"] * rows, **images, "model1": ["A"] * rows, "model2": ["B"] * rows,
            **columns}  # fmt: skip


def test_rapidata_votes(tmp_path: Path) -> None:
    write(
        tmp_path / "pairs",
        rapidata(votes_image1=[3, 5, 0], votes_image2=[1, 5, 0], detailed_results=["", "", ""]),
    )
    workspace = ingest(tmp_path / "w", "../pairs")
    assert named(workspace, "share", "n") == [(0, 1, 0.75, 4), (2, 3, 0.5, 10), (4, 5, None, 0)]
    assert read_index(workspace.snapshot()).notes == []


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (1.5, r"row 2: column 'votes_image1' is 1\.5; expected a number of votes"),
        (-1, r"row 2: column 'votes_image1' is -1; expected a number of votes"),
        (None, r"row 2: columns 'votes_image1' is None and 'votes_image2' is 1; expected two"),
    ],
)
def test_votes_that_are_no_counts_are_refused(
    tmp_path: Path, value: float | None, message: str
) -> None:
    write(tmp_path / "pairs", rapidata(votes_image1=[3, value], votes_image2=[1, 1]))
    with pytest.raises(IngestError, match=message):
        ingest(tmp_path / "w", "../pairs")


def test_rapidata_weights_by_question(tmp_path: Path) -> None:
    weights = {"preference": 0.25, "coherence": 0.5, "alignment": 0.75}
    columns = {}
    for axis, share in weights.items():
        columns[f"weighted_results_image1_{axis}"] = [share, None]
        columns[f"weighted_results_image2_{axis}"] = [1 - share, None]
        columns[f"detailed_results_{axis}"] = ["[]", None]
    columns["weighted_results_image1_style"] = [1.0, 0.0]
    write(tmp_path / "pairs", rapidata(**columns))
    workspace = ingest(tmp_path / "w", "../pairs")
    assert named(workspace, "question", "share", "n", "row") == [
        (0, 1, "alignment", 0.75, None, 0),
        (0, 1, "coherence", 0.5, None, 0),
        (0, 1, "overall", 0.25, None, 0),
        (2, 3, "alignment", None, None, 1),
        (2, 3, "coherence", None, None, 1),
        (2, 3, "overall", None, None, 1),
    ]
    (note,) = read_index(workspace.snapshot()).notes
    assert note.endswith("for their layout is not known: weighted_results_image1_style")


@pytest.mark.parametrize(
    "names",
    [
        ("votes_a", "votes_b", "alignment_votes_a", "alignment_votes_b"),
        ("image_a_votes", "image_b_votes", "image_a_alignment_votes", "image_b_alignment_votes"),
        ("preference_votes_image_a", "preference_votes_image_b", "votes_image_a_alignment",
         "votes_image_b_alignment"),
    ],
)  # fmt: skip
def test_votes_on_two_questions_are_found_by_name(tmp_path: Path, names: tuple[str, ...]) -> None:
    """As datapointai's sets are described: ten votes on a pair for each of two questions."""
    votes = dict(zip(names, ([7], [3], [2], [8]), strict=True))
    write(
        tmp_path / "pairs", {"prompt": ["x"], "image_a": [cell(0)], "image_b": [cell(1)], **votes}
    )
    workspace = ingest(tmp_path / "w", "../pairs", 'image = ["image_a", "image_b"]')
    assert named(workspace, "question", "share", "n") == [
        (0, 1, "alignment", pytest.approx(0.2), 10),
        (0, 1, "overall", pytest.approx(0.7), 10),
    ]


def test_rows_of_one_prompt_id_are_a_ranked_list_over_files(tmp_path: Path) -> None:
    """ImageRewardDB: a row an image; 1 is the best rank, and a higher rating is better."""
    first = {"prompt": ["x", "x", "y"], "prompt_id": ["p", "p", "q"], "rank": [2, 1, 1],
             "overall_rating": [4, 4, 7], "image_text_alignment_rating": [5, None, 1],
             "fidelity_rating": [1, 2, 3], "image": [cell(0), cell(1), cell(5)]}  # fmt: skip
    second = {name: [values[0]] for name, values in first.items()}
    second |= {"rank": [3], "image": [cell(2)], "image_text_alignment_rating": [6]}
    write(tmp_path / "set", first, second)
    workspace = ingest(tmp_path / "w", "../set")
    found = set(named(workspace, "question", "share", "group", "row"))
    assert found == {
        (0, 1, "overall", 0.0, "p", 0), (0, 2, "overall", 1.0, "p", 0),
        (1, 2, "overall", 1.0, "p", 1), (0, 1, "overall_rating", 0.5, "p", 0),
        (0, 2, "overall_rating", 0.5, "p", 0), (1, 2, "overall_rating", 0.5, "p", 1),
        (0, 2, "alignment", 0.0, "p", 0), (0, 1, "fidelity", 0.0, "p", 0),
        (0, 2, "fidelity", 0.5, "p", 0), (1, 2, "fidelity", 1.0, "p", 1),
    }  # fmt: skip
    assert labels(workspace).height == len(found)


LISTS: dict[str, Any] = {
    "prompt": ["x", "y"],
    "image": [[cell(0), cell(1), cell(2)], [cell(3), cell(4)]],
}


def test_lists_of_preferences_and_ranks(tmp_path: Path) -> None:
    write(tmp_path / "set", {**LISTS, "human_preference": [[0, 1, 0], [1, 0]]})
    assert sorted(named(ingest(tmp_path / "w", "../set"), "share", "group", "row")) == [
        (0, 1, 0.0, "0", 0), (0, 2, 0.5, "0", 0), (1, 2, 1.0, "0", 0), (3, 4, 1.0, "1", 1),
    ]  # fmt: skip
    raters = [[{"rank": [1, 2, 3], "user_hash": "a"}, {"rank": [3, 2, 1], "user_hash": "b"}], None]
    write(tmp_path / "two", {**LISTS, "rank": [[1, 2, 3], [2, 1]], "raw_annotations": raters})
    assert sorted(named(ingest(tmp_path / "v", "../two"), "share", "rater", "n"), key=str) == [
        (0, 1, 0.0, "b", 1), (0, 1, 1.0, "a", 1), (0, 2, 0.0, "b", 1), (0, 2, 1.0, "a", 1),
        (1, 2, 0.0, "b", 1), (1, 2, 1.0, "a", 1), (3, 4, 0.0, None, None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"rank": [[1, 2, 3], [1]]}, r"row 2: column 'rank' is of 1 image, where the row has 2"),
        ({"rank": ["1, 2, 3", "2, 1"]}, r"column 'rank' is string; expected a list with a number"),
        ({"rank": [[1, 2, 3], [2, 1]], "raw_annotations": [["a"], ["b"]]},
         r"column 'raw_annotations' is list<.*expected a list of rank and user_hash"),
    ],
)  # fmt: skip
def test_lists_that_do_not_fit_their_images_are_refused(
    tmp_path: Path, columns: dict[str, Any], message: str
) -> None:
    write(tmp_path / "set", {**LISTS, **columns})
    with pytest.raises(IngestError, match=message):
        ingest(tmp_path / "w", "../set")


def folder(tmp_path: Path, files: int, **lists: list[dict[str, Any]]) -> None:
    root = tmp_path / "pictures"
    root.mkdir(exist_ok=True)
    for seed in range(files):
        (root / f"{seed}.png").write_bytes(picture(seed))
    for name, rows in lists.items():
        (root / f"{name}.json").write_text(json.dumps(rows))


FOLDER = 'images = "../pictures"'


def test_hpdv2_in_files(tmp_path: Path) -> None:
    test = {"prompt": "x", "image_path": ["0.png", "1.png", "2.png"], "rank": [3, 1, 2],
            "raw_annotations": [{"rank": [2, 1, 3], "user_hash": "a"}]}  # fmt: skip
    train = {"prompt": "y", "file_path": ["3.png", "4.png"], "human_preference": [0, 1]}
    folder(tmp_path, 5, test=[test], train=[train])
    workspace = ingest(tmp_path / "w", FOLDER)
    assert sorted(named(workspace, "share", "rater", "row")) == [
        (0, 1, 0.0, "a", 0), (0, 2, 1.0, "a", 0), (1, 2, 1.0, "a", 0), (3, 4, 0.0, None, 1),
    ]  # fmt: skip
    # The last image of the list that `count` cuts is missing, and so are its labels.
    fewer = ingest(tmp_path / "v", FOLDER, "count = 4")
    assert sorted(named(fewer, "row")) == [(0, 1, 0), (0, 2, 0), (1, 2, 0)]


def test_hpdv3_in_files(tmp_path: Path) -> None:
    rows = [
        {"prompt": "x", "path1": "0.png", "path2": "1.png", "choice_dist": [12, 7]},
        {"prompt": "x", "path1": "2.png", "path2": "3.png", "choice_dist": None},
        {"prompt": "x", "path1": "4.png", "path2": "5.png", "choice_dist": [1, 3]},
    ]
    folder(tmp_path, 6, train=rows)
    assert named(ingest(tmp_path / "w", FOLDER), "share", "n", "kind") == [
        (0, 1, pytest.approx(12 / 19), 19, "person"),
        (2, 3, 1.0, None, "person"),
        (4, 5, 0.75, 4, "person"),
    ]
    rows[1]["choice_dist"] = [1, "2"]
    folder(tmp_path, 6, train=rows)
    with pytest.raises(IngestError, match=r"train\.json: item 2: column 'choice_dist' is \[1, '2'"):
        ingest(tmp_path / "v", FOLDER)


def test_a_list_in_no_layout_is_named_with_its_keys(tmp_path: Path) -> None:
    folder(tmp_path, 1, test=[{"prompt": "x", "image_path": ["0.png"], "RANK": [1]}])
    said = r"test\.json has rows with prompt, image_path, RANK, which is no layout that is read"
    with pytest.raises(IngestError, match=said):
        ingest(tmp_path / "w", FOLDER)
    (tmp_path / "pictures" / "test.json").write_text('[{"prompt": ')
    with pytest.raises(IngestError, match=r"test\.json:1: not JSON: Expecting value"):
        ingest(tmp_path / "v", FOLDER)


def test_two_columns_of_one_name_and_a_time_of_no_place_are_refused(tmp_path: Path) -> None:
    columns = pickapic(label_0=[1.0])
    names = [*columns, "jpg_0"]
    write(tmp_path / "pairs", columns)
    table = pa.Table.from_arrays([pa.array(columns[name]) for name in names], names)
    pq.write_table(table, tmp_path / "pairs" / "train-00000-of-00001.parquet")
    with pytest.raises(IngestError, match="pairs: two columns 'jpg_0'"):
        ingest(tmp_path / "w", "../pairs")
    times = pa.array([0], pa.timestamp("s", "Mars/Olympus"))
    write(tmp_path / "times", {**columns, "user_id": times})
    with pytest.raises(IngestError, match=r"column 'user_id' is timestamp.*not one name or number"):
        ingest(tmp_path / "v", "../times")


Columns = dict[str, Any]


@pytest.mark.parametrize(
    ("columns", "note"),
    [
        ({"prompt": ["x"], "image": [cell(0)], "winner": [1], "Human_Rating": [2], "size": [3]},
         "for their layout is not known: winner, Human_Rating"),
        ({"prompt": ["x"], "image_quality_dev": [cell(0)], "image_simplified_dev": [cell(1)],
          "image_quality_sd": [cell(2)]}, "open-image-preferences-v1 has images without labels"),
    ],
)  # fmt: skip
def test_columns_that_may_be_labels_are_named(tmp_path: Path, columns: Columns, note: str) -> None:
    write(tmp_path / "set", columns)
    image = next(name for name in columns if name.startswith("image"))
    workspace = ingest(tmp_path / "w", "../set", f'image = ["{image}"]')
    (said,) = read_index(workspace.snapshot()).notes
    assert note in said
    with pytest.raises(WorkspaceError, match="no labels"):
        labels(workspace)


def test_pairs_that_cannot_be_compared_are_left_out_and_counted(tmp_path: Path) -> None:
    columns = pickapic(label_0=[1.0, 1.0, 1.0, 0.0])
    columns["image_0_uid"] = ["a", "b", "c", "d"]
    columns["image_1_uid"] = ["a", "e", "f", "g"]
    columns["caption"][2] = " "
    write(tmp_path / "pairs", columns)
    workspace = ingest(tmp_path / "w", "../pairs")
    assert labels(workspace)["row"].to_list() == [1, 3]
    assert require_labels_of(workspace, "ingested").left_out == {
        "of an image without a prompt": 1,
        "of an image with itself": 1,
    }
    report = synpic.ingest_candidates(workspace)
    assert report.remarks == [
        "labels: 2 pairs with 2 labels of people, 0 unlabelled, 0 ties; left out: 1 of an image "
        "with itself, 1 of an image without a prompt"
    ]


def test_captions_of_its_own_make_no_pair(tmp_path: Path) -> None:
    columns = {"caption_0": ["x", "x"], "caption_1": ["x", "y"],
               "image_0": [cell(0), cell(2)], "image_1": [cell(1), cell(3)],
               "label_0": [1, 1]}  # fmt: skip
    write(tmp_path / "pairs", columns)
    workspace = ingest(tmp_path / "w", "../pairs")
    assert named(workspace, "share") == [(0, 1, 1.0)]
    assert require_labels_of(workspace, "ingested").left_out == {
        "of images with different prompts": 1
    }


def saved(folder: Path, columns: Columns) -> None:
    import datasets

    datasets.Dataset(pa.table(columns)).save_to_disk(folder)


@pytest.mark.parametrize("put", [write, saved])
def test_files_of_arrow_and_of_parquet_have_the_same_labels(
    tmp_path: Path, put: Callable[[Path, Columns], object]
) -> None:
    put(tmp_path / "set", {"prompt": ["x"], "chosen": [cell(0)], "rejected": [cell(1)]})
    put(tmp_path / "two", pickapic(label_0=[1.0, 0.5, 0.0]))
    assert named(ingest(tmp_path / "w", "../set"), "share") == [(0, 1, 1.0)]
    assert named(ingest(tmp_path / "v", "../two"), "share") == [
        (0, 1, 1.0), (2, 3, 0.5), (4, 5, 0.0),
    ]  # fmt: skip


def test_the_case_with_nan_is_unlabelled(tmp_path: Path) -> None:
    write(tmp_path / "pairs", pickapic(label_0=[1.0, NAN], label_1=[0.0, NAN],
                                       has_label=[True, True]))  # fmt: skip
    assert labels(ingest(tmp_path / "w", "../pairs"))["share"].to_list() == [1.0, None]
