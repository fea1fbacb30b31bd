"""Pictures of the pages of ``synpic study`` for the docs, wide and narrow, light and dark.

    python -m research.study_pictures docs/pictures

They are of the set that ``research/view_pictures.py`` shows, taken by Chromium through Playwright.
The raters of the report are simulated: they see the difference of two images' scores, and noise.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks import view_data
from benchmarks.browser import chromium, running
from research.view_pictures import EDGE, PROMPTS, SIZES, save
from synpic.pipeline.inventory import take_inventory
from synpic.readers.display import size
from synpic.study.definition import Study, folder_of, write_study
from synpic.study.new import StudyOptions, plan_study
from synpic.study.own_votes import read_votes_of
from synpic.study.raters import RaterRule
from synpic.study.report import make_report
from synpic.study.report_page import judges_of, report_page
from synpic.study.serving import ServeOptions, serving_study
from synpic.workspace import Workspace
from synpic.workspace.votes import Vote, Votes

ANSWERED = 7
"""Comparisons that are answered before the picture is taken, so that there is progress."""

COMPARED = 120
RATERS = 6
SEES = {
    "overall": "shapes_alignment",
    "alignment": "shapes_alignment",
    "appeal": "shapes_quality",
}
"""Question → the score that simulated raters see."""


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


def take_report(workspace: Workspace, out: Path) -> list[Path]:
    """Take pictures of the report of a study that simulated raters answered; the files, in ``out``.

    Raises:
        ValueError: a picture is too large for a repository.
    """
    options = StudyOptions(name="example", pairs=COMPARED, repeats=0.1, checks=0.1)
    study = plan_study(workspace, options).study
    write_study(workspace, study)
    folder = folder_of(workspace, study.name)
    with Votes(folder / "votes.db", create=True) as votes:
        for vote in simulated(study, take_inventory(workspace).scored()):
            votes.append(vote)
    rule, given = RaterRule(), read_votes_of(workspace, study)
    found = make_report(study, given, rule)
    file = workspace.folder / "report.html"
    file.write_text(report_page(found, judges_of(workspace, study, given, rule)), encoding="utf-8")
    files = []
    with chromium("--hide-scrollbars") as browser:
        for width, height in SIZES.items():
            for scheme in ("light", "dark"):
                page = browser.new_page(
                    viewport={"width": width, "height": height}, color_scheme=scheme
                )
                page.goto(file.as_uri())
                ending = f"{width}{'-dark' if scheme == 'dark' else ''}.webp"
                files.append(save(page, out / f"study-report-{ending}"))
                page.close()
    return files


def simulated(study: Study, scored: pl.DataFrame) -> Iterator[Vote]:
    """Every answer of ``RATERS``, of whom the last does not look."""
    scores = {
        question: dict(scored.select("candidate_id", f"score_{reward}").iter_rows())
        for question, reward in SEES.items()
    }
    rng = np.random.default_rng(4)
    for number in range(RATERS):
        looks = number < RATERS - 1
        shown = [(one.id, one.first, one.second, "real") for one in study.comparisons]
        shown += [(*one[:3], "repeat") for one in shown[:: round(1 / study.repeats)]]
        shown += [(one.id, one.own, one.foreign, "check") for one in study.check_comparisons]
        for question in study.questions:
            for comparison, first, second, kind in shown:
                if kind == "check" and not question.shows_prompt:
                    continue
                left, right = (first, second) if rng.random() < 0.5 else (second, first)
                of = scores[question.name]
                ahead = of[left.candidate_id] - of[right.candidate_id]
                if kind == "check":
                    ahead = 4.0 if left is first else -4.0
                ahead = looks * ahead + rng.normal(0, 1)
                neither = abs(ahead) < 0.15 and kind != "check"
                yield Vote(
                    comparison=comparison,
                    question=question.name,
                    left=left.candidate_id,
                    right=right.candidate_id,
                    answer="tie" if neither else "left" if ahead > 0 else "right",
                    rater=f"{number:032x}",
                    milliseconds=int(rng.gamma(4, 800)),
                    kind=kind,
                    time="2026-03-01T12:00:00Z",
                )


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
        for path in [*take(workspace, options.out), *take_report(workspace, options.out)]:
            print(path, size(path.stat().st_size))


if __name__ == "__main__":
    main()
