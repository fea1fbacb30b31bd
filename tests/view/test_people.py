"""People against φ: counted by hand, held to `synpic agree`, and looked for in a browser."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest

from benchmarks.browser import serving
from synpic.evaluate.agree import agree
from synpic.publish import publish_to
from synpic.view.frame import Frame, make_frame
from synpic.view.page import page_facts
from synpic.view.rows import rows_of
from synpic.view.source import open_source
from synpic.workspace import Workspace
from synpic.workspace.labels import read_labels
from tests.publish.people import PEOPLE, label_pairs, of_hash
from tests.view import making
from tests.view.conftest import Visit
from tests.view.hostile import IMAGE
from tests.view.test_hostile import check
from tests.view.test_page import CONTRAST, after

KEY = "ingested.overall"


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("people") / "set"
    making.label(making.build(root, 24), more="alignment")
    return root


@pytest.fixture(scope="module")
def people(labelled: Path) -> Frame:
    return make_frame(open_source(labelled))


@pytest.fixture(scope="module")
def address(people: Frame) -> Iterator[str]:
    with serving(people) as found:
        yield found


def by_hand(frame: Frame, labels: pl.DataFrame) -> dict[str, list[float]]:
    """Prompt → 1, ½ or 0 for each pair that people decided."""
    phi = dict(frame.shown.candidates.select("candidate_id", "preference").iter_rows())
    votes: dict[tuple[str, ...], list[float]] = {}
    for row in labels.iter_rows(named=True):
        known = row["left"] in phi and row["question"] == "overall" and row["kind"] == "person"
        if not known or row["share"] is None:
            continue
        one, other = sorted((row["left"], row["right"]))
        won = row["share"] if row["left"] == one else 1 - row["share"]
        sums = votes.setdefault((row["prompt_id"], one, other), [0.0, 0.0])
        sums[0] += won * row["n"]
        sums[1] += (1 - won) * row["n"]
    found: dict[str, list[float]] = {}
    for (prompt, one, other), (first, second) in votes.items():
        if abs(first - second) < 1e-5:
            continue
        ahead = (phi[one] - phi[other]) * (1 if first > second else -1)
        found.setdefault(prompt, []).append(1.0 if ahead > 0 else 0.5 if ahead == 0 else 0.0)
    return found


def test_columns_are_what_is_counted_by_hand(people: Frame, labelled: Path) -> None:
    found = by_hand(people, read_labels(Workspace.open(labelled), "ingested"))
    assert {0.0, 0.5, 1.0} <= {one for of_prompt in found.values() for one in of_prompt}
    for row in people.prompts.iter_rows(named=True):
        of_prompt = found.get(row["prompt_id"])
        if of_prompt is None:
            assert row[f"against.{KEY}"] is row[f"judged.{KEY}"] is row[f"accuracy.{KEY}"] is None
            continue
        assert row[f"against.{KEY}"] == of_prompt.count(0.0)
        assert row[f"judged.{KEY}"] == len(of_prompt)
        assert row[f"accuracy.{KEY}"] == pytest.approx(sum(of_prompt) / len(of_prompt))


def test_pairs_are_those_of_agree(tmp_path: Path) -> None:
    """Where no reward labelled anything: `synpic agree` holds φ to all labels of a source."""
    workspace = making.build(tmp_path / "set", 12)
    label_pairs(workspace, source="ingested", share=lambda pair: round(3 * of_hash(pair)) / 3)
    frame = make_frame(open_source(workspace))
    (question,) = agree(workspace).questions
    expected = question.pairs.select(
        "one", "other", "share", "votes", right=pl.col("right.φ")
    ).sort("one", "other")
    rows = rows_of(frame, frame.prompts["prompt_id"].to_list())
    found = pl.DataFrame([pair for row in rows for pair in row["votes"]])
    # A pair is named from either side.
    turned = pl.col("one") > pl.col("other")
    found = found.select(
        one=pl.when(turned).then("other").otherwise("one"),
        other=pl.when(turned).then("one").otherwise("other"),
        share=pl.when(turned).then(1 - pl.col("share")).otherwise("share"),
        votes="votes",
        right=pl.col("right").cast(pl.Float64),
    ).sort("one", "other")
    assert found.drop("share").equals(expected.drop("share"))
    assert found["share"].to_list() == pytest.approx(expected["share"].to_list(), abs=2e-6)
    judged = expected.drop_nulls("right")
    assert frame.prompts[f"judged.{KEY}"].sum() == judged.height
    assert frame.prompts[f"against.{KEY}"].sum() == (judged["right"] == 0).sum()


def test_labels_that_rank_are_held_to_the_other_rewards(tmp_path: Path) -> None:
    workspace = making.build(tmp_path / "set", 8, text=making.RECIPE + PEOPLE)
    label_pairs(workspace)
    frame = make_frame(open_source(workspace))
    (question,) = agree(workspace).questions
    right = question.pairs.group_by("prompt_id").agg(pl.col("right.φ").mean()).sort("prompt_id")
    accuracy = frame.prompts["accuracy.study.overall"]
    assert accuracy.to_list() == pytest.approx(right["right.φ"].to_list())
    publish_to(workspace, tmp_path / "release")
    release = make_frame(open_source(tmp_path / "release"))
    columns = ["prompt_id", "against.study.overall", "judged.study.overall"]
    assert release.prompts.select(columns).equals(frame.prompts.select(columns))
    ids = frame.prompts["prompt_id"].to_list()
    for ours, theirs in zip(rows_of(release, ids), rows_of(frame, ids), strict=True):
        # A release holds shares, and no number of votes.
        assert [{**pair, "votes": None} for pair in theirs["votes"]] == ours["votes"]
        assert {pair["votes"] for pair in theirs["votes"]} == {3}


@pytest.mark.parametrize("config", ["pairwise", "pickapic"])
def test_a_release_of_labelled_pairs(tmp_path: Path, config: str) -> None:
    text = f'\n[records]\npairs = "own"\nconfigs = ["ranked", "{config}"]\n'
    workspace = making.build(tmp_path / "set", 8, text=making.RECIPE + text)
    label_pairs(workspace)
    publish_to(workspace, tmp_path / "release")
    release = make_frame(open_source(tmp_path / "release"))
    frame = make_frame(open_source(workspace))
    columns = ["prompt_id", "against.study.overall", "judged.study.overall"]
    assert release.prompts.select(columns).equals(frame.prompts.select(columns))
    pair = rows_of(release, frame.prompts["prompt_id"].head(1).to_list())[0]["votes"][0]
    assert pair["people"] in (pair["one"], pair["other"])
    assert pair["share"] is pair["votes"] is None


def test_where_there_is_nothing_to_hold_to(tmp_path: Path, frame: Frame) -> None:
    facts = page_facts(frame, marks=True)
    assert (facts["people"], facts["people_remark"]) == ([], None)
    assert "votes" not in rows_of(frame, frame.prompts["prompt_id"].head(1).to_list())[0]
    alone = making.build(
        tmp_path / "alone", 4, text=making.RECIPE.partition("[rewards")[0] + PEOPLE
    )
    label_pairs(alone)
    found = make_frame(open_source(alone))
    facts = page_facts(found, marks=True)
    assert facts["people"] == []
    assert "labels alone rank" in facts["people_remark"]
    assert rows_of(found, found.prompts["prompt_id"].to_list())[0]["votes"][0]["right"] is None
    asked = making.build(tmp_path / "asked", 2)
    asked.store.write("study/mine/study.json", b"{}")
    remark = make_frame(open_source(asked)).shown.people.remark
    assert remark is not None
    assert "synpic study export --name mine" in remark


def test_sorts_filters_and_votes_on_the_page(
    visit: Callable[..., Visit], address: str, people: Frame
) -> None:
    one = visit(address, reduced_motion="reduce")
    page = one.open(address)
    of = {row["prompt_id"]: row for row in people.prompts.iter_rows(named=True)}
    found = after(
        one, lambda page: page.select_option("#sort", label="people against φ: most pairs")
    )
    there = [of[prompt][f"against.{KEY}"] for prompt in found]
    assert there == sorted(there, reverse=True)
    assert there[0] > 0
    label = page.locator("#filters label", has_text="people against φ").first
    found = after(one, lambda page: label.click())
    assert set(found) == {key for key, row in of.items() if (row[f"against.{KEY}"] or 0) >= 1}
    assert page.locator("#filters label", has_text="people against φ, alignment").count() == 1
    first = page.locator(".card").first
    row = rows_of(people, [found[0]])[0]
    pairs = [pair for pair in row["votes"] if pair["question"] == "overall"]
    judged = [pair for pair in pairs if pair["right"] is not None]
    against = sum(pair["right"] == 0 for pair in judged)
    assert f"people against φ {against} of {len(judged)} pair" in first.inner_text()
    image = first.locator("figure").first
    mine = image.get_attribute("data-candidate")
    shares = [
        (pair["share"] if pair["one"] == mine else 1 - pair["share"]) * pair["votes"]
        for pair in pairs
        if mine in (pair["one"], pair["other"])
    ]
    votes = sum(pair["votes"] for pair in pairs if mine in (pair["one"], pair["other"]))
    said = image.locator("tr.votes").first.locator("td").inner_text()
    assert said == f"{sum(shares):g} of {votes} votes"
    first.get_by_text("JSON").click()
    assert json.loads(page.locator("#json pre").inner_text())["votes"] == row["votes"]
    page.keyboard.press("Escape")
    assert page.evaluate(CONTRAST) == []
    one.check()


def test_votes_in_the_large_view(visit: Callable[..., Visit], address: str, people: Frame) -> None:
    pair = next(
        {**pair, "prompt": row["prompt_id"]}
        for row in rows_of(people, people.prompts["prompt_id"].to_list())
        for pair in row["votes"]
        if pair["right"] == 0 and pair["votes"] == 5 and pair["question"] == "overall"
    )
    one = visit(address)
    page = one.open(f"{address}#prompt={pair['prompt']}&image={pair['one']}")
    page.wait_for_selector("#large[open]")
    numbers = page.locator(".strip button").evaluate_all(
        "all => all.map(x => x.querySelector('img').src)"
    )
    other = 1 + next(at for at, source in enumerate(numbers) if pair["other"] in source)
    won = round(pair["share"] * 5)
    line = f"votes against {other}: {won} of 5 votes (φ prefers the other)"
    assert page.locator("#large .against", has_text=line).count() == 1
    page.keyboard.press("s")
    page.keyboard.press(str(other))
    lines = page.locator("#large .reward-list").last.locator("li").all_inner_texts()
    assert line in lines
    assert all(f"against {other}:" in text for text in lines)
    one.check()


def test_a_hostile_question_is_shown_as_text(visit: Callable[..., Visit], tmp_path: Path) -> None:
    workspace = making.build(tmp_path / "set", 3)
    making.label(workspace, question=IMAGE)
    with serving(make_frame(open_source(workspace))) as where:
        one = visit(where)
        page = one.open(where)
        assert page.locator("#filters label", has_text=IMAGE).count() == 1
        assert page.locator("tr.votes").first.inner_text().startswith(f"votes {IMAGE}")
        page.keyboard.press("1")
        page.wait_for_selector("#large[open]")
        check(one)


def test_damaged_pairs_of_a_release_hide_no_image(tmp_path: Path) -> None:
    text = '\n[records]\npairs = "own"\nconfigs = ["ranked", "pairwise"]\n'
    workspace = making.build(tmp_path / "set", 3, text=making.RECIPE + text)
    label_pairs(workspace)
    publish_to(workspace, tmp_path / "release")
    for shard in (tmp_path / "release").glob("pairwise/*.parquet"):
        shard.write_bytes(b"PAR1")
    shown = open_source(tmp_path / "release")
    assert shown.people.asked == ()
    assert "pairwise" in str(shown.people.remark)
    assert make_frame(shown).prompts.height == 3
