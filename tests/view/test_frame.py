"""What a prompt is sorted by, against the same thing counted by hand."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from itertools import combinations
from math import sqrt
from pathlib import Path
from typing import Any

import pytest

from synpic.publish import publish_to
from synpic.view.charts import charts
from synpic.view.frame import Frame, make_frame
from synpic.view.query import answer, parse_query
from synpic.view.rows import rows_of
from synpic.view.source import open_source
from synpic.workspace import Workspace
from synpic.workspace.marks import Mark, Marks, write_marks
from tests.publish import fixtures
from tests.view import making


def groups(frame: Frame) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    for row in frame.prompts.iter_rows(named=True):
        mine = frame.candidates([row["prompt_id"]])
        yield row, list(mine.iter_rows(named=True))


def tau(a: Sequence[float], b: Sequence[float]) -> float | None:
    """Kendall's τ-b, by its definition."""
    balance = of_a = of_b = 0
    for i, j in combinations(range(len(a)), 2):
        sign_a = (a[i] > a[j]) - (a[i] < a[j])
        sign_b = (b[i] > b[j]) - (b[i] < b[j])
        balance += sign_a * sign_b
        of_a += abs(sign_a)
        of_b += abs(sign_b)
    return balance / sqrt(of_a * of_b) if of_a and of_b else None


def scores(rows: list[dict[str, Any]], reward: str) -> list[float]:
    return [row[f"score_{reward}"] for row in rows]


def wins(values: Sequence[float]) -> list[int]:
    return [sum(one > other for other in values) for one in values]


def test_rewards_within_a_prompt(frame: Frame) -> None:
    rewards = list(frame.shown.weights)
    assert len(rewards) == 3
    for row, images in groups(frame):
        found = []
        for a, b in combinations(rewards, 2):
            expected = tau(scores(images, a), scores(images, b))
            assert row[f"tau.{a}.{b}"] == pytest.approx(expected)
            found.append(expected)
        assert row["agreement"] == pytest.approx(statistics.mean(found))
        for reward in rewards:
            others = [wins(scores(images, other)) for other in rewards if other != reward]
            points = [sum(column) for column in zip(*others, strict=True)]
            expected = tau(scores(images, reward), points)
            assert row[f"rest.{reward}"] == (None if expected is None else pytest.approx(expected))


def test_preference_within_a_prompt(frame: Frame) -> None:
    first_of: dict[str, int] = {}
    for _row, images in groups(frame):
        for image in images:
            first_of[image["model"]] = first_of.get(image["model"], 0) + (image["rank"] == 1)
    for row, images in groups(frame):
        phi = [image["preference"] for image in images]
        ranks = [image["rank"] for image in images]
        assert row["margin"] == pytest.approx(max(phi) - min(phi))
        assert row["spread"] == pytest.approx(statistics.pstdev(phi))
        assert row["tied"] == sum(ranks.count(rank) > 1 for rank in ranks)
        best = min((image["rank"], image["candidate_id"], image["model"]) for image in images)
        assert row["winner"] == best[2]
        assert row["winner_rate"] == pytest.approx(first_of[best[2]] / frame.prompts.height)
        assert row["flagged"] == sum(bool(image["flagged"]) for image in images)
        assert row["length"] == len(row["prompt"])


def test_the_places_of_each_reward(frame: Frame) -> None:
    asked = list(reversed(frame.prompts["prompt_id"].to_list()))[:5]
    rows = rows_of(frame, asked)
    assert [row["prompt_id"] for row in rows] == asked
    for row in rows:
        assert row["meta"]["tags"] == ["a", "b"]
        for reward in frame.shown.rewards:
            values = [image["scores"][reward] for image in row["images"]]
            for image in row["images"]:
                above = sum(value > image["scores"][reward] for value in values)
                assert image["places"][reward] == 1 + above


def test_charts_count_every_prompt_once(frame: Frame) -> None:
    found = charts(frame)
    by_name = {one["name"]: one for one in found["histograms"]}
    assert sum(by_name["margin"]["counts"]) == frame.prompts.height
    assert sum(by_name["score_redness"]["counts"]) == frame.shown.candidates.height
    for one in found["agreement"]:
        mean = frame.prompts[f"tau.{one['a']}.{one['b']}"].mean()
        assert one["tau"] == pytest.approx(mean)
    half = frame.prompts["prompt_id"].head(12)
    part = {one["name"]: one for one in charts(frame, half)["histograms"]}["margin"]
    assert sum(part["counts"]) == 12
    assert part["edges"] == by_name["margin"]["edges"]


def test_a_release_shows_what_its_workspace_does(made: Path, frame: Frame, tmp_path: Path) -> None:
    publish_to(Workspace.open(made), tmp_path / "release")
    shown = make_frame(open_source(tmp_path / "release"))
    assert shown.shown.kind == "release"
    numbers = ["prompt_id", "agreement", "margin", "spread", "tied", "winner"]
    left, right = shown.prompts.select(numbers), frame.prompts.select(numbers)
    assert left.height == right.height == 24
    for ours, theirs in zip(left.iter_rows(), right.iter_rows(), strict=True):
        assert ours[0] == theirs[0]
        assert ours[1:5] == pytest.approx(theirs[1:5], abs=1e-6)
    key = shown.shown.candidates.row(3, named=True)
    there = fixtures.encoded(Workspace.open(made))
    read = shown.shown.images.read(key["candidate_id"], key["sha256"])
    assert read == there[key["candidate_id"]]


def test_what_is_not_there_yet(tmp_path: Path) -> None:
    workspace = making.build(tmp_path / "set", 3, keep=lambda row: row["model"] != "beta")
    lost = making.wanted(workspace).filter(model="beta").row(0, named=True)
    making.failure(workspace, lost["candidate_id"], "beta", "<b>out of memory</b>")
    frame = make_frame(open_source(workspace))
    assert frame.prompts["images"].to_list() == [2, 2, 2]
    assert frame.prompts["failed"].sum() == 1
    row = rows_of(frame, [lost["prompt_id"]])[0]
    image = next(one for one in row["images"] if one["model"] == "beta")
    assert image["failure"] == "<b>out of memory</b>"
    assert image["sha256"] is None


def test_what_is_not_scored_has_no_ranks_and_says_why(tmp_path: Path) -> None:
    workspace = making.build(tmp_path / "set", 3, score=lambda reward, row: None)
    frame = make_frame(open_source(workspace))
    assert frame.shown.remark is not None
    assert "scored none" in frame.shown.remark
    assert frame.prompts.height == 3
    assert frame.shown.candidates["rank"].null_count() == 9
    assert charts(frame)["models"] == []


def test_rules_that_choose_prompts_for_a_release_hide_no_ranks(
    frame: Frame, tmp_path: Path
) -> None:
    rules = "[records]\nwhere = \"meta_kind = 'count'\"\nmin_margin = 0.9\ntop = 1\n"
    workspace = making.build(tmp_path / "cut", text=making.RECIPE + rules)
    cut = make_frame(open_source(workspace))
    assert cut.shown.remark is None
    columns = ["prompt_id", "margin", "winner"]
    assert cut.prompts.select(columns).equals(frame.prompts.select(columns))


def test_what_a_release_leaves_out_is_shown_with_the_reason(frame: Frame, tmp_path: Path) -> None:
    rules = '\n[ranking]\ndrop = "marks"\n\n[records]\nwhere = "meta_level < 10"\ntop = 2\n'
    workspace = making.build(tmp_path / "cut", text=making.RECIPE + rules)
    one = frame.prompts["prompt_id"][0]
    write_marks(workspace.store, Marks(prompts={one: Mark(drop=True)}))
    cut = make_frame(open_source(workspace))
    released = {row["prompt_id"] for row in cut.prompts.iter_rows(named=True) if row["released"]}
    assert released == {
        row["prompt_id"]
        for row in cut.prompts.iter_rows(named=True)
        if row["meta_level"] < 10 and row["prompt_id"] != one
    }
    tied = 0
    for row, images in groups(cut):
        if row["prompt_id"] == one:
            for image in images:
                assert image["left_out"] == "dropped before ranking, by marks"
                assert image["rank"] is None
            continue
        # As a release has them: exactly two, and of images that tie the first by id.
        order = sorted(images, key=lambda image: (image["rank"], image["candidate_id"]))
        assert [image["left_out"] is not None for image in order] == [False, False, True]
        tied += order[1]["rank"] == order[2]["rank"]
    assert tied
    query = parse_query([("released", "false")], cut)
    assert set(answer(query, cut, {})) == {*cut.prompts["prompt_id"]} - released
