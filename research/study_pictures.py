"""Pictures of the page of ``synpic study serve`` for the docs, wide and narrow, light and dark.

    python -m research.study_pictures docs/pictures

They are of the set that ``research/view_pictures.py`` shows, taken by Chromium through Playwright.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import view_data
from benchmarks.browser import chromium, running
from research.view_pictures import EDGE, PROMPTS, SIZES, save
from synpic.readers.display import size
from synpic.study.definition import write_study
from synpic.study.new import StudyOptions, plan_study
from synpic.study.serving import ServeOptions, serving_study
from synpic.workspace import Workspace

ANSWERED = 7
"""Comparisons that are answered before the picture is taken, so that there is progress."""


def take(workspace: Workspace, out: Path) -> list[Path]:
    """Take all pictures of a study of ``workspace``, which is made; the files, in ``out``.

    Raises:
        ValueError: a picture is too large for a repository.
    """
    options = StudyOptions(pairs=20, questions=["alignment"], per_rater=20)
    write_study(workspace, plan_study(workspace, options).study)
    files = []
    with (
        serving_study(workspace, "study", ServeOptions()) as (listening, _),
        running(listening) as address,
        chromium("--hide-scrollbars") as browser,
    ):
        for width, height in SIZES.items():
            for scheme in ("light", "dark"):
                page = browser.new_page(
                    viewport={"width": width, "height": height}, color_scheme=scheme
                )
                ending = f"{width}{'-dark' if scheme == 'dark' else ''}.webp"
                page.goto(address)
                page.wait_for_selector("#consent:not([hidden])")
                if scheme == "light":
                    files.append(save(page, out / f"study-consent-{ending}"))
                page.keyboard.press("Enter")
                for _ in range(ANSWERED):
                    _settle(page)
                    page.keyboard.press("ArrowLeft")
                _settle(page)
                page.wait_for_timeout(300)
                files.append(save(page, out / f"study-question-{ending}"))
                page.close()
    return files


def _settle(page: Any) -> None:
    page.wait_for_selector("#asking:not([hidden]):not(.waiting)")
    page.wait_for_selector("#asking .answers button:not([disabled])")


def main() -> None:
    """Make the set and the study, and take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        workspace = view_data.build(Path(scratch) / "my-set", PROMPTS, edge=EDGE)
        for path in take(workspace, options.out):
            print(path, size(path.stat().st_size))


if __name__ == "__main__":
    main()
