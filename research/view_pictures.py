"""Pictures of the page of ``synpic view`` for the docs, wide and narrow, light and dark.

    python -m research.view_pictures docs/pictures

They are of a set that ``benchmarks/view_data.py`` makes: large pictures of the embedded world, by
painters that are no models. Chromium takes them, through Playwright.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks import view_data
from benchmarks.browser import chromium, serving
from synpic.readers.display import size
from synpic.view.frame import make_frame
from synpic.view.source import open_source
from synpic.view.static import write_page
from synpic.workspace.marks import Mark, Marks, write_marks

PROMPTS = 60
EDGE = 512
SIZES = {1440: 900, 480: 900}
"""Width → height, in pixels."""
MOST_BYTES = 300_000


def _page(page: Any) -> None:
    page.mouse.move(0, 0)


def _disagreement(page: Any) -> None:
    page.evaluate("synpic.page.filter({ sort: 'agreement', order: 'asc', agreement: '..0' })")


def _people(page: Any) -> None:
    key = "against.ingested.overall"
    page.evaluate(f"synpic.page.filter({{ sort: '{key}', order: 'desc', '{key}': '1..' }})")


def _large(page: Any) -> None:
    page.evaluate("synpic.page.filter({ sort: 'margin', order: 'desc' })")
    _settle(page)
    page.keyboard.press("1")
    page.keyboard.press("s")


SHOWN: dict[str, Callable[[Any], None]] = {
    "page": _page,
    "disagreement": _disagreement,
    "people": _people,
    "large": _large,
    "static": _page,
}
"""What is shown, and what is done for it."""


def take(folder: Path, out: Path) -> list[Path]:
    """Take all pictures of the set in ``folder``; the files, in ``out``.

    Raises:
        ValueError: a picture is too large for a repository.
    """
    frame = make_frame(open_source(folder))
    static = folder.with_name("static")
    write_page(frame, static)
    files = []
    with serving(frame) as address, chromium("--hide-scrollbars") as browser:
        for width, height in SIZES.items():
            for scheme in ("light", "dark"):
                for name, act in SHOWN.items():
                    if name == "large" and scheme == "dark":
                        continue  # it is dark in either
                    page = browser.new_page(
                        viewport={"width": width, "height": height}, color_scheme=scheme
                    )
                    where = (static / "index.html").as_uri() if name == "static" else address
                    page.goto(where)
                    _settle(page)
                    act(page)
                    _settle(page)
                    ending = "-dark" if scheme == "dark" else ""
                    files.append(save(page, out / f"view-{name}-{width}{ending}.webp"))
                    page.close()
    return files


def _settle(page: Any) -> None:
    page.wait_for_selector("#rows[aria-busy=false]", state="attached")
    page.wait_for_function(
        """() => [...document.querySelectorAll("img")].filter((one) => {
          const box = one.getBoundingClientRect();
          return box.bottom > 0 && box.top < innerHeight;
        }).every((one) => one.complete)"""
    )
    page.wait_for_timeout(300)  # transitions


def save(page: Any, path: Path) -> Path:
    """Save what ``page`` shows as WebP at ``path``.

    Raises:
        ValueError: it is too large for a repository.
    """
    picture = Image.open(io.BytesIO(page.screenshot()))
    picture.convert("RGB").save(path, "WEBP", quality=84, method=6)
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"{path}: {size(path.stat().st_size)}, more than {size(MOST_BYTES)}")
    return path


def main() -> None:
    """Make the set, and take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "my-set"
        workspace = view_data.build(folder, PROMPTS, edge=EDGE)
        view_data.label(workspace, votes=5)
        first, second = make_frame(open_source(folder)).prompts["prompt_id"][:2]
        marks = {first: Mark(star=True, note="for the talk"), second: Mark(drop=True)}
        write_marks(workspace.store, Marks(prompts=marks))
        for path in take(folder, options.out):
            print(path, size(path.stat().st_size))


if __name__ == "__main__":
    main()
