"""The documentation as a site: it builds without a warning, and loads nothing from elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import synpic
from synpic_cli.api_page import GROUPS, api_page

ROOT = Path(__file__).parent.parent

LOOKED_UP = {
    "ablation-figures.md",
    "agreement.md",
    "api.md",
    "cli.md",
    "datasets.md",
    "recipe.md",
    "training-recipe.md",
    "workspace.md",
}
"""Reference and generated pages: these may be long."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        # Not --quiet: warnings are then not counted, and --strict never fails.
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1", "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def loaded(page: str) -> Iterator[str]:
    """What a page loads without a click: scripts, styles, icons, pictures, frames."""
    for tag in re.findall(r"<(?:script|img|iframe|source|video|audio|embed)\b[^>]*>", page):
        yield from re.findall(r"\b(?:src|srcset)=\"?([^\"\s>]+)", tag)
    for tag in re.findall(r"<link\b[^>]*>", page):
        if re.search(r"rel=\"?(?:stylesheet|icon|preload|preconnect|prefetch|manifest)", tag):
            yield from re.findall(r"\bhref=\"?([^\"\s>]+)", tag)


def test_what_a_page_loads_is_found() -> None:
    page = (
        '<script src="https://cdn.example/a.js"></script><link rel=stylesheet href=b.css>'
        '<link rel="canonical" href="https://example.org"><a href="https://example.org">c</a>'
    )
    assert list(loaded(page)) == ["https://cdn.example/a.js", "b.css"]


def test_nothing_is_loaded_from_another_server(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 40
    for page in pages:
        outside = [one for one in loaded(page.read_text()) if re.match(r"(?:https?:)?//", one)]
        assert outside == [], page.name
    for style in site.rglob("*.css"):
        places = re.findall(r"(?:url\(|@import\s+)['\"]?([^'\")\s]+)", style.read_text())
        assert [one for one in places if re.match(r"(?:https?:)?//", one)] == [], style.name


def test_every_heading_is_one_in_the_site(site: Path) -> None:
    # A fence that the site does not read as one takes in what follows it.
    for path in sorted((ROOT / "docs").rglob("*.md")):
        page = re.sub(r"^ *```.*?^ *```$", "", path.read_text(), flags=re.M | re.S)
        made = (site / path.relative_to(ROOT / "docs")).with_suffix(".html").read_text()
        found = len(re.findall(r"<h[1-6] id=", made))
        written = len(re.findall(r"^#+ ", page, re.M))
        assert found > written if path.name == "api.md" else found == written, path


def test_no_diagram_asks_for_mermaid(site: Path) -> None:
    # The theme's script would fetch Mermaid for an element of this class.
    for page in site.rglob("*.html"):
        assert not re.search(r'<(?:pre|div) class="mermaid"', page.read_text()), page.name


def test_every_name_has_its_docstring(site: Path) -> None:
    page = (site / "api.html").read_text()
    for name in set(synpic.__all__) - {"__version__"}:
        assert re.search(rf"<h3[^>]*>\s*<code>synpic\.{name}<|<h3[^>]*>[^<]*synpic\.{name}\b", page)


def test_in_a_browser_the_search_finds_a_page_and_nothing_leaves_this_machine(
    site: Path, browser: Any
) -> None:
    handler = partial(_Quiet, directory=str(site))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    here = f"http://127.0.0.1:{server.server_port}/"
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    try:
        for name in ("index.html", "architecture.html", "api.html", "rewards.html"):
            page.goto(here + name, wait_until="networkidle")
        # The field is there before the script that reads it: type until it answers.
        query = page.locator("input[name=query]")
        result = page.locator(".md-search-result__item a")
        end = time.monotonic() + 60
        while not result.count():
            assert time.monotonic() < end, "the search found nothing"
            query.fill("")
            query.press_sequentially("gallery")
            page.wait_for_timeout(500)
        found = [one.get_attribute("href") for one in result.all()[:6]]
    finally:
        page.close()
        server.shutdown()
        server.server_close()
    pages = {href.split("/")[-1].split("?")[0].split("#")[0] for href in found if href}
    assert "view.html" in pages
    outside = [url for url in asked if not url.startswith((here, "data:", "blob:"))]
    assert outside == []


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as its parent's
        pass


def test_every_page_is_reachable_from_the_readme() -> None:
    reached: set[Path] = set()
    ahead = [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        if page not in reached:
            reached.add(page)
            links = re.findall(r"\]\(([\w./-]+\.md)[#)]", page.read_text())
            ahead += [path for link in links if (path := (page.parent / link).resolve()).exists()]
    assert reached >= set((ROOT / "docs").rglob("*.md"))
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


def test_pages_are_short_but_for_reference() -> None:
    words = {
        path.relative_to(ROOT / "docs").as_posix(): len(path.read_text().split())
        for path in (ROOT / "docs").rglob("*.md")
    }
    assert words.keys() >= LOOKED_UP
    long = {name for name, count in words.items() if count > 1500}
    assert long <= LOOKED_UP, (
        f"{sorted(long - LOOKED_UP)} of docs/ have more than 1,500 words: move a subject to a page "
        "of its own, and list that in the nav of mkdocs.yml"
    )


def test_the_python_reference_is_up_to_date_and_complete() -> None:
    assert (ROOT / "docs/api.md").read_text() == api_page()
    listed = [name for names in GROUPS.values() for name in names]
    assert sorted(listed) == sorted(set(synpic.__all__) - {"__version__"})
