"""Releases that people ranked: written, read back, verified, ranked again, looked at."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import datasets
import polars as pl
import pyarrow as pa
import pytest

from synpic import load_rankings, pairs
from synpic.errors import ReleaseError
from synpic.pipeline.cuts import Cuts
from synpic.pipeline.ranking import rank_candidates
from synpic.publish import publish_to
from synpic.publish.export import export
from synpic.release import open_release
from synpic.release.compare import Level, compare
from synpic.release.compared import read_compared
from synpic.release.diff import diff_releases
from synpic.release.rerank import rerank
from synpic.release.verify import verify
from synpic.view.frame import make_frame
from synpic.view.rows import rows_of
from synpic.view.source import open_source
from synpic.workspace import Workspace
from tests.cli.conftest import in_process
from tests.publish.fixtures import TWO_SPLITS, build, recipe
from tests.publish.people import PEOPLE, Pair, label_pairs, of_hash
from tests.release.test_verify import rewrite

EVERY = ["ranked", "scores", "images", "pairwise", "pickapic"]
SCORES = "scores/train-00000-of-00001.parquet"
ALONE = '[ranking]\nrewards = ["people"]\n'
FITTED = '[ranking]\naggregation = "bradley-terry"\n'


def in_some(pair: Pair) -> bool:
    """All of three prompts, one pair of a fourth, none of the last."""
    place = [prompt for prompt, _ in TWO_SPLITS].index(pair[0]["prompt"])
    return place < 3 or (place == 3 and {one["model"] for one in pair} == {"alpha", "beta"})


def made(folder: Path, rule: str = "", people: str = PEOPLE) -> Workspace:
    workspace = build(folder, text=recipe(more=people + rule))
    label_pairs(workspace, keep=in_some)
    return workspace


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("people")
    some = ["ranked", "scores", "pairwise"]
    for name, rule, configs in (
        ("mixed", "", EVERY),
        ("alone", ALONE, some),
        ("fitted", FITTED, some),
    ):
        publish_to(made(root / f"{name}-set", rule), root / name, configs=configs)
    return root


@pytest.fixture
def copied(once: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(once, tmp_path / "copy"))


@pytest.mark.parametrize("name", ["mixed", "alone", "fitted"])
def test_a_release_holds_all_that_its_preferences_follow_from(once: Path, name: str) -> None:
    release = open_release(once / name)
    found = verify(release)
    assert (found.problems, found.notes) == ([], [])
    ranking = rank_candidates(Workspace.open(once / f"{name}-set")).ranking
    row = release.manifest.ranking.comparisons["people"]
    assert (row.labels, row.question, row.tie, row.pairs) == ("study", "overall", 0.0, 10)
    assert row.absent == ranking.absent["people"] == (1 if name == "fitted" else 2)
    assert row.prompts == 5 - row.absent
    counts = release.manifest.counts
    assert counts.without_preference == (2 if name == "alone" else 0)
    again = rerank(release)
    assert again.ranking.table.equals(ranking.table)
    assert (again.tau, again.best_changed) == (1.0, 0)


def test_what_people_compared_stands_in_scores(once: Path) -> None:
    release = open_release(once / "mixed")
    table = release.table("scores")
    assert "score_people" not in table.columns
    assert table.schema["wins_people"] == pl.Int32
    labels = label_pairs(Workspace.open(once / "mixed-set"), keep=in_some)
    expected = {(row["left"], row["right"]): row["share"] for row in labels.to_dicts()}
    sides = table.explode("compared_people", "share_people").drop_nulls("compared_people")
    found = {
        (row["candidate_id"], row["compared_people"]): row["share_people"]
        for row in sides.to_dicts()
    }
    assert len(found) == 2 * len(expected)
    for (left, right), share in expected.items():
        assert found[left, right] == pytest.approx(share, abs=1e-6)
        assert found[right, left] == pytest.approx(1 - share, abs=1e-6)
    ranked = release.table("ranked")
    assert {type(wins) for wins in ranked["wins_people"].explode()} == {int, type(None)}
    loaded = datasets.load_dataset(str(once / "mixed"), "scores", split="train")
    assert loaded.features["compared_people"] is not None


def test_who_labelled_is_people_where_they_alone_do(once: Path, tmp_path: Path) -> None:
    def sources(folder: Path) -> set[str]:
        return set(open_release(folder).table("pairwise", ["label_source"])["label_source"])

    assert sources(once / "mixed") == {"rewards"}
    assert sources(once / "alone") == {"people"}
    export(once / "alone", "pairwise", tmp_path / "pairs")
    written = json.loads((tmp_path / "pairs" / "manifest.json").read_text())
    assert written["ranking"]["comparisons"].keys() == {"people"}
    (table,) = (tmp_path / "pairs").glob("**/train-*.parquet")
    assert set(pl.read_parquet(table)["label_source"]) == {"people"}


def test_pairs_of_rankings_are_the_published_ones(once: Path) -> None:
    made = pairs(load_rankings(once / "alone", split="train")).table()
    published = open_release(once / "alone").table("pairwise").filter(split="train")
    same = [name for name in made.columns if name != "label_source"]
    assert made.select(same).equals(published.select(same))
    assert set(made["label_source"]) == {None}  # rankings do not say whether rewards rank too


def test_the_card_says_who_labelled(once: Path) -> None:
    mixed, alone = ((once / name / "README.md").read_text() for name in ("mixed", "alone"))
    assert "ranked by 2 reward models and labels of people" in mixed
    assert "No person labelled them" not in mixed
    assert "| `people` | study | yes | overall | 0 | 2 | 10 | 3 | 2 |" in mixed
    assert "- machine-generated\n- crowdsourced" in mixed
    assert "ranked by labels of people" in alone
    assert "no preference, since too few pairs are labelled | 2 |" in alone
    assert "- machine-generated" not in alone
    assert (
        "What compares pairs takes part in the prompts where it compared any pair"
        in (once / "fitted" / "README.md").read_text()
    )


def test_only_people_can_be_published(tmp_path: Path) -> None:
    rewards = recipe().index("[rewards")
    workspace = build(tmp_path / "set", text=recipe()[:rewards] + PEOPLE)
    label_pairs(workspace, keep=in_some)
    publish_to(workspace, tmp_path / "out")
    release = open_release(tmp_path / "out")
    assert release.manifest.rewards == []
    assert verify(release).problems == []
    assert "### Rewards" in (tmp_path / "out" / "README.md").read_text()
    publish_to(workspace, tmp_path / "bare", configs=["ranked"])
    found = verify(open_release(tmp_path / "bare"))
    assert found.problems == []
    assert "what people compared is in `scores`" in found.notes[0]


@pytest.mark.parametrize(
    ("column", "change", "text"),
    [
        ("wins_people", lambda v: [None if n is None else 2 - n for n in v], "`wins_people` does"),
        ("preference", lambda v: [x and 1 - x for x in v], "`preference` does not follow"),
        ("share_people", lambda v: [[1.0] * len(x) for x in v], "`share_people` is not what it"),
        ("share_people", lambda v: [[0.5] * len(x) for x in v], "not those of `people`"),
        ("compared_people", lambda v: [x[1:] for x in v], "do not fit together"),
    ],
)
def test_verify_finds_what_does_not_follow(
    copied: Path, column: str, change: Any, text: str
) -> None:
    def changed(table: pa.Table) -> pa.Table:
        at = table.schema.get_field_index(column)
        values = pa.array(change(table[column].to_pylist()), table.schema.field(at).type)
        return table.set_column(at, table.schema.field(at), values)

    rewrite(copied / "mixed", SCORES, changed)
    found = verify(open_release(copied / "mixed")).problems
    assert any(text in problem.text for problem in found), found


def test_lists_that_do_not_fit_are_refused_by_name(copied: Path) -> None:
    def shorter(table: pa.Table) -> pa.Table:
        at = table.schema.get_field_index("share_people")
        field = table.schema.field(at)
        values = [share[:-1] for share in table["share_people"].to_pylist()]
        return table.set_column(at, field, pa.array(values, field.type))

    rewrite(copied / "mixed", SCORES, shorter)
    for read in (
        lambda: rerank(open_release(copied / "mixed")),
        lambda: open_source(copied / "mixed"),
    ):
        with pytest.raises(ReleaseError, match=r"compared_people and share_people .* do not fit"):
            read()


def test_a_release_is_ranked_again_by_other_people_and_models(once: Path) -> None:
    release = open_release(once / "mixed")
    without = rerank(release, without_rewards=["people"])
    assert without.ranking.weights.keys() == {"redness", "greenness"}
    assert set(without.scores["wins_people"]) == {None}
    # Of the prompt with one pair, that pair is every pair where gamma is left out.
    fewer = rerank(release, without_models=["gamma"])
    assert fewer.ranking.absent == {"people": 1}
    alone = rerank(release, rewards=["people"], aggregation="bradley-terry")
    assert alone.ranking.counts.without_preference == 1
    assert alone.ranking.label_source == "people"
    with pytest.raises(ReleaseError, match="no scores of reward 'peple'"):
        rerank(release, without_rewards=["peple"])


def test_versions_say_what_changed_of_people(once: Path, tmp_path: Path) -> None:
    old = open_release(once / "mixed").manifest
    workspace = made(tmp_path / "set", people=PEOPLE.replace("weight = 2", "weight = 3\ntie = 0.1"))
    label_pairs(workspace, keep=lambda pair: True)
    publish_to(workspace, tmp_path / "out")
    new = open_release(tmp_path / "out").manifest
    found = {change.text: change.level for change in compare(old, new)}
    assert found["`people` weighs 3, weighed 2"] is Level.MAJOR
    assert found["`people` ranks by tie = 0.1, was 0.0"] is Level.MAJOR
    assert found["`people` compares 15 pairs, compared 10"] is Level.MINOR
    publish_to(build(tmp_path / "plain"), tmp_path / "bare", configs=EVERY)
    plain = open_release(tmp_path / "bare").manifest
    texts = [change.text for change in compare(plain, old)]
    assert texts[0] == "`people` ranks now, by labels of pairs"
    assert not any("column" in text for text in texts)


def test_other_labels_make_other_preferences_and_equal_ones_equal_bytes(tmp_path: Path) -> None:
    manifests = []
    for name, share in (("a", 0.9), ("b", 0.9), ("c", 0.2)):
        workspace = build(tmp_path / f"{name}-set", text=recipe(more=PEOPLE))
        label_pairs(workspace, share=lambda pair, share=share: share)
        publish_to(workspace, tmp_path / name)
        manifests.append((tmp_path / name / "manifest.json").read_bytes())
    assert manifests[0] == manifests[1] != manifests[2]


def test_cuts_count_the_agreement_with_people(once: Path, tmp_path: Path) -> None:
    workspace = made(tmp_path / "set", "[records]\nmin_agreement = 0.2\n")
    publish_to(workspace, tmp_path / "out")
    release = open_release(tmp_path / "out")
    assert verify(release).problems == []
    export(release, "pairwise", tmp_path / "pairs", cuts=Cuts(min_agreement=0.2))
    everything = rank_candidates(Workspace.open(once / "mixed-set")).ranking.counts.kept_prompts
    assert 0 < len(release.table("ranked")) < everything


@pytest.mark.parametrize("kind", ["mixed-set", "mixed"])
def test_the_page_shows_wins_and_disagreement_of_people(once: Path, kind: str) -> None:
    frame = make_frame(open_source(once / kind))
    assert "people" not in frame.shown.rewards
    assert "people" in frame.shown.weights
    # A manifest has lost the order of names.
    of_people = r"^tau\.(people\.redness|redness\.people)$"
    (tau,) = frame.prompts.select(of_people).get_columns()
    assert min(tau.null_count(), frame.prompts["rest.people"].null_count()) >= 2
    (row,) = rows_of(frame, [frame.prompts.drop_nulls("rest.people")["prompt_id"][0]])
    assert {"people"} == row["images"][0]["wins"].keys() - row["images"][0]["scores"].keys()
    assert sum(image["wins"]["people"] for image in row["images"]) == 3


def test_the_page_of_a_workspace_without_its_labels(tmp_path: Path) -> None:
    shown = open_source(build(tmp_path / "set", text=recipe(more=PEOPLE)))
    assert "no labels of 'study'" in str(shown.remark)
    assert make_frame(shown).prompts.height == 5


def test_what_is_read_back_is_what_was_compared(once: Path) -> None:
    release = open_release(once / "mixed")
    rows = release.manifest.ranking.comparisons
    back = read_compared(release.table("images"), rows, release.name)["people"]
    given = rank_candidates(Workspace.open(once / "mixed-set")).ranking.comparisons["people"]
    # Shares come back, and no number of votes.
    assert back.pairs.drop("votes").equals(given.pairs.drop("votes").sort("one", "other"))


def test_diff_says_what_labels_differ(once: Path, tmp_path: Path) -> None:
    """Two releases of equal images and rewards, of which people said other things."""
    workspace = Workspace.open(once / "mixed-set")
    pairs = rank_candidates(workspace).ranking.comparisons["people"].pairs
    copy = Path(shutil.copytree(once / "mixed-set", tmp_path / "set"))
    first = pairs.select("one", "other").row(0)

    def other(pair: Pair) -> float:
        turned = {one["candidate_id"] for one in pair} == {*first}
        return 1 - of_hash(pair) if turned else of_hash(pair)

    label_pairs(Workspace.open(copy), share=other)
    publish_to(Workspace.open(copy), tmp_path / "new")
    old, new = open_release(once / "mixed"), open_release(tmp_path / "new")
    (found,) = diff_releases(old, new).labels
    added = 15 - pairs.height
    assert (found.name, found.added, found.removed) == ("people", added, 0)
    assert (found.changed, found.kept) == (1, pairs.height - 1)
    line = (
        f"people (study, overall): {added} pairs added, 0 removed, 1 with another share, 9 the same"
    )
    shown = in_process("diff", old.name, new.name)
    assert f"pairs:   {line}\n" in shown.stdout
    told = json.loads(in_process("diff", old.name, new.name, "--json").stdout)
    assert told["labels"][0]["new"]["pairs"] == 15
    # Where labels are the same, nothing is said of them, whatever else ranks.
    assert diff_releases(open_release(once / "alone"), old).labels == []


def test_diff_says_that_labels_appeared(once: Path, tmp_path: Path) -> None:
    without = build(tmp_path / "without")
    publish_to(without, tmp_path / "old", configs=["ranked", "scores"])
    old, new = open_release(tmp_path / "old"), open_release(once / "mixed")
    assert [str(one) for one in diff_releases(old, new).labels] == [
        "people appeared (study, overall): 10 pairs"
    ]
    assert [str(one) for one in diff_releases(new, old).labels] == [
        "people gone (study, overall): 10 pairs"
    ]


def test_rank_says_why_people_have_no_tau(tmp_path: Path) -> None:
    fitted = made(tmp_path / "set", FITTED)
    shown = in_process("-C", fitted.folder, "rank").stdout
    assert "τ-b of people: over 3 prompts with every pair compared, of 5. `synpic agree`" in shown
    label_pairs(fitted, keep=lambda pair: {one["model"] for one in pair} == {"alpha", "beta"})
    shown = in_process("-C", fitted.folder, "rank").stdout
    assert "τ-b of people: none, since no prompt has every pair compared; 5 have some." in shown
    label_pairs(fitted)
    assert "τ-b of people" not in in_process("-C", fitted.folder, "rank").stdout
