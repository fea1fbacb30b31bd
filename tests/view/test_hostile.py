"""Prompts, reasons and notes that are markup, scripts or worse: shown, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from benchmarks.browser import serving
from synpic.view.frame import make_frame
from synpic.view.source import open_source
from tests.browsing import wait_until
from tests.view import making
from tests.view.conftest import Visit
from tests.view.hostile import HOSTILE, IMAGE

INVISIBLE = "[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u200b\\u202a-\\u202e\\u2060-\\u2069]"


def test_in_every_view_of_the_server(visit: Callable[..., Visit], tmp_path: Path) -> None:
    workspace = making.build(tmp_path / IMAGE.replace("/", "_"), HOSTILE)
    lost = making.wanted(workspace).row(0, named=True)
    making.failure(workspace, lost["candidate_id"], lost["model"], IMAGE)
    frame = make_frame(open_source(workspace))
    with serving(frame) as address:
        one = visit(address)
        page = one.open(f"{address}?size=50")
        assert page.locator(".card").count() == len(HOSTILE)
        check(one)
        shown = page.locator(".card h2").all_text_contents()
        assert any("<script>window.hostile" in text for text in shown)
        assert any("\\u202eevil" in text for text in shown)
        assert any("\\x1b[31m" in text for text in shown)
        page.locator("#panel").evaluate("one => one.open = true")
        rows = page.evaluate(EVERY_VIEW)
        assert [json.loads(text)["prompt"] for text, _ in rows] == frame.prompts["prompt"].to_list()
        assert [alt.partition(",")[0] for _, alt in rows] == [
            text.partition(",")[0] for text in shown
        ]
        card = page.locator(".card").first
        card.locator(".mark.note").click()
        page.locator("#note textarea").fill(IMAGE)
        page.click("#note .primary")
        page.wait_for_selector(".remember:not([hidden])")
        assert page.locator(".remember:not([hidden])").inner_text() == IMAGE
        page.fill("#q", IMAGE)
        wait_until(page, "() => document.querySelectorAll('.card').length < 50")
        check(one)
        page.goto(f"{address}?{'%3Cimg+src=x+onerror=1%3E'}=1")
        one.settled()
        assert "no such filter" in page.inner_text("#problem")
        one.said.clear()  # the browser notes the answer's status
        check(one)


def check(one: Visit) -> None:
    one.check()
    assert one.page.evaluate("window.hostile") is None
    assert not one.page.evaluate(
        f"new RegExp({json.dumps(INVISIBLE)}).test(document.body.textContent)"
    )


# The rows are hidden meanwhile: they would be laid out anew with every view.
EVERY_VIEW = """async () => {
  const found = [];
  document.getElementById("rows").style.display = "none";
  for (const card of document.querySelectorAll(".card")) {
    [...card.querySelectorAll("button")].find((one) => one.textContent === "JSON").click();
    const text = document.querySelector("#json pre").textContent;
    document.getElementById("json").close();
    card.querySelector("button.pic").click();
    const alt = document.querySelector("#large[open] .pane img").alt;
    document.getElementById("large").close();
    await new Promise((resolve) => setTimeout(resolve, 0));
    found.push([text, alt]);
  }
  document.getElementById("rows").style.display = "";
  await new Promise((resolve) => setTimeout(resolve, 100));  // for what comes late
  return found;
}"""
