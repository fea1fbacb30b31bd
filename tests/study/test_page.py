"""The page in a browser: every key, what is shown and what is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synpic.study.definition import Study, open_study, write_study
from synpic.study.keeping import delete_rater
from synpic.study.new import StudyOptions, plan_study
from synpic.study.questions import StudyQuestion
from synpic.workspace import Workspace
from synpic.workspace.votes import read_votes
from tests.browsing import wait_until
from tests.study import making
from tests.study.conftest import Serving, Visit
from tests.view.hostile import HOSTILE
from tests.view.test_page import CONTRAST

SHOWN = "#asking:not([hidden]):not(.waiting)"


def answers(workspace: Workspace) -> list[str]:
    return read_votes(Path(workspace.store.path("study/study/votes.db")))["answer"].to_list()


def begun(visit: Callable[..., Visit], address: str, **options: Any) -> Visit:
    one = visit(address, **options)
    one.page.goto(address)
    one.page.wait_for_selector("#consent:not([hidden])")
    one.page.keyboard.press("Enter")  # Begin has the focus
    one.page.wait_for_selector(SHOWN)
    return one


def after(page: Any, key: str) -> None:
    before = page.inner_text("#count")
    page.keyboard.press(key)
    wait_until(page, "before => document.querySelector('#count').innerText !== before", arg=before)
    if page.locator("#asking").is_visible():
        page.wait_for_selector(SHOWN)


def test_every_key_then_thanks_without_a_mouse(
    visit: Callable[..., Visit], workspace: Workspace, serving: Serving
) -> None:
    with serving(pairs=6, questions=["overall"], checks=0) as address:
        one = begun(visit, address)
        page = one.page
        for key in ("ArrowLeft", "ArrowRight", "Space", "b", "s"):
            after(page, key)
        assert answers(workspace) == ["left", "right", "tie", "both_bad", "skip"]
        after(page, "u")
        after(page, "u")
        after(page, "ArrowRight")
        assert answers(workspace) == ["left", "right", "tie", "right"]
        page.keyboard.press("?")
        page.wait_for_selector("#help[open]")
        page.keyboard.press("ArrowLeft")  # of the dialog, and no answer
        page.keyboard.press("Escape")
        # A button that has the focus does not take the space bar away.
        page.locator("#asking button[data-answer=both_bad]").focus()
        after(page, "Space")
        assert answers(workspace)[-1] == "tie"
        after(page, "ArrowLeft")
        page.wait_for_selector("#thanks:not([hidden])")
        assert page.locator("#thanks .rater").inner_text() == read_rater(workspace)
        after(page, "u")
        page.wait_for_selector(SHOWN)
        page.reload()
        page.wait_for_selector(SHOWN)
        assert page.inner_text("#count") == "5 of 6"
        page.locator("#asking .answers button[data-answer=left]").click()
        page.wait_for_selector("#thanks:not([hidden])")
        one.check()


def read_rater(workspace: Workspace) -> str:
    votes = read_votes(Path(workspace.store.path("study/study/votes.db")))
    (rater,) = votes["rater"].unique()
    return str(rater)


def test_what_is_next_is_loaded_already_and_alt_texts_say_nothing(
    visit: Callable[..., Visit], serving: Serving
) -> None:
    with serving(pairs=6, questions=["overall"], checks=0) as address:
        one = visit(address)
        asked: list[str] = []
        one.page.on("request", lambda request: asked.append(request.url))
        one.page.goto(address)
        one.page.click("#begin")
        one.page.wait_for_selector(SHOWN)
        one.page.wait_for_load_state("networkidle")
        pictures = [url for url in asked if "/images/" in url]
        assert len(set(pictures)) == 6
        asked.clear()
        after(one.page, "ArrowLeft")
        shown = {one.page.locator(f"#{side}").get_attribute("src") for side in ("left", "right")}
        assert not any(url.endswith(str(src)) for url in asked for src in shown)
        alts = one.page.locator("#asking img").evaluate_all("all => all.map(x => x.alt)")
        assert alts == ["Image on the left", "Image on the right"]
        one.check()


def test_an_answer_waits_for_the_server_and_is_sent_until_it_arrives(
    visit: Callable[..., Visit], workspace: Workspace, serving: Serving
) -> None:
    with serving(pairs=6) as address:
        one = begun(visit, address)
        one.page.route("**/api/vote", lambda route: route.abort())
        one.page.keyboard.press("ArrowLeft")
        one.page.wait_for_selector("#problem:not([hidden])")
        assert "sent again" in one.page.inner_text("#problem")
        one.page.keyboard.press("ArrowRight")  # one is on its way
        assert answers(workspace) == []
        one.page.unroute("**/api/vote")
        wait_until(one.page, "() => document.querySelector('#count').innerText.startsWith('1 ')")
        assert answers(workspace) == ["left"]
        assert one.page.locator("#problem").is_hidden()
        assert one.foreign == []


def test_what_stands_before_the_server_is_shown_as_it_says(
    visit: Callable[..., Visit], workspace: Workspace, serving: Serving
) -> None:
    with serving(pairs=6) as address:
        one = begun(visit, address)
        page = one.page
        page.route("**/api/vote", lambda route: route.fulfill(status=403, body="Sign in again."))
        page.keyboard.press("ArrowLeft")
        page.wait_for_selector("#problem:not([hidden])")
        assert page.inner_text("#problem") == "The server answered 403: Sign in again."
        page.unroute("**/api/vote")
        after(page, "ArrowLeft")
        assert answers(workspace) == ["left"]
        assert page.locator("#problem").is_hidden()
        # Everything of the rater was deleted meanwhile: the page begins again.
        delete_rater(workspace, open_study(workspace, "study"), read_rater(workspace))
        page.keyboard.press("ArrowLeft")
        page.wait_for_selector("#consent:not([hidden])")


def test_the_prompt_is_hidden_where_the_question_is_about_looks(
    visit: Callable[..., Visit], serving: Serving
) -> None:
    with serving(pairs=6, questions=["appeal"]) as address:
        one = begun(visit, address)
        assert one.page.locator("#prompt").is_hidden()
        assert "table" not in one.page.content()
        one.check()


def test_hostile_prompts_and_questions_are_text(
    visit: Callable[..., Visit], tmp_path: Path, serving: Serving, workspace: Workspace
) -> None:
    other = making.build(tmp_path / "hostile", HOSTILE[::3])
    study = plan_study(other, StudyOptions(pairs=17, questions=["overall"], checks=0)).study
    asked = StudyQuestion(name="hostile", text=HOSTILE[4], shows_prompt=True)
    write_study(other, Study(**{**dict(study), "questions": [asked]}))
    workspace.store, old = other.store, workspace.store
    try:
        with serving() as address:
            one = begun(visit, address)
            assert one.page.locator("#question").inner_text() == HOSTILE[4]
            for _ in range(17 + 1):
                after(one.page, "Space")
            assert one.page.locator("#thanks").is_visible()
            assert one.page.evaluate("window.hostile") is None
            one.check()
    finally:
        workspace.store = old


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_names_and_narrow_windows(
    visit: Callable[..., Visit], serving: Serving, scheme: str
) -> None:
    with serving(pairs=6, questions=["overall"], checks=0) as address:
        one = begun(visit, address, color_scheme=scheme, reduced_motion="reduce")
        page = one.page
        assert page.evaluate(CONTRAST) == []
        for width in (320, 480, 1000):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            assert page.locator("#asking .answers").is_visible()
        for _ in range(6):
            after(page, "s")
        assert page.evaluate(CONTRAST) == []
        one.check()
