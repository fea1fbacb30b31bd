"""Flagged images are left out on request: of the ranking, and so of every table."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from synpic import Workspace, rank_candidates
from synpic.errors import RankingError
from synpic.publish import publish_to
from synpic.publish.export import export
from synpic.publish.load import load_rankings
from synpic.rank import rank
from synpic.release.compare import Level, compare
from synpic.release.manifest import Manifest
from synpic.release.rerank import rerank
from synpic.release.source import open_release
from synpic.release.verify import verify
from tests.conftest import edit
from tests.publish.fixtures import REWARDS, TWO_SPLITS, build, recipe

CONFIGS = ["ranked", "scores", "images", "pairwise", "pickapic"]
LEAVE_OUT = '[records]\nflagged = "leave-out"\n'

FLAGS = {
    "a red circle": {"alpha": True, "beta": False, "gamma": None},
    "two green stars on black": {"alpha": False, "beta": False, "gamma": False},
    "a blue square left of a red circle": {"alpha": True, "beta": True, "gamma": False},
    "three yellow triangles": {"alpha": True, "beta": True, "gamma": True},
}
"""Left out are two images of a prompt of three, so that it drops out, and all of another."""


def flag(row: dict[str, Any]) -> bool | None:
    return FLAGS.get(row["prompt"], {}).get(row["model"])


@pytest.fixture
def flagged(tmp_path: Path) -> Workspace:
    return build(tmp_path / "set", flag=flag)


def manifest_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return found


def released(folder: Path) -> Manifest:
    return open_release(folder).manifest


def test_the_ranking_is_of_what_is_left(flagged: Workspace) -> None:
    whole, left = rank_candidates(flagged), rank_candidates(flagged, flagged="leave-out")
    assert whole.left_out is None
    assert whole.scored.height == 15
    assert left.left_out is not None
    assert left.left_out.height == 6
    assert left.left_out["flagged"].all()
    unflagged = whole.scored.filter(pl.col("flagged").fill_null(False).not_())
    by_hand = rank(unflagged, dict.fromkeys(REWARDS, 1.0))
    assert left.ranking.table.equals(by_hand.table)
    # k is what is left: a prompt of two has preferences 0 and 1 (or a tie), not thirds.
    sizes = dict(left.ranking.table.group_by("prompt_id").len().iter_rows())
    assert sorted(sizes.values()) == [2, 3, 3]
    assert left.ranking.counts.prompts_below_two == 1


@pytest.mark.parametrize("by", ["recipe", "argument"])
def test_no_table_of_a_release_holds_a_flagged_image(
    flagged: Workspace, tmp_path: Path, load: Callable[..., Any], by: str
) -> None:
    out = tmp_path / "out"
    if by == "recipe":
        publish_to(edit(flagged, recipe(more=LEAVE_OUT)), out, configs=CONFIGS)
    else:
        publish_to(flagged, out, configs=CONFIGS, flagged="leave-out")
    gone = set(rank_candidates(flagged, flagged="keep").scored.filter("flagged")["candidate_id"])
    assert len(gone) == 6
    for config in CONFIGS:
        published: set[str] = set()
        rows = 0
        for split in load(out, config).values():
            rows += len(split)
            for column in split.column_names:
                if column in ("candidate_id", "chosen_id", "rejected_id", "best_image_uid"):
                    published |= set(split[column])
                elif column == "candidate_ids":
                    published |= {one for row in split[column] for one in row}
                elif column == "flagged":
                    flat = [
                        f for row in split[column] for f in (row if type(row) is list else [row])
                    ]
                    assert True not in flat
                    assert None in flat or split.split == "validation"
        assert rows
        assert published
        assert not published & gone
    counts = manifest_of(out)["counts"]
    expected = {
        "candidates": 9,
        "candidates_missing": 0,
        "flagged": 0,
        "flagged_left_out": 6,
        "unchecked": 4,
        "kept_prompts": 3,
    }
    assert {key: counts[key] for key in expected} == expected
    card = (out / "README.md").read_text()
    assert "| images made | 15 |" in card
    assert "| images left out: flagged by a safety check | 6 |" in card
    assert "| images that no safety check has seen | 4 |" in card
    assert "images flagged by a safety check" not in card
    assert "`synpic publish --leave-out-flagged`" in card


def test_what_is_flagged_is_kept_unless_asked_for(flagged: Workspace, tmp_path: Path) -> None:
    out = tmp_path / "out"
    publish_to(flagged, out)
    counts = manifest_of(out)["counts"]
    assert (counts["flagged"], counts["unchecked"], counts["candidates"]) == (6, 4, 15)
    assert "flagged_left_out" not in counts
    assert "| images flagged by a safety check | 6 |" in (out / "README.md").read_text()
    # The argument wins over the recipe.
    strict = edit(flagged, recipe(more=LEAVE_OUT))
    assert rank_candidates(strict, flagged="keep").scored.height == 15


def test_a_release_without_flagged_ones_agrees_with_itself(
    flagged: Workspace, tmp_path: Path
) -> None:
    publish_to(flagged, tmp_path / "out", configs=CONFIGS, flagged="leave-out")
    release = open_release(tmp_path / "out")
    assert verify(release).problems == []
    again = rerank(release)
    assert (again.best_changed, again.prompts) == (0, 3)
    assert again.scores.equals(release.table("scores"))


def test_pairs_and_loaded_rankings_follow_the_recipe(flagged: Workspace, tmp_path: Path) -> None:
    strict = edit(flagged, recipe(more=LEAVE_OUT))
    gone = set(rank_candidates(flagged, flagged="keep").scored.filter("flagged")["candidate_id"])
    assert len(gone) == 6
    loaded = load_rankings(strict)
    ids = {one for split in loaded.values() for row in split["candidate_ids"] for one in row}
    assert ids
    assert not ids & gone
    made = export(strict.store.root, "pairwise", tmp_path / "pairs", strategy="all")
    assert sum(made.rows.values()) <= 3 + 3 + 1
    paths = (tmp_path / "pairs").rglob("*.parquet")
    pairs = pl.concat(
        [pl.read_parquet(path, columns=["chosen_id", "rejected_id"]) for path in paths]
    )
    assert pairs.height
    assert not {*pairs["chosen_id"], *pairs["rejected_id"]} & gone


def test_a_release_says_when_it_begins_to_leave_them_out(
    flagged: Workspace, tmp_path: Path
) -> None:
    publish_to(flagged, tmp_path / "kept")
    publish_to(flagged, tmp_path / "left", flagged="leave-out")
    kept, left = released(tmp_path / "kept"), released(tmp_path / "left")
    (change, *_) = [one for one in compare(kept, left) if "flagged" in one.text]
    assert change.level is Level.MINOR
    assert change.text == "images flagged by a safety check are left out, were kept"
    assert any("kept, were left out" in one.text for one in compare(left, kept))
    assert not [one for one in compare(kept, kept) if "flagged" in one.text]


def test_a_word_in_the_recipe_that_changes_no_row_is_a_patch(tmp_path: Path) -> None:
    """Leaving out what is flagged, where nothing is."""
    made = build(tmp_path / "set", flag=lambda row: False)
    publish_to(made, tmp_path / "kept")
    publish_to(edit(made, recipe() + LEAVE_OUT), tmp_path / "left")
    kept, left = released(tmp_path / "kept"), released(tmp_path / "left")
    assert left.counts.flagged_left_out == 0
    for old, new in ((kept, left), (left, kept)):
        assert {change.level for change in compare(old, new)} == {Level.PATCH}
        assert not [change for change in compare(old, new) if "flagged" in change.text]


def test_when_everything_is_flagged_it_says_so(tmp_path: Path) -> None:
    made = build(tmp_path / "set", TWO_SPLITS[:1], flag=lambda row: True)
    with pytest.raises(RankingError, match="all 3 images are flagged"):
        rank_candidates(made, flagged="leave-out")
