"""Labels follow their images: through copies, other bytes found later, kills, and new sources."""

from __future__ import annotations

import signal
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import synpic
from synpic.engine.shard import Shard
from synpic.ingest import settled_labels
from synpic.ingest.labels.candidates import merge_equal
from synpic.ingest.labels.choose import choose_labels
from synpic.ingest.labels.forms import LabelLayout
from synpic.ingest.labels.locate import found_labels, locate
from synpic.pipeline.inventory import take_inventory
from synpic.pipeline.labels import labels_of
from synpic.pipeline.merge.merging import merge_workspaces
from synpic.pipeline.status import status
from synpic.readers.tables import rows_from
from synpic.workspace import Workspace
from synpic.workspace.labels import INGESTED, require_labels_of
from tests.ingest.labels.making import cell, ingest, labels, named, write
from tests.ingest.labels.test_layouts import pickapic
from tests.nursery import ForkServer

AT = rows_from("set", 0)


def shared(folder: Path) -> None:
    """Pairs without ids, of which the third is of one image twice."""
    columns = {"prompt": ["x"] * 4, "chosen": [cell(0), cell(1), cell(0), cell(2)],
               "rejected": [cell(1), cell(2), cell(0), cell(0)]}  # fmt: skip
    write(folder, columns, group=1)


TRIANGLE = [(0, 1, 0), (1, 2, 1), (2, 0, 3)]


def test_images_with_equal_bytes_have_all_their_labels(tmp_path: Path) -> None:
    shared(tmp_path / "pairs")
    workspace = ingest(tmp_path / "w", "../pairs")
    assert named(workspace, "row") == TRIANGLE
    found = labels(workspace)
    assert {*found["left"], *found["right"]} == {*take_inventory(workspace).candidates()[
        "candidate_id"]}  # fmt: skip
    assert require_labels_of(workspace, INGESTED).left_out == {"of an image with itself": 1}
    (part,) = workspace.parts(workspace.folders("labels")[0])
    synpic.ingest_candidates(workspace)
    assert workspace.parts(workspace.folders("labels")[0]) == [part]


def test_machines_that_share_the_work_leave_the_same_labels(tmp_path: Path) -> None:
    shared(tmp_path / "pairs")
    whole = ingest(tmp_path / "w", "../pairs")
    (tmp_path / "v").mkdir()
    (tmp_path / "v" / "recipe.toml").write_text('[ingest]\ndataset = "../pairs"\n')
    for number in (1, 2, 3):
        synpic.ingest_candidates(Workspace.open(tmp_path / "v"), shard=Shard(number, 3))
        # Whoever reads in between sees labels of the images that count so far.
        shares = Workspace.open(tmp_path / "v")
        inventory = take_inventory(shares)
        known = {*inventory.models[0].rows["candidate_id"]}  # type: ignore[attr-defined]
        now = labels_of(inventory, INGESTED)
        assert {*now["left"], *now["right"]} <= known
    assert labels(shares).equals(labels(whole))


def test_merged_workspaces_have_the_labels_of_the_wider_index(tmp_path: Path) -> None:
    shared(tmp_path / "pairs")
    rewards = '[rewards.red]\nreward = "tests.fakes:redness"'
    ingest(tmp_path / "few", "../pairs", "count = 2", rewards)
    whole = ingest(tmp_path / "all", "../pairs", "", rewards)
    for name in ("few", "all"):
        synpic.score_candidates(Workspace.open(tmp_path / name), device="cpu")
    recipe = tmp_path / "all" / "recipe.toml"
    merge_workspaces([tmp_path / "few", tmp_path / "all"], tmp_path / "both", recipe=recipe)
    assert labels(Workspace.open(tmp_path / "both")).equals(labels(whole))


def test_labels_follow_their_source_and_the_recipe(tmp_path: Path) -> None:
    write(tmp_path / "one", pickapic(label_0=[1.0, 0.0]))
    write(tmp_path / "two", pickapic(label_0=[0.0, 0.5, 1.0]))
    assert labels(ingest(tmp_path / "w", "../one"))["share"].to_list() == [1.0, 0.0]
    assert labels(ingest(tmp_path / "w", "../two"))["share"].to_list() == [0.0, 0.5, 1.0]
    assert labels(ingest(tmp_path / "w", "../two", "count = 2"))["share"].to_list() == [0.0, 0.5]
    workspace = ingest(tmp_path / "w", "../two", "labels = false")
    assert status(workspace).labels.sources == []


def test_damaged_labels_are_named_set_aside_and_made_again(tmp_path: Path) -> None:
    write(tmp_path / "pairs", pickapic(label_0=[1.0, 0.0]))
    workspace = ingest(tmp_path / "w", "../pairs")
    before = labels(workspace)
    (part,) = workspace.parts(workspace.folders("labels")[0])
    data = bytearray(workspace.store.read(part))
    data[len(data) // 2] ^= 1
    workspace.store.write(part, bytes(data))
    (damage,) = workspace.verify().damaged
    assert damage.file == part
    workspace.set_aside(part)
    assert status(workspace).set_aside == 1
    synpic.ingest_candidates(workspace)
    assert labels(workspace).equals(before)


KILLED = """
import os, signal, sys
from pathlib import Path
from synpic.ingest import index, settled_labels
from tests.ingest.labels.making import ingest

where, after = sys.argv[1:]
module, name = (settled_labels, "write_labels") if where == "settle" else (index, where)
written = getattr(module, name)

def dies(*args):
    if after == "after":
        written(*args)
    os.kill(os.getpid(), signal.SIGKILL)

setattr(module, name, dies)
ingest(Path("w").absolute(), "../pairs")
"""


@pytest.mark.parametrize(
    ("where", "after"),
    [("write_labels", "after"), ("write_cache", "before"), ("settle", "after")],
)
def test_a_killed_run_goes_on(tmp_path: Path, forks: ForkServer, where: str, after: str) -> None:
    shared(tmp_path / "pairs")
    ended = forks.start([where, after], code=KILLED, cwd=tmp_path)
    ended.communicate(timeout=100)
    assert ended.wait() == -signal.SIGKILL
    workspace = Workspace.open(tmp_path / "w")
    synpic.ingest_candidates(workspace)
    assert named(workspace, "row") == TRIANGLE
    assert require_labels_of(workspace, INGESTED).left_out == {"of an image with itself": 1}


def test_status_counts_labels(tmp_path: Path) -> None:
    write(tmp_path / "pairs", pickapic(label_0=[1.0, 0.5, None]))
    counted = status(ingest(tmp_path / "w", "../pairs")).as_dict()["labels"]["sources"]
    assert counted == [
        {"source": "ingested", "labels": 3, "pairs": 3, "unlabelled": 1, "ties": 1,
         "kinds": {"person": 3}, "questions": {"overall": 3}, "left_out": {}}
    ]  # fmt: skip


def test_labels_that_are_not_settled_yet_count_as_those_that_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared(tmp_path / "pairs")
    with monkeypatch.context() as patched:
        patched.setattr(settled_labels, "settle_labels", lambda *_: None)  # killed before
        workspace = ingest(tmp_path / "w", "../pairs")
    before = take_inventory(workspace)
    counted, known = status(workspace).labels.sources, labels_of(before, INGESTED)
    assert (counted[0].labels, counted[0].pairs) == (3, 3)
    assert counted[0].left_out == {"of an image with itself": 1}
    assert labels(workspace).height == 4
    synpic.ingest_candidates(workspace)
    assert labels(workspace).equals(known)
    assert status(workspace).labels.sources == counted


def rated(values: list[float | None]) -> pl.DataFrame:
    """Labels of one list of images with these values; ``left`` and ``right`` are their places."""
    layout = choose_labels(["image"], ["image", "human_preference"], cells=True)
    assert isinstance(layout, LabelLayout)
    import pyarrow as pa

    read = layout.read(
        pa.table({"human_preference": pa.array([values], pa.list_(pa.float64()))}), AT
    )
    images = pl.DataFrame(
        {"nth": [0] * len(values), "which": range(len(values)), "number": range(len(values))},
        schema={"nth": pl.Int64, "which": pl.Int32, "number": pl.Int64},
    )
    found = found_labels(layout, [locate(read, layout, images, 0, AT)])
    empty = pl.DataFrame(schema={"left": pl.Int64, "right": pl.Int64, "share": pl.Float64})
    return empty if found is None else found.rows


VALUES = st.lists(st.none() | st.integers(-3, 3).map(float), max_size=8)


@settings(max_examples=60, deadline=None)
@given(values=VALUES)
def test_a_ranked_list_is_its_pairs(values: list[float | None]) -> None:
    rows = rated(values)
    known = [place for place, value in enumerate(values) if value is not None]
    assert rows.height == len(known) * (len(known) - 1) // 2
    for left, right, share in rows.select("left", "right", "share").iter_rows():
        one, other = values[left], values[right]
        assert left < right
        assert one is not None
        assert other is not None
        assert share == (one > other) + (one == other) / 2
    turned = rated(values[::-1])
    size = len(values) - 1
    swapped = turned.select(left=size - pl.col("right"), right=size - pl.col("left"),
                            share=1 - pl.col("share"))  # fmt: skip
    assert sorted(swapped.rows()) == sorted(rows.select("left", "right", "share").rows())


PAIRS = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd")), max_size=9)


@given(pairs=PAIRS, equal=st.dictionaries(st.sampled_from("abcd"), st.sampled_from("abcd")))
def test_images_that_are_equal_become_one(
    pairs: list[tuple[str, str]], equal: dict[str, str]
) -> None:
    mapped = {one: counts for one, counts in equal.items() if counts not in equal}
    schema = {"left": pl.String, "right": pl.String}
    frame = pl.DataFrame(pairs, schema=schema, orient="row")
    counted = pl.DataFrame([*mapped.items()], orient="row",
                           schema={"candidate_id": pl.String, "counts": pl.String})  # fmt: skip
    rows, left_out = merge_equal(frame, {"before": 2}, counted)
    expected = [(mapped.get(a, a), mapped.get(b, b)) for a, b in pairs]
    assert rows.rows() == [(a, b) for a, b in expected if a != b]
    same = sum(a == b for a, b in expected)
    assert left_out == {"before": 2, **({"of an image with itself": same} if same else {})}
