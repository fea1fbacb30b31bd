"""What judges said, and models beside their base: counted by hand, and looked for in a browser."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import polars as pl
import pytest

import synpic
from benchmarks.browser import serving
from synpic.pipeline.inventory import take_inventory
from synpic.publish import publish_to
from synpic.view.frame import Frame, make_frame
from synpic.view.page import page_facts
from synpic.view.query import answer, parse_query
from synpic.view.rows import rows_of
from synpic.view.source import open_source
from synpic.view.static import write_page
from synpic.workspace import Workspace, tables
from tests.publish.fixtures import hashed_score
from tests.view import judged, making
from tests.view.conftest import Visit
from tests.view.hostile import IMAGE
from tests.view.test_hostile import check
from tests.view.test_page import CONTRAST, after, expected, prompts

KINDS = ("gained", "lost", "both", "none")


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models, an image a prompt."""
    root = tmp_path_factory.mktemp("judged") / "set"
    judged.build(root)
    return root


@pytest.fixture(scope="module")
def one_each(suite: Path) -> Frame:
    return make_frame(open_source(suite))


@pytest.fixture(scope="module")
def address(one_each: Frame) -> Iterator[str]:
    with serving(one_each) as found:
        yield found


def by_hand(workspace: Workspace, model: str) -> dict[str, Counter[str]]:
    """Prompt → of each kind how many pairs, from what the pictures were made to show."""
    right: dict[tuple[str, str], list[bool | None]] = {}
    for number, row in enumerate(
        take_inventory(workspace).wanted_candidates().iter_rows(named=True)
    ):
        shown = judged.is_right(row) if number else None  # the first is not there
        right.setdefault((row["prompt_id"], row["model"]), []).append(shown)
    names = dict(
        zip(((True, False), (False, True), (True, True), (False, False)), KINDS, strict=True)
    )
    return {
        prompt: Counter(
            names[ours, theirs]
            for ours, theirs in zip(right[prompt, model], right[prompt, "base"], strict=True)
            if ours is not None and theirs is not None
        )
        for prompt, _ in right
    }


def test_pairs_are_counted_as_pictures_were_made(tmp_path: Path) -> None:
    workspace = judged.build(tmp_path / "set", limit=6, samples=3, models=3)
    frame = make_frame(open_source(workspace))
    assert frame.shown.evaluated.models == ["base", "tuned", "other"]
    seen: Counter[str] = Counter()
    for model in ("tuned", "other"):
        counts = by_hand(workspace, model)
        for row in frame.prompts.iter_rows(named=True):
            of_prompt = counts[row["prompt_id"]]
            seen += of_prompt
            found = {kind: row[f"{kind}.shapes.{model}"] for kind in KINDS}
            assert found == {kind: of_prompt[kind] for kind in KINDS}
    assert all(seen[kind] for kind in KINDS)
    row = rows_of(frame, frame.prompts["prompt_id"].to_list())[0]
    gains: dict[str, list[float]] = {}
    for nth in range(3):
        of = {image["model"]: image for image in row["images"] if image["nth"] == nth}
        for model in of.keys() - {"base"}:
            ours, theirs = (
                hashed_score("redness", {"candidate_id": of[name]["candidate_id"]})
                for name in (model, "base")
            )
            if of[model]["sha256"] and of["base"]["sha256"]:
                gains.setdefault(model, []).append(ours - theirs)
    for model, more in gains.items():
        assert row[f"gain.redness.{model}"] == pytest.approx(sum(more) / len(more), abs=1e-6)
    assert "gain.greenness.tuned" not in frame.prompts.columns  # [compare] names redness alone
    right = [i["verdicts"]["shapes"]["correct"] for i in row["images"] if i["sha256"]]
    assert row["verdict.shapes"] == pytest.approx(sum(right) / len(right))
    labels = [group["label"] for group in page_facts(frame, marks=True)["contests"]]
    assert labels == ["Right by shapes, tuned or base", "Right by shapes, other or base"]


def test_filters_and_columns_of_the_page(
    visit: Callable[..., Visit], address: str, one_each: Frame, suite: Path
) -> None:
    one = visit(address, reduced_motion="reduce")
    page = one.open(address)
    counts = by_hand(Workspace.open(suite), "tuned")
    assert {sum(of_prompt.values()) for of_prompt in counts.values()} == {0, 1}
    for kind, label in zip(KINDS, ("only tuned", "only base", "both", "none"), strict=True):
        wanted = {prompt for prompt, of_prompt in counts.items() if of_prompt[kind]}
        assert wanted
        count = page.locator(".contest .chip", has_text=label).locator("b")
        assert count.inner_text() == str(len(wanted))
        # One takes the place of the other.
        assert set(after(one, lambda page, at=label: choose(page, at))) == wanted
    after(one, lambda page: page.click("#clear"))
    found = after(one, lambda page: page.select_option("#filters [name=meta_tag]", "colours"))
    assert set(found) == expected(one_each, lambda row: row["meta_tag"] == "colours")
    after(one, lambda page: page.click("#clear"))
    found = after(one, lambda page: page.select_option("#sort", label="redness: tuned gains most"))
    gains = dict(one_each.prompts.select("prompt_id", "gain.redness.tuned").iter_rows())
    there = [gains[prompt] for prompt in found if gains[prompt] is not None]
    assert there == sorted(there, reverse=True)
    assert page.evaluate(CONTRAST) == []
    look_at_cards(page, one_each)
    page.keyboard.press("1")
    page.keyboard.press("s")
    assert page.locator("#large .pane-title bdi").all_inner_texts() == ["base", "tuned"]
    assert page.locator("#large .evaluated .verdicts").count() == 2
    assert "null" not in page.inner_text("#large .about")
    one.check()


def choose(page: Any, label: str) -> None:
    page.locator(".contest .chip", has_text=label).click()


def look_at_cards(page: Any, frame: Frame) -> None:
    """Base first, names above, what the judge said, and who wins by what."""
    rows = {row["prompt_id"]: row for row in rows_of(frame, prompts(page))}
    reasons = 0
    for prompt in prompts(page):
        card = page.locator(f"#prompt-{prompt}")
        images = {image["model"]: image for image in rows[prompt]["images"]}
        assert card.locator(".above .model").all_text_contents() == ["base", "tuned"]
        figures = dict(zip(("base", "tuned"), card.locator("figure").all(), strict=True))
        for model, image in images.items():
            if image["sha256"] is None:
                continue
            text = figures[model].locator(".verdicts").text_content()
            said = image["verdicts"]["shapes"]
            assert said["correct"] is judged.is_right(image)
            assert ("right" if said["correct"] else "wrong") in text
            assert (said["reason"] or "") in text
            reasons += bool(said["reason"])
        if all(image["sha256"] for image in images.values()):
            ours, theirs = (images[name]["scores"]["redness"] for name in ("tuned", "base"))
            wins = figures["tuned"].locator(".wins").text_content()
            assert wins == ("wins by redness" if ours > theirs else "loses by redness")
        assert figures["base"].locator(".wins").count() == 0
    assert reasons


ADDRESSES = [
    "gained.shapes.tuned=1..",
    "lost.shapes.tuned=1..&sort=gain.redness.tuned",
    "both.shapes.tuned=1..&meta_tag=two",
    "none.shapes.tuned=1..&sort=verdict.shapes&order=desc",
    "verdict.shapes=0.5..&gain.redness.tuned=..0",
]


def test_the_page_as_a_folder(visit: Callable[..., Visit], one_each: Frame, tmp_path: Path) -> None:
    write_page(one_each, tmp_path / "page")
    one = visit(f"{(tmp_path / 'page').as_uri()}/")
    page = one.open(f"{(tmp_path / 'page').as_uri()}/index.html")
    look_at_cards(page, one_each)
    for address in ADDRESSES:
        kept = answer(parse_query(parse_qsl(address), one_each), one_each, {}).to_list()
        found = page.evaluate("asked => synpic.source.rows(asked)", address)
        assert [row["prompt_id"] for row in found["rows"]] == kept
    assert set(after(one, lambda page: choose(page, "only tuned"))) == expected(
        one_each, lambda row: row["gained.shapes.tuned"]
    )
    facts = page.locator(".card .facts").all_text_contents()
    assert all("shapes only tuned right" in text for text in facts)
    counts = {f"{kind}.shapes.other": number for number, kind in enumerate(KINDS)}
    of_three = """row => { synpic.compare.models = ["base", "tuned", "other"];
        return synpic.pairFacts(row); }"""
    found = page.evaluate(of_three, counts)
    text = "1 only base right, 2 both right, 3 none right"
    assert found == [["shapes, other", text, "bad"]]
    one.check()


def test_reasons_are_text_scores_are_shown_and_a_release_has_neither(
    visit: Callable[..., Visit], tmp_path: Path
) -> None:
    more = '[judges.hostile]\njudge = "tests.view.judged:hostile"\n'
    more += '[judges.bright]\njudge = "tests.view.judged:brightness"\n\n[compare]\nbase = "beta"\n'
    workspace = making.build(tmp_path / "set", 2, text=making.RECIPE + more)
    assert make_frame(open_source(workspace)).shown.evaluated.judges == []  # none was asked yet
    synpic.score_candidates(workspace).raise_if_unfinished()
    frame = make_frame(open_source(workspace))
    assert "gained.bright.alpha" not in frame.prompts.columns
    images = frame.shown.candidates.filter(pl.col("prompt_id") == frame.prompts["prompt_id"][0])
    bright = dict(images.select("model", "verdict_bright").iter_rows())
    assert frame.prompts["gain.bright.alpha"][0] == pytest.approx(bright["alpha"] - bright["beta"])
    with serving(frame) as where:
        one = visit(where)
        page = one.open(where)
        assert page.locator(".verdicts .reason").first.inner_text() == IMAGE
        said = page.locator("figure").first.locator(".verdicts li").all_inner_texts()
        assert said[1].split() == ["bright", f"{bright['beta']:.2f}"]
        page.keyboard.press("1")
        page.wait_for_selector("#large[open] .reason")
        check(one)
    publish_to(workspace, tmp_path / "release")
    release = make_frame(open_source(tmp_path / "release"))
    (first, *_) = rows_of(release, release.prompts["prompt_id"].to_list())
    assert not {"verdicts", "nth"} & first["images"][0].keys()
    facts = page_facts(release, marks=False)
    assert (facts["contests"], facts["compare"]) == ([], {"models": (), "rewards": ()})
    assert not [name for name in release.prompts.columns if name.startswith(("verdict.", "gain"))]


def test_a_changed_image_has_no_verdict(tmp_path: Path) -> None:
    workspace = judged.build(tmp_path / "set", limit=6, more=judged.COMPARE.split("rewards")[0])
    frame = make_frame(open_source(workspace))
    assert frame.shown.remark is not None  # nothing ranks
    folder = take_inventory(workspace).judges[0].folder
    other = workspace.verdicts(folder).with_columns(sha256=pl.lit("0" * 64))
    shutil.rmtree(workspace.folder / folder)
    workspace.write_part(folder, other.to_arrow().cast(tables.VERDICTS), {})
    changed = make_frame(open_source(workspace))
    assert frame.prompts["both.shapes.tuned"].count() > 0
    assert "both.shapes.tuned" not in changed.prompts.columns
