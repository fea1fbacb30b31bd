"""The page in a browser: every filter, key and mark."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.browser import serving
from synpic.pipeline.inventory import take_inventory
from synpic.view.frame import Frame, make_frame
from synpic.view.source import open_source
from synpic.workspace import Workspace
from synpic.workspace.marks import MARKS, read_marks
from tests.browsing import wait_until
from tests.publish.people import PEOPLE, label_pairs
from tests.view import making
from tests.view.conftest import Visit


@pytest.fixture(scope="module")
def address(frame: Frame) -> Iterator[str]:
    with serving(frame) as found:
        yield found


@pytest.fixture
def opened(visit: Callable[..., Visit], address: str) -> Iterator[Visit]:
    one = visit(address)
    one.open(address)
    yield one
    one.check()


def prompts(page: Any) -> list[str]:
    found: list[str] = page.locator(".card").evaluate_all("all => all.map(x => x.dataset.prompt)")
    return found


def after(visit: Visit, act: Callable[[Any], Any]) -> list[str]:
    """The prompts that are shown once ``act`` has changed the address."""
    before = visit.page.url
    act(visit.page)
    wait_until(visit.page, "before => location.href !== before", arg=before)
    visit.settled()
    return prompts(visit.page)


def expected(frame: Frame, keep: Callable[[dict[str, Any]], Any]) -> set[str]:
    return {row["prompt_id"] for row in frame.prompts.iter_rows(named=True) if keep(row)}


def test_a_page_of_prompts(opened: Visit, frame: Frame) -> None:
    page = opened.page
    assert prompts(page) == frame.prompts["prompt_id"][:20].to_list()
    assert "24 prompts" in page.inner_text("#count")
    first = page.locator(".card").first
    images = frame.candidates(prompts(page)[:1])
    assert first.locator("h2").inner_text() == frame.prompts["prompt"][0]
    shown = first.locator("figure").evaluate_all("all => all.map(x => x.dataset.candidate)")
    assert shown == images.sort("rank", maintain_order=True)["candidate_id"].to_list()
    best = images.sort("rank", maintain_order=True).row(0, named=True)
    alt = first.locator("img").first.get_attribute("alt")
    assert alt == f"{frame.prompts['prompt'][0]}, {best['model']}, rank 1"
    wait_until(page, "document.querySelector('.card img').naturalWidth > 0")
    page.click("text=by model")
    shown = (
        page.locator(".card")
        .first.locator("figure")
        .evaluate_all("all => all.map(x => x.dataset.candidate)")
    )
    assert shown == images["candidate_id"].to_list()
    assert len(after(opened, lambda page: page.keyboard.press("]"))) == 4


def test_filters_of_the_forms(opened: Visit, frame: Frame) -> None:
    page = opened.page

    def clear() -> None:
        after(opened, lambda page: page.click("#clear"))

    assert set(after(opened, lambda page: page.fill("#q", "star"))) == expected(
        frame, lambda row: "star" in row["prompt"]
    )
    clear()
    page.fill("#q", "")
    after(opened, lambda page: page.check("input[name=regex]", force=True))
    assert set(after(opened, lambda page: page.fill("#q", "number 1[0-5]$"))) == expected(
        frame, lambda row: re.search("number 1[0-5]$", row["prompt"])
    )
    clear()
    for name, value, keep in [
        ("winner", "beta", lambda row: row["winner"] == "beta"),
        ("split", "validation", lambda row: row["split"] == "validation"),
        ("meta_kind", "colour", lambda row: row["meta_kind"] == "colour"),
    ]:
        found = after(
            opened, lambda page, n=name, v=value: page.select_option(f"#filters [name={n}]", v)
        )
        assert set(found) == expected(frame, keep)
        clear()
    level = page.locator("#filters [name=meta_level]")
    assert set(after(opened, lambda page: (level.fill("3..8"), level.press("Enter")))) == expected(
        frame, lambda row: 3 <= row["meta_level"] <= 8
    )
    clear()
    for name in ("tied", "flagged", "failed"):
        box = f"#filters [name={name}]"
        found = after(opened, lambda page, box=box: page.check(box, force=True))
        assert set(found) == expected(frame, lambda row, name=name: row[name] > 0)
        clear()
    assert len(prompts(page)) == 20


def test_every_sort(opened: Visit, frame: Frame) -> None:
    values = opened.page.locator("#sort option").evaluate_all("all => all.map(x => x.value)")
    assert len(values) == 15
    for value in values[1:]:
        column, _, order = value.rpartition(":")
        found = after(opened, lambda page, value=value: page.select_option("#sort", value))
        of = dict(frame.prompts.select("prompt_id", column).iter_rows())
        there = [of[one] for one in found if of[one] is not None]
        assert there == sorted(there, reverse=order == "desc")


def test_charts_are_filters(opened: Visit, frame: Frame) -> None:
    page = opened.page
    page.wait_for_selector(".bars button")
    won = page.locator(".bars button").first
    name = won.locator(".name").inner_text()
    assert set(after(opened, lambda page: won.click())) == expected(
        frame, lambda row: row["winner"] == name
    )
    after(opened, lambda page: page.click("#clear"))
    page.wait_for_selector(".bars [aria-pressed=false]")
    after(opened, lambda page: page.locator(".tau").first.click())
    assert "disagreement of" in page.locator("#sort option:checked").inner_text()
    after(opened, lambda page: page.click("#clear"))
    bar = page.locator(".bins button:not([disabled])").first
    found = after(opened, lambda page: bar.click())
    assert 0 < len(found) < 24
    assert len(after(opened, lambda page: page.locator("#active button").click())) == 20
    fact = page.locator(".fact", has_text="kind").first
    kind = fact.locator("bdi").last.inner_text()
    assert set(after(opened, lambda page: fact.click())) == expected(
        frame, lambda row: row["meta_kind"] == kind
    )


def test_keys_and_the_large_view(opened: Visit) -> None:
    page = opened.page
    ids = prompts(page)
    page.keyboard.press("j")
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.dataset.prompt") == ids[1]
    page.keyboard.press("k")
    assert page.evaluate("document.activeElement.dataset.prompt") == ids[0]
    page.keyboard.press("2")
    page.wait_for_selector("#large[open] .pane img")
    assert f"#prompt={ids[0]}&image=" in page.url
    assert page.locator(".strip [aria-current]").inner_text() == "2"
    page.keyboard.press("ArrowRight")
    assert page.locator(".strip [aria-current]").inner_text() == "3"
    page.keyboard.press("+")
    assert "scale(1.5)" in page.locator(".pane img").get_attribute("style")
    page.keyboard.press("0")
    page.keyboard.press("s")
    assert page.locator(".pane").count() == 2
    page.keyboard.press("f")
    seen = set()
    for _ in range(2):
        image = page.locator(".pane img:not(.away)").get_attribute("data-large")
        seen.add(image)
        page.wait_for_selector(f".pane img.away[data-large='{image}']", state="attached")
    assert len(seen) == 2
    page.keyboard.press("Escape")
    page.wait_for_selector("#large:not([open])", state="attached")
    assert page.evaluate("document.activeElement.dataset.prompt") == ids[0]
    page.keyboard.press("f")
    page.wait_for_selector("#large[open]")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    page.wait_for_selector("#help[open]")
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "q"
    # What is written is written: no key of the page's.
    page.keyboard.type("j2")
    assert page.input_value("#q") == "j2"


def test_a_link_leads_to_its_prompt(
    visit: Callable[..., Visit], address: str, frame: Frame
) -> None:
    last = frame.prompts["prompt_id"][-1]
    one = visit(address)
    page = one.open(f"{address}#prompt={last}")
    wait_until(page, "one => document.activeElement.dataset.prompt === one", arg=last)
    image = frame.candidates([last])["candidate_id"][0]
    page.goto("about:blank")
    page.goto(f"{address}#prompt={last}&image={image}")
    page.wait_for_selector(f"#large[open] [data-large='{image}']")
    one.check()


def test_a_row_as_json(opened: Visit, frame: Frame) -> None:
    opened.page.locator(".card").first.get_by_text("JSON").click()
    found = json.loads(opened.page.locator("#json pre").inner_text())
    assert found["prompt"] == frame.prompts["prompt"][0]
    assert len(found["images"]) == 3


def test_marks_by_keys_and_buttons(visit: Callable[..., Visit], tmp_path: Path) -> None:
    workspace = making.build(tmp_path / "set", 4)
    with serving(make_frame(open_source(workspace))) as address:
        one = visit(address)
        page = one.open(address)
        first, second = prompts(page)[:2]
        page.keyboard.press("j")
        for key, mark in [("d", "drop"), ("u", "keep"), ("x", "star")]:
            page.keyboard.press(key)
            page.wait_for_selector(f"[data-id='{first}'].mark.{mark}[aria-pressed=true]")
        marks = read_marks(workspace.store).prompts
        assert marks[first].model_dump(exclude_defaults=True) == {"keep": True, "star": True}
        page.keyboard.press("n")
        page.locator("#note textarea").fill("look\nagain <b>")
        page.click("#note .primary")
        page.wait_for_selector(f"[data-note='{first}']:not([hidden])")
        assert read_marks(workspace.store).prompts[first].note == "look\nagain <b>"
        page.keyboard.press("1")
        page.wait_for_selector("#large[open]")
        page.keyboard.press("d")
        page.wait_for_selector("#large .mark.drop[aria-pressed=true]")
        (image,) = read_marks(workspace.store).candidates
        page.keyboard.press("Escape")
        page.wait_for_selector(f"[data-candidate='{image}'].dropped")
        page.wait_for_selector("#unheeded:not([hidden])")
        assert "1 mark drop" in page.inner_text("#unheeded")
        text = workspace.store.read("recipe.toml").decode()
        workspace.store.write("recipe.toml", (text + '\n[ranking]\ndrop = "marks"\n').encode())
        page.locator(f"[data-id='{second}'].mark.drop").click()
        page.wait_for_selector("#unheeded", state="hidden")
        page.wait_for_selector(f"[data-prompt='{second}'].dropped")
        assert set(after(one, lambda page: page.select_option("#marked", "drop"))) == {
            first,
            second,
        }
        page.reload()
        one.settled()
        page.wait_for_selector(f"[data-id='{first}'].mark.star[aria-pressed=true]")
        page.locator(f"[data-id='{first}'].mark.star").click()
        page.wait_for_selector(f"[data-id='{first}'].mark.star[aria-pressed=false]")
        assert not read_marks(Workspace.open(tmp_path / "set").store).prompts[first].star
        one.check()


def test_marks_that_cannot_be_read_are_one_message(
    visit: Callable[..., Visit], tmp_path: Path
) -> None:
    workspace = making.build(tmp_path / "set", 2)
    workspace.store.write(MARKS, b"drop = 3")
    with serving(make_frame(open_source(workspace))) as address:
        one = visit(address)
        page = one.open(address)
        page.wait_for_selector("#problem:not([hidden])")
        assert "marks.toml" in page.inner_text("#problem")
        assert len(prompts(page)) == 2
        one.check()
        page.locator(".mark.drop").first.click()
        wait_until(page, "document.querySelector('#problem').innerText.includes('marks')")
        assert page.locator(".mark[aria-pressed=true]").count() == 0
        assert workspace.store.read(MARKS) == b"drop = 3"


def test_a_question_that_cannot_be_answered_says_why(
    visit: Callable[..., Visit], address: str
) -> None:
    one = visit(address)
    page = one.open(f"{address}?q=(&regex=1")
    assert "no regular expression" in page.inner_text("#problem")
    page.click("#clear")
    page.wait_for_selector(".card")
    assert page.locator("#problem").is_hidden()


def test_what_a_release_leaves_out_is_said(visit: Callable[..., Visit], tmp_path: Path) -> None:
    rules = '\n[records]\nwhere = "meta_level = 0"\ntop = 1\n'
    workspace = making.build(tmp_path / "set", 3, text=making.RECIPE + rules)
    with serving(make_frame(open_source(workspace))) as address:
        one = visit(address)
        page = one.open(address)
        assert "not among the first 1" in page.locator(".why").first.inner_text()
        found = after(one, lambda page: page.check("[name=released]", force=True))
        assert len(found) == 2
        assert page.locator(".facts", has_text="cut from the release").count() == 2
        one.check()


@pytest.mark.parametrize("width", [360, 480, 1000])
def test_nothing_is_wider_than_a_narrow_window(
    visit: Callable[..., Visit], address: str, width: int
) -> None:
    one = visit(address)
    one.page.set_viewport_size({"width": width, "height": 800})
    page = one.open(address)
    page.wait_for_selector(".card figure")
    wide = page.evaluate(
        """() => [...document.querySelectorAll(".card, .images, figure, .bar, nav.pages")]
        .filter((one) => one.getBoundingClientRect().right > innerWidth)
        .map((one) => one.className)"""
    )
    assert wide == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_and_names(visit: Callable[..., Visit], address: str, scheme: str) -> None:
    # Nothing is half faded while it is looked at.
    one = visit(address, color_scheme=scheme, reduced_motion="reduce")
    page = one.open(address)
    page.wait_for_selector(".bars button")
    faint = page.evaluate(CONTRAST)
    assert faint == []
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll("button, input, select, textarea, a")].filter(x =>
        !(x.getAttribute("aria-label") || x.textContent.trim() || x.title
          || x.labels?.length || x.getAttribute("aria-labelledby"))).map(x => x.outerHTML)"""
    )
    assert unnamed == []
    one.check()


CONTRAST = """() => {
  const parts = (text) => {
    const found = text.match(/[\\d.]+/g).map(Number);
    return text.startsWith("color(srgb") ? [...found.slice(0, 3).map((x) => x * 255), found[3] ?? 1]
      : [...found.slice(0, 3), found[3] ?? 1];
  };
  const over = ([r, g, b, a], below) => [r, g, b].map((x, i) => x * a + below[i] * (1 - a));
  const behind = (element) => {
    const layers = [];
    for (let one = element; one; one = one.parentElement) {
      layers.push(parts(getComputedStyle(one).backgroundColor));
    }
    return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255]);
  };
  const light = (rgb) => rgb.map((x) => x / 255)
    .map((x) => (x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4))
    .reduce((sum, x, i) => sum + x * [0.2126, 0.7152, 0.0722][i], 0);
  const faint = [];
  for (const element of document.querySelectorAll("header *, aside *, main *")) {
    const own = [...element.childNodes].some((x) => x.nodeType === 3 && x.data.trim());
    if (!own || element.closest(".hidden, [disabled], option")) continue;
    if (!element.checkVisibility()) continue;
    const below = behind(element);
    let opacity = 1;
    for (let one = element; one; one = one.parentElement) opacity *= getComputedStyle(one).opacity;
    const [r, g, b, a] = parts(getComputedStyle(element).color);
    const pair = [light(over([r, g, b, a * opacity], below)), light(below)].sort((x, y) => y - x);
    const ratio = (pair[0] + 0.05) / (pair[1] + 0.05);
    if (ratio < 4.5) faint.push([element.className, element.textContent, ratio.toFixed(2)]);
  }
  return faint;
}"""


def test_people_have_wins_and_no_score(visit: Callable[..., Visit], tmp_path: Path) -> None:
    """Beside the scores of an image stand the pairs that it wins, where all are compared."""
    made = making.build(tmp_path / "set", 2, text=making.RECIPE + PEOPLE)
    first = min(take_inventory(made).prompts["prompt_id"])
    label_pairs(made, share=lambda pair: 1.0, keep=lambda pair: pair[0]["prompt_id"] == first)
    with serving(make_frame(open_source(made))) as address:
        seen = visit(address)
        seen.open(address)
        rows = [
            card.locator(".scores tr").filter(has_text="people").locator("td").all_inner_texts()
            for card in seen.page.locator(".card").all()
        ]
        assert sorted(rows[0]) == ["0 of 2 pairs", "1 of 2 pairs", "2 of 2 pairs"]
        assert rows[1] == ["–", "–", "–"]
        seen.page.get_by_role("combobox", name="Sort by").select_option(
            label="people against the others"
        )
        seen.check()
