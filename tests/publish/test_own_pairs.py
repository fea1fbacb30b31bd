"""Pairs that came with labels: published and exported as their source has them."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets.config
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import synpic
from synpic.errors import RankingError, RecipeError, ReleaseError
from synpic.pipeline.cuts import Cuts
from synpic.pipeline.validation import validate
from synpic.publish.export import export
from synpic.rank import OwnPairs
from synpic.release.compare import Level, compare
from synpic.release.diff import diff_releases
from synpic.release.manifest import Manifest
from synpic.release.source import open_release
from synpic.release.verify import verify
from synpic.train.data.layouts import find_layout
from synpic.workspace import Workspace
from tests.conftest import edit
from tests.ingest.conftest import cache, picture
from tests.ingest.labels.making import cell, ingest, write
from tests.publish.fixtures import build, recipe
from tests.publish.people import label_pairs
from tests.release.test_verify import edit_manifest, rewrite, with_column

__all__ = ["cache"]

RED = '[rewards.red]\nreward = "tests.fakes:redness"\n'
LABELS = [1.0, 0.5, 0.0, None, 0.0, 1.0]


def pickapic(**columns: Any) -> dict[str, Any]:
    """Six pairs of two prompts, one of them unlabelled, in no order of ids."""
    return {
        "caption": ["a cat", "a dog", "a cat", "a dog", "a cat", "a dog"],
        "jpg_0": [picture(seed) for seed in (5, 1, 2, 0, 4, 3)],
        "jpg_1": [picture(seed) for seed in (4, 0, 5, 3, 2, 1)],
        "label_0": LABELS,
        "label_1": [None if one is None else 1 - one for one in LABELS],
        "has_label": [one is not None for one in LABELS],
        "user_id": [7, 8, 7, 9, 10, 11],
        "ranking_id": [70, 81, 70, 93, 70, 81],
        **columns,
    }


def own(
    root: Path, name: str, records: str = "", more: str = RED, dataset: str = "../pairs"
) -> Workspace:
    text = (
        f'{more}[records]\npairs = "own"\nconfigs = ["pairwise", "pickapic", "scores"]\n{records}'
    )
    workspace = ingest(root / name, dataset, "", text)
    if more:
        synpic.score_candidates(workspace, device="cpu")
    return workspace


def rows(folder: Path) -> list[dict[str, Any]]:
    return pq.ParquetDataset(sorted(folder.glob("*.parquet"))).read().to_pylist()


SAME = ("caption", "jpg_0", "jpg_1", "label_0", "label_1", "has_label", "user_id", "ranking_id")


def same(found: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in SAME) for row in found]


@pytest.mark.parametrize("ties", ["leave-out", "keep"])
def test_pickapic_comes_back_as_it_was(tmp_path: Path, ties: str) -> None:
    write(tmp_path / "pairs", pickapic())
    workspace = own(tmp_path, "w", f'ties = "{ties}"')
    release = synpic.publish_to(workspace, tmp_path / "out")
    source = pa.table(pickapic()).to_pylist()
    labelled = [row for row in source if row["has_label"]]
    decided = [row for row in labelled if row["label_0"] != 0.5]
    expected = decided if ties == "leave-out" else labelled
    assert same(rows(release.directory / "pickapic")) == same(expected)
    pairwise = rows(release.directory / "pairwise")
    winners = [row["jpg_0"] if row["label_0"] == 1 else row["jpg_1"] for row in decided]
    assert [row["chosen"]["bytes"] for row in pairwise] == winners
    assert {(row["strategy"], row["label_source"]) for row in pairwise} == {("own", "people")}
    assert any(row["margin"] < 0 for row in pairwise)

    published = open_release(release.directory)
    assert verify(published).problems == []
    labels = published.manifest.labels
    assert labels is not None
    assert (labels.labels, labels.pairs, labels.tied, labels.unlabelled) == (6, 5, 1, 1)
    counts = published.manifest.pairs
    assert (counts["pairwise"].picked, counts["pairwise"].tied) == (5, 1)
    assert counts["pickapic"].tied == (ties == "leave-out")
    card = (release.directory / "README.md").read_text()
    assert "Its pairs are [labelled by people](#labels)." in card
    assert "| … given by people | 6 |" in card
    assert ("Ties are kept in `pickapic`" in card) == (ties == "keep")


def test_it_comes_back_once_more(tmp_path: Path) -> None:
    write(tmp_path / "pairs", pickapic())
    exported = export(own(tmp_path, "w"), "pickapic", tmp_path / "first")
    lines = f"dataset = {str(exported.directory)!r}"
    again = ingest(tmp_path / "v", lines, "", RED + '[records]\npairs = "own"\n')
    synpic.score_candidates(again, device="cpu")
    export(again, "pickapic", tmp_path / "second")
    assert same(rows(tmp_path / "second" / "data")) == same(rows(tmp_path / "first" / "data"))


def test_rewards_that_labelled_stay_rewards(tmp_path: Path) -> None:
    columns = {"prompt": ["x", "x"], "chosen": [cell(0), cell(2)], "rejected": [cell(1), cell(3)],
               "label_source": ["rewards", "people"]}  # fmt: skip
    write(tmp_path / "pairs", columns)
    release = synpic.publish_to(own(tmp_path, "w"), tmp_path / "out")
    found = rows(release.directory / "pairwise")
    assert [row["label_source"] for row in found] == ["rewards", "people"]
    assert [row["user_id"] for row in rows(release.directory / "pickapic")] == [0, None]
    card = (release.directory / "README.md").read_text()
    assert "labelled by people and rewards" in card


def test_pairs_without_a_ranking_have_no_preference(tmp_path: Path) -> None:
    columns = {"prompt": ["x", "x"], "chosen": [cell(0), cell(2)], "rejected": [cell(1), {
        "bytes": picture(3)[:-20], "path": "3.png"}]}  # fmt: skip
    write(tmp_path / "pairs", columns)
    workspace = own(tmp_path, "w")
    release = synpic.publish_to(workspace, tmp_path / "out")
    # The image that is not whole is no candidate, and neither is its pair here.
    assert len(rows(release.directory / "pairwise")) == 1
    assert open_release(release.directory).manifest.labels.absent == 1  # type: ignore[union-attr]
    assert verify(open_release(release.directory)).problems == []


def test_without_rewards_pairs_are_exported_and_a_release_says_what_it_needs(
    tmp_path: Path,
) -> None:
    write(tmp_path / "pairs", pickapic())
    workspace = own(tmp_path, "w", more="")
    done = export(workspace, "pickapic", tmp_path / "pickapic")
    assert done.rows == {"train": 4}
    assert json.loads((done.directory / "manifest.json").read_text())["ranking"] is None
    about = (done.directory / "README.md").read_text()
    assert "which came with labels by the question `overall`, in their order; none is tied" in about
    assert export(workspace, "folders", tmp_path / "folders").rows == {"train": 4}
    assert export(workspace, "webdataset", tmp_path / "tars").rows == {"train": 4}
    with pytest.raises(RecipeError, match=r"there is nothing to rank by: .*no \[rewards.NAME\]"):
        synpic.publish_to(workspace, tmp_path / "out")
    with pytest.raises(RecipeError, match=r"min_margin: these cuts choose among rankings"):
        export(workspace, "pickapic", tmp_path / "cut", cuts=Cuts(min_margin=0.1))


def test_a_release_gives_its_own_pairs(tmp_path: Path) -> None:
    write(tmp_path / "pairs", pickapic())
    workspace = own(tmp_path, "w")
    release = synpic.publish_to(workspace, tmp_path / "out")
    export(release.directory, "pairwise", tmp_path / "of_release")
    export(workspace, "pairwise", tmp_path / "of_workspace")
    names = ["chosen_id", "rejected_id", "strategy"]
    one, other = (
        pl.read_parquet(tmp_path / name / "data" / "*.parquet", columns=names)
        for name in ("of_release", "of_workspace")
    )
    assert one.equals(other)
    without = synpic.publish_to(workspace, tmp_path / "ranked", configs=["ranked", "scores"])
    assert open_release(without.directory).manifest.labels is None
    with pytest.raises(ReleaseError, match="has no `pairwise` with pairs of its own"):
        export(without.directory, "pairwise", tmp_path / "no", strategy="own")


def test_what_is_missing_is_said_once(tmp_path: Path) -> None:
    write(tmp_path / "pairs", {"prompt": ["x", "x"], "image": [cell(0), cell(1)]})
    workspace = own(tmp_path, "w")
    said = r'records.pairs = "own" takes the pairs that labels bring, and .* has no labels'
    with pytest.raises(RecipeError, match=said) as error:
        synpic.publish_to(workspace, tmp_path / "out")
    assert "or choose one of best-worst, best-rest" in str(error.value.hint)
    notes = validate(workspace).notes
    assert sum('records.pairs = "own"' in note for note in notes) == 1


def test_a_question_that_nobody_answered(tmp_path: Path) -> None:
    write(tmp_path / "pairs", pickapic())
    with pytest.raises(RankingError, match=r"'overal'\. Did you mean 'overall'") as error:
        synpic.publish_to(own(tmp_path, "w", 'question = "overal"'), tmp_path / "out")
    assert "one of overall" in str(error.value.hint)


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of the pairs of ``pickapic``, made once; tests take copies."""
    root = tmp_path_factory.mktemp("own")
    write(root / "pairs", pickapic())
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(datasets.config, "HF_DATASETS_CACHE", root / "cache")
        return synpic.publish_to(own(root, "w"), root / "out").directory


def flip(values: list[Any]) -> list[Any]:
    return [1 - one for one in values]


@pytest.mark.parametrize(
    ("config", "column", "change", "text"),
    [
        ("pickapic", "label_0", flip, "labels are not 1 and 0 or a tie, in 4 rows"),
        ("pickapic", "image_0_uid", lambda ids: ["f" * 32, *ids[1:]],
         "is not among the scored ones"),
        ("pairwise", "chosen_preference", flip, "`chosen_preference` is not that of the image"),
        ("pairwise", "label_source", lambda said: ["coin", *said[1:]],
         "`label_source` is 'coin', not people or rewards"),
        ("pairwise", "prompt_id", lambda ids: ids[::-1], "pairs are of images of two prompts"),
    ],
)  # fmt: skip
def test_verify_sees_pairs_that_are_others(
    once: Path,
    tmp_path: Path,
    config: str,
    column: str,
    change: Callable[[list[Any]], list[Any]],
    text: str,
) -> None:
    folder = shutil.copytree(once, tmp_path / "out")
    rewrite(
        folder,
        f"{config}/train-00000-of-00001.parquet",
        lambda table: with_column(table, column, change),
    )
    texts = [one.text for one in verify(open_release(folder)).problems]
    assert any(text in one for one in texts), texts


def test_verify_sees_counts_that_are_others(once: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(once, tmp_path / "out")
    edit_manifest(folder, lambda one: one["pairs"]["pairwise"].update(picked=7))
    (problem,) = verify(open_release(folder)).problems
    assert problem.text == "4 pairs, where manifest.json says 7 without 1 tie"


def test_other_labels_make_another_version(tmp_path: Path) -> None:
    turned = [one if one is None else 1 - one for one in LABELS]
    uids = {f"image_{side}_uid": [f"{side}{row}" for row in range(6)] for side in (0, 1)}
    write(tmp_path / "pairs", pickapic(**uids))
    write(tmp_path / "b", pickapic(**uids, label_0=turned, label_1=LABELS))
    (tmp_path / "v").mkdir()

    def manifest(out: str, **how: Any) -> Manifest:
        folder = synpic.publish_to(own(**how), tmp_path / out).directory
        return open_release(folder).manifest

    def labels(old: str, new: str) -> list[str]:
        both = (open_release(tmp_path / name) for name in (old, new))
        return [str(one) for one in diff_releases(*both).labels]

    first, same = (manifest(out, root=tmp_path, name="w") for out in ("one", "same"))
    kept = manifest("kept", root=tmp_path, name="w", records='ties = "keep"')
    other = manifest("turned", root=tmp_path / "v", name="x", dataset="../../b")
    assert compare(first, same) == []
    assert labels("one", "same") == []
    assert labels("one", "turned") == ["own pairs (ingested, overall): 5 pairs with other labels"]
    assert [one.text for one in compare(first, kept) if one.level is Level.MAJOR] == [
        "pairs are labelled by ties = keep, were by leave-out"
    ]
    assert first.digest == other.digest
    assert "labels of 5 pairs, were of 5" in [one.text for one in compare(first, other)]


def test_training_reads_the_labels(tmp_path: Path) -> None:
    write(tmp_path / "pairs", pickapic())
    workspace = own(tmp_path, "w", 'ties = "keep"')
    done = export(workspace, "pickapic", tmp_path / "out")
    table = pl.read_parquet(done.directory / "data" / "*.parquet")
    layout = find_layout(table.columns, "set")
    preferences = layout.table(table.select(layout.small), "set")["preference"].to_list()
    assert preferences == [[1, 0], [0.5, 0.5], [0, 1], [0, 1], [1, 0]]


SHARES = st.lists(
    st.tuples(st.sampled_from([0.0, 0.25, 0.5, 1.0, None]), st.integers(1, 4)), max_size=6
)


@given(votes=SHARES)
def test_votes_on_one_pair_are_one_pair(votes: list[tuple[float | None, int]]) -> None:
    def found(turned: bool) -> OwnPairs:
        sides = {"left": "b", "right": "a"} if turned else {"left": "a", "right": "b"}
        labels = pl.DataFrame(
            [
                {"prompt_id": "p", **sides, "question": "overall", "n": n, "rater": str(row),
                 "share": share if share is None or not turned else 1 - share, "kind": "person",
                 "group": None, "row": 3}
                for row, (share, n) in enumerate([*votes, (None, 1)])
            ],
            schema_overrides={"share": pl.Float32, "n": pl.Int32, "group": pl.String},
        )  # fmt: skip
        return OwnPairs.of_labels(labels, "ingested", "overall")

    known = [(share, n) for share, n in votes if share is not None]
    rows, turned = found(False).rows, found(True).rows
    assert rows.height == turned.height == bool(known)
    if known:
        share = sum(share * n for share, n in known) / sum(n for _, n in known)
        assert rows["share"][0] == pytest.approx(share, abs=1e-6)
        assert turned["share"][0] == pytest.approx(1 - share, abs=1e-6)
        assert 0 <= rows["share"][0] <= 1
        pairs, others = found(False).pairs(ties=False), found(True).pairs(ties=False)
        assert pairs.height == others.height == (share != 0.5)
        assert pairs["chosen_id"].to_list() == others["chosen_id"].to_list()


def test_a_recipe_chooses_whose_labels_its_pairs_have(tmp_path: Path) -> None:
    """Of two studies and of labels that came with images, each alone, and the first by default."""

    def chosen(labels: str = "") -> dict[frozenset[str], str]:
        edit(made, recipe(more=f'[records]\npairs = "own"\n{labels}'))
        assert not [one for one in validate(made).notes if '"own"' in one]
        folder = Path(tempfile.mkdtemp(dir=tmp_path)) / "out"
        table = pl.read_parquet(export(made, "pairwise", folder).directory / "data" / "*.parquet")
        pairs = table.select("chosen_id", "rejected_id").iter_rows()
        return {frozenset(pair): pair[0] for pair in pairs}

    made = build(tmp_path / "set")
    wanted = {}
    for source, share in (("taste", 1.0), ("detail", 0.0)):
        labels = label_pairs(made, share=lambda _, share=share: share, source=source)
        wanted[source] = {
            frozenset(row[:2]): row[0 if share else 1]
            for row in labels.select("left", "right").iter_rows()
        }
    edit(made, recipe(more='[records]\npairs = "own"\n'))
    with pytest.raises(RecipeError, match="labels of 2 studies: detail, taste") as several:
        export(made, "pairwise", tmp_path / "no")
    assert several.value.hint == 'say which under [records]: labels = "detail"'
    (note,) = [one for one in validate(made).notes if '"own"' in one]
    assert 'labels = "detail"' in note
    for source, pairs in wanted.items():
        assert chosen(f'labels = "{source}"') == pairs
    label_pairs(made, share=lambda _: 1.0, source="ingested")
    assert chosen() == chosen('labels = "ingested"') == wanted["taste"]
    assert chosen('labels = "detail"') == wanted["detail"]
    edit(made, recipe(more='[records]\npairs = "own"\nlabels = "details"\n'))
    with pytest.raises(RecipeError, match=r'records.labels = "details".*Did you mean') as unknown:
        export(made, "pairwise", tmp_path / "no")
    assert "labels are here of: detail, ingested, taste" in str(unknown.value.hint)
