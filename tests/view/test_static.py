"""The page as a folder, opened as a file: it finds what the server does, and runs nothing else."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from synpic.errors import PublishError, Stopped
from synpic.publish import publish_to
from synpic.view import static
from synpic.view.charts import charts
from synpic.view.frame import Frame, make_frame
from synpic.view.marking import Marking
from synpic.view.query import answer, parse_query
from synpic.view.rows import rows_of
from synpic.view.source import open_source
from synpic.view.static import plan_page, write_page
from synpic.workspace import Workspace
from synpic.workspace.marks import MARKS
from tests.browsing import wait_until
from tests.cli.conftest import in_process
from tests.view import making
from tests.view.conftest import Visit
from tests.view.hostile import HOSTILE, IMAGE
from tests.view.test_hostile import EVERY_VIEW, check
from tests.view.test_page import after, prompts


@pytest.fixture(scope="module")
def page(frame: Frame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of ``frame``, with several files of rows."""
    folder = tmp_path_factory.mktemp("static") / "page"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(static, "PER", 7)
        write_page(frame, folder)
    return folder


def opened(visit: Callable[..., Visit], folder: Path, more: str = "") -> Visit:
    one = visit(f"{folder.as_uri()}/")
    one.open(f"{folder.as_uri()}/index.html{more}")
    return one


def test_rows_filters_sorts_and_the_large_view(
    visit: Callable[..., Visit], page: Path, frame: Frame
) -> None:
    one = opened(visit, page)
    shown = one.page
    assert prompts(shown) == frame.prompts["prompt_id"][:20].to_list()
    assert "24 prompts" in shown.inner_text("#count")
    wait_until(shown, "document.querySelector('.card img').naturalWidth > 0")
    found = after(one, lambda page: page.select_option("#sort", "agreement:asc"))
    of = dict(frame.prompts.select("prompt_id", "agreement").iter_rows())
    there = [round(of[id_], 6) for id_ in found]
    assert there == sorted(there)
    found = after(one, lambda page: page.fill("#q", "STAR"))
    assert set(found) == {
        row["prompt_id"] for row in frame.prompts.iter_rows(named=True) if "star" in row["prompt"]
    }
    shown.locator(".card button.pic").first.click()
    picture = shown.wait_for_selector("#large[open] .pane img")
    wait_until(shown, "document.querySelector('#large .pane img').naturalWidth > 0")
    (image,) = page.glob(f"images/*/{picture.get_attribute('data-large')}.png")
    assert picture.get_attribute("src") == image.relative_to(page).as_posix()
    assert f"#prompt={found[0]}&image={image.stem}" in shown.url
    assert shown.locator(".mark").count() == 0
    one.check()


ADDRESSES = [
    "",
    "q=star&sort=margin&order=desc",
    "q=number+1%5B0-9%5D%24&regex=1&sort=length",
    "agreement=..0",
    "margin=0.4..0.9&sort=agreement",
    "tied=1..",
    "flagged=1..&sort=rest.redness&order=desc",
    "winner=beta&sort=prompt",
    "split=validation&sort=winner_rate",
    "meta_kind=count&meta_level=3..9",
    "score_redness=0.5..",
    "sort=tau.greenness.blueness",
    "q=nothing+is+like+this",
    "marked=drop",
    "marked=none&sort=spread&order=desc",
    "page=2&size=5",
    "page=9999&size=5",
    "sort=meta_share&order=asc&size=200",
    "sort=meta_share&order=desc&size=200",
    "meta_share=0.3..&sort=meta_share&order=desc",
    "meta_share=..0.5",
    "sort=against.ingested.overall&order=desc&size=200",
    "against.ingested.overall=1..&sort=accuracy.ingested.overall",
    "against.ingested.alignment=..0&judged.ingested.alignment=2..",
]


def test_every_address_finds_what_the_server_finds(
    visit: Callable[..., Visit], tmp_path: Path
) -> None:
    workspace = making.build(tmp_path / "set", 24, flag=lambda row: row["candidate_id"] < "4")
    lost = making.wanted(workspace)["candidate_id"][:2].to_list()
    workspace.store.write(MARKS, _marks(making.wanted(workspace), lost).encode())
    making.label(workspace, more="alignment")
    frame = make_frame(open_source(workspace))
    write_page(frame, tmp_path / "page")
    one = opened(visit, tmp_path / "page")
    marked = Marking(frame).marked()
    assert marked["drop"]
    for address in ADDRESSES:
        query = parse_query(parse_qsl(address), frame)
        kept = answer(query, frame, marked)
        found = one.page.evaluate("asked => synpic.source.rows(asked)", address)
        pages = max(1, -(-len(kept) // query.size))
        first = (min(query.page, pages) - 1) * query.size
        wanted = kept.slice(first, query.size).to_list()
        assert found["total"] == len(kept)
        assert [row["prompt_id"] for row in found["rows"]] == wanted
        drawn = one.page.evaluate("asked => synpic.source.charts(asked)", address)
        expected = charts(frame, kept)
        assert drawn["models"] == _near(expected["models"])
        assert drawn["agreement"] == _near(expected["agreement"])
        for ours, theirs in zip(drawn["histograms"], expected["histograms"], strict=True):
            assert ours["name"] == theirs["name"]
            assert ours["counts"] == theirs["counts"]
    rows = one.page.evaluate("() => synpic.source.rows('size=24')")["rows"]
    for row in rows:
        for image in row["images"]:
            assert (tmp_path / "page" / image.pop("file")).is_file()
    assert rows == rows_of(frame, frame.prompts["prompt_id"].to_list())
    # Marks are shown, and none can be set.
    assert one.page.locator(".mark").count() == 0
    assert one.page.locator(".dropped").count() > 0
    assert "look again" in one.page.locator(".remember:not([hidden])").text_content()
    for address, problem in [
        ("sort=color", "no such column"),
        ("colour=1", "no such filter"),
        ("margin=x", "no range"),
        ("q=(&regex=1", "no regular expression"),
        ("meta_tags=a", "no filter"),
        ("page=0", "not a number from 1"),
    ]:
        refused = one.page.evaluate(
            "asked => synpic.source.rows(asked).then(() => '', error => error.message)", address
        )
        assert problem in refused
    one.check()


def _marks(wanted: Any, lost: list[str]) -> str:
    note = '[prompts.{}]\nstar = true\nnote = "look again"\n'
    drop = "[candidates.{}]\ndrop = true\n"
    return note.format(wanted["prompt_id"][0]) + "".join(map(drop.format, lost))


def _near(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            name: pytest.approx(value, rel=1e-5, abs=1e-6) if isinstance(value, float) else value
            for name, value in row.items()
        }
        for row in rows
    ]


def test_hostile_texts_are_shown_and_nothing_else(
    visit: Callable[..., Visit], tmp_path: Path
) -> None:
    workspace = making.build(tmp_path / IMAGE.replace("/", "_"), HOSTILE)
    lost = making.wanted(workspace).row(0, named=True)
    making.failure(workspace, lost["candidate_id"], lost["model"], IMAGE)
    frame = make_frame(open_source(workspace))
    write_page(frame, tmp_path / "page")
    for file in (tmp_path / "page" / "data").iterdir():
        assert "<" not in file.read_text(encoding="ascii")
    one = opened(visit, tmp_path / "page", "?size=50")
    shown = one.page
    assert shown.locator(".card").count() == len(HOSTILE)
    rows = shown.evaluate(EVERY_VIEW)
    assert [json.loads(text)["prompt"] for text, _ in rows] == frame.prompts["prompt"].to_list()
    shown.locator("#panel").evaluate("one => one.open = true")
    check(one)
    shown.fill("#q", IMAGE)
    wait_until(shown, "() => document.querySelectorAll('.card').length < 50")
    shown.goto(f"{(tmp_path / 'page').as_uri()}/index.html?%3Cimg+src=x+onerror=1%3E=1")
    one.settled()
    assert "no such filter" in shown.inner_text("#problem")
    check(one)


def test_a_link_leads_to_its_prompt(visit: Callable[..., Visit], page: Path, frame: Frame) -> None:
    last = frame.prompts["prompt_id"][-1]
    one = opened(visit, page, f"#prompt={last}")
    wait_until(one.page, "one => document.activeElement.dataset.prompt === one", arg=last)
    one.check()


def test_a_file_that_is_missing_is_named(
    visit: Callable[..., Visit], frame: Frame, tmp_path: Path
) -> None:
    write_page(frame, tmp_path / "page", thumbnails_only=True)
    (tmp_path / "page/data/rows-0.js").unlink()
    one = opened(visit, tmp_path / "page")
    assert "data/rows-0.js cannot be loaded" in one.page.inner_text("#problem")


def test_of_a_release_with_thumbnails_alone(
    visit: Callable[..., Visit], made: Path, tmp_path: Path
) -> None:
    publish_to(Workspace.open(made), tmp_path / "release")
    result = in_process(
        "view", tmp_path / "release", "--to", tmp_path / "page", "--thumbnails-only", "--json"
    )
    found = json.loads(result.stdout)
    assert (found["kind"], found["prompts"], found["images"]) == ("release", 24, 72)
    assert found["written"]
    assert found["image_bytes"] == 0
    files = [path for path in (tmp_path / "page").rglob("*") if path.is_file()]
    assert sum(path.suffix == ".webp" for path in files) == 72
    assert not (tmp_path / "page" / "images").exists()
    one = opened(visit, tmp_path / "page")
    assert "72 thumbnails" in one.page.inner_text(".brand")
    one.page.keyboard.press("1")
    wait_until(one.page, "document.querySelector('#large .pane img').naturalWidth > 0")
    one.check()


def test_the_size_is_said_before(made: Path, frame: Frame, tmp_path: Path, page: Path) -> None:
    planned = plan_page(frame)
    files = [path for path in page.rglob("*") if path.is_file()]
    real = {kind: sum(p.stat().st_size for p in files if p.parts[-3] == kind) for kind in
            ("thumbnails", "images")}  # fmt: skip
    assert planned.thumbnail_bytes == pytest.approx(real["thumbnails"], rel=0.2)
    assert planned.image_bytes == pytest.approx(real["images"], rel=0.2)
    result = in_process("view", made, "--to", tmp_path / "page", "--dry-run")
    assert "24 prompts, 72 images: about" in result.stdout
    assert "Nothing was written" in result.stdout
    assert not (tmp_path / "page").exists()


def test_a_page_takes_the_place_of_a_page_and_of_nothing_else(
    made: Path, frame: Frame, tmp_path: Path
) -> None:
    target = tmp_path / "page"
    target.mkdir()
    (target / "mine.txt").write_text("mine")
    result = in_process("view", made, "--to", target)
    assert result.exit_code == 1
    assert "holds no page" in str(result.exception)
    assert [path.name for path in tmp_path.rglob("*")] == ["page", "mine.txt"]
    (target / "mine.txt").unlink()
    write_page(frame, target)
    before = (target / "page.json").read_text()
    (target / "data" / "rows-0.js").write_text("old")
    (tmp_path / "link").symlink_to("page")
    write_page(frame, tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (target / "page.json").read_text() == before
    assert (target / "data" / "rows-0.js").read_text() != "old"
    (target / "mine.txt").write_text("mine")
    with pytest.raises(PublishError, match=r"not its own: mine\.txt"):
        write_page(frame, target)
    with pytest.raises(PublishError, match="no folder"):
        write_page(frame, target / "mine.txt")


def test_what_is_stopped_or_damaged_leaves_nothing(frame: Frame, tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        write_page(frame, tmp_path / "page", stop=stop)
    assert list(tmp_path.iterdir()) == []
    workspace = making.build(tmp_path / "set", 3)
    damaged = make_frame(open_source(workspace))
    part = next((tmp_path / "set").glob("candidates/*/part-*.parquet"))
    data = bytearray(part.read_bytes())
    at = data.index(b"IDAT")
    data[at : at + 8] = b"\0" * 8
    part.write_bytes(data)
    result = in_process("view", tmp_path / "set", "--to", tmp_path / "page")
    assert result.exit_code == 1
    assert part.name in str(result.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["set"]
    assert damaged.prompts.height == 3


@pytest.mark.parametrize(
    "words",
    [["--thumbnails-only"], ["--dry-run"], ["--to", "page", "--port", "8000"],
     ["--to", "page", "--no-browser"]],
)  # fmt: skip
def test_options_that_do_not_go_together(made: Path, words: list[str]) -> None:
    result = in_process("view", made, *words)
    assert result.exit_code == 1
    assert "--to" in str(result.exception)
