"""A release in which a comparer ranks: what it holds, says, and can be computed from again."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import polars as pl
import pytest

from synpic.pipeline.inventory import take_inventory
from synpic.pipeline.ranking import rank_candidates
from synpic.publish import publish_to
from synpic.release import open_release
from synpic.release.compare import compare
from synpic.release.rerank import rerank
from synpic.release.verify import verify
from synpic.view.frame import make_frame
from synpic.view.source import open_source
from synpic.workspace import Workspace, tables
from synpic.workspace.parts import frame
from tests.publish.fixtures import build, hashed_score, recipe
from tests.publish.people import PEOPLE, label_pairs

VERSUS = '[rewards.versus]\ncomparer = "shapes_compare"\nweight = 2\n\n'


def compare_pairs(workspace: Workspace, bias: float = 0.1) -> pl.DataFrame:
    """Comparisons of every pair, by nothing that a reward here looks at."""
    inventory = take_inventory(workspace)
    (comparer,) = inventory.comparers
    rows = []
    images = inventory.candidates().sort("candidate_id")
    for _, prompt in images.group_by("prompt_id", maintain_order=True):
        for left, right in combinations(prompt.to_dicts(), 2):
            pair = left["candidate_id"] + right["candidate_id"]
            p = hashed_score("versus", {"candidate_id": pair}) * 0.8 + 0.1
            rows.append(
                {
                    "prompt_id": left["prompt_id"],
                    "left": left["candidate_id"],
                    "right": right["candidate_id"],
                    "sha256_left": left["sha256"],
                    "sha256_right": right["sha256"],
                    "name": comparer.name,
                    "fingerprint": comparer.fingerprint,
                    "p_forward": p + bias,
                    "p_backward": p - bias,
                    "probability": p,
                }
            )
    table = pl.DataFrame(rows, schema=frame(tables.COMPARISONS.empty_table()).schema)
    note = {"decides": comparer.fingerprint_inputs}
    workspace.write_part(comparer.folder, table.to_arrow().cast(tables.COMPARISONS), note)
    return table


def made(folder: Path, more: str = VERSUS) -> Workspace:
    workspace = build(folder, text=recipe(more=more))
    compare_pairs(workspace)
    return workspace


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("comparers")
    publish_to(made(root / "set"), root / "out")
    return root


def test_preferences_follow_from_what_a_release_holds(once: Path) -> None:
    release = open_release(once / "out")
    found = verify(release)
    assert (found.problems, found.notes) == ([], [])
    ranking = rank_candidates(Workspace.open(once / "set")).ranking
    assert rerank(release).ranking.table.equals(ranking.table)
    rows = release.table("scores").explode("compared_versus", "share_versus")
    assert rows.drop_nulls("compared_versus").height == 2 * 15
    assert release.manifest.ranking.weights["versus"] == 2


def test_the_manifest_says_what_compared(once: Path) -> None:
    row = open_release(once / "out").manifest.ranking.comparisons["versus"]
    (comparer,) = take_inventory(Workspace.open(once / "set")).comparers
    assert (row.labels, row.by_people, row.pairs, row.absent) == ("shapes_compare", False, 15, 0)
    assert row.comparer is not None
    assert row.comparer.fingerprint == comparer.fingerprint
    assert row.comparer.fingerprint_inputs == comparer.fingerprint_inputs
    assert row.comparer.position_bias == pytest.approx(0.2, abs=1e-6)


def test_the_card_lists_it(once: Path) -> None:
    card = (once / "out" / "README.md").read_text()
    assert "ranked by 2 reward models and 1 comparer of two images" in card
    assert "| `versus` | shapes_compare | none | 0 | 2 | 15 | 5 | 0 | +0.20 |" in card
    assert "Labels of pairs" not in card
    assert "\n- machine-generated\nlanguage" in card


def test_what_ranks_is_named_apart(tmp_path: Path) -> None:
    workspace = made(tmp_path / "set", VERSUS + PEOPLE)
    label_pairs(workspace)
    publish_to(workspace, tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text()
    assert "ranked by 2 reward models, 1 comparer of two images and labels of people" in card
    assert "Labels of pairs rank beside them" in card
    assert not verify(open_release(tmp_path / "out")).problems


def test_where_it_alone_ranks(tmp_path: Path) -> None:
    alone = VERSUS + '[ranking]\nrewards = ["versus"]\n[records]\nconfigs = ["ranked", "pairwise"]'
    publish_to(made(tmp_path / "set", alone), tmp_path / "out")
    release = open_release(tmp_path / "out")
    assert set(release.table("pairwise")["label_source"]) == {"rewards"}
    assert "ranked by 1 comparer of two images" in (tmp_path / "out" / "README.md").read_text()


def test_versions_say_what_changed(once: Path, tmp_path: Path) -> None:
    before = open_release(once / "out").manifest
    leaning = VERSUS + "options = { lean = 1 }\n"
    publish_to(made(tmp_path / "set", leaning), tmp_path / "out")
    after = open_release(tmp_path / "out").manifest
    said = [str(one) for one in compare(before, after)]
    assert any("`versus` compares by another comparer, or by one of other" in one for one in said)
    publish_to(build(tmp_path / "none", text=recipe()), tmp_path / "without")
    without = open_release(tmp_path / "without").manifest
    said = [str(one) for one in compare(without, before)]
    assert any("`versus` ranks now, by a comparer of pairs" in one for one in said)


def test_equal_comparisons_make_equal_bytes(once: Path, tmp_path: Path) -> None:
    publish_to(made(tmp_path / "set"), tmp_path / "out")
    for name in ("manifest.json", "README.md"):
        assert (tmp_path / "out" / name).read_bytes() == (once / "out" / name).read_bytes()


@pytest.mark.parametrize("kind", ["set", "out"])
def test_the_page_shows_its_wins(once: Path, kind: str) -> None:
    shown = open_source(once / kind)
    assert shown.remark is None
    frame_of = make_frame(shown)
    assert "versus" in shown.weights
    assert "wins_versus" in shown.candidates.columns
    assert frame_of.prompts["rest.versus"].drop_nulls().len() >= 3


def test_people_are_held_to_phi_with_the_comparer(tmp_path: Path) -> None:
    from tests.cli.conftest import in_process

    workspace = made(tmp_path / "set", VERSUS + PEOPLE)
    labels = label_pairs(workspace)
    said = workspace.comparisons(workspace.folders("comparisons")[0])
    both = labels.join(said, on=["left", "right"]).filter(pl.col("share") != 0.5)
    right = both.filter((pl.col("share") > 0.5) == (pl.col("probability") > 0.5)).height
    ended = in_process("-C", workspace.store.root, "agree", "--json")
    assert ended.exit_code == 0, ended.output
    found = json.loads(ended.stdout)
    rows = {row["judge"]: row for row in found["rows"]}
    assert rows["versus"]["value"] == pytest.approx(right / both.height)
    assert set(rows) >= {"redness", "greenness", "versus", "φ", "φ without versus"}
    assert rows["versus"]["fingerprint"] == found["rewards"]["versus"]


def test_a_comparer_that_compared_none_of_the_labelled_pairs_is_no_judge(tmp_path: Path) -> None:
    from tests.cli.conftest import in_process

    workspace = build(tmp_path / "set", text=recipe(more=VERSUS))
    label_pairs(workspace)
    ended = in_process("-C", workspace.store.root, "agree", "--json")
    assert ended.exit_code == 0, ended.output
    judges = {row["judge"] for row in json.loads(ended.stdout)["rows"]}
    assert "versus" not in judges
