"""What a notebook shows of results: some words, or a small table; never the whole recipe."""

from __future__ import annotations

from pathlib import Path

import pytest

import synpic
from synpic import Workspace
from synpic.engine.report import Outcome, Report
from synpic.errors import CheckpointError
from synpic.readers.notebook import html_table


@pytest.fixture
def made(workspace: Workspace) -> Workspace:
    synpic.generate_candidates(workspace)
    synpic.score_candidates(workspace)
    return workspace


def test_results_are_some_words(made: Workspace, tmp_path: Path) -> None:
    ranked = synpic.rank_candidates(made)
    published = synpic.publish_to(made, tmp_path / "out")
    release = synpic.open_release(tmp_path / "out")
    results = [made, made.snapshot(), made.snapshot().recipe, ranked, ranked.inventory]
    results += [synpic.status(made), synpic.validate(made), published, release]
    results += [
        synpic.verify(release),
        synpic.rerank(release),
        synpic.reward("tests.fakes:redness"),
    ]
    for one in results:
        shown = repr(one)
        assert shown.startswith(type(one).__name__)
        assert len(shown) < 1000, shown
        assert "object at 0x" not in shown
        assert "batch_size" not in shown
    assert repr(made) == f"Workspace({str(made.store)!r})"
    assert repr(made.snapshot().recipe) == "Recipe(models: a, b; rewards: red, blue)"
    assert repr(ranked) == "RankedSet(10 prompts, 20 images ranked by red, blue)"


def test_tables_of_a_notebook(made: Workspace) -> None:
    ranked = synpic.rank_candidates(made)._repr_html_()
    assert "<td>a</td>" in ranked
    firsts = [int(cell) for cell in _column(ranked, 2)]
    assert sum(firsts) >= 10, "each prompt has a first, or more where they are tied"
    assert _column(synpic.status(made)._repr_html_(), 3) == ["10", "10", "20", "20"]


def _column(table: str, number: int) -> list[str]:
    import re

    rows = re.findall(r"<tr>(<td.*?)</tr>", table)
    return [re.findall(r"<td[^>]*>(.*?)</td>", row)[number] for row in rows]


def test_a_report_says_what_is_missing() -> None:
    broken = CheckpointError("no <weights> here")
    outcomes = [Outcome("a", 10, already=2, made=5, failed=1), Outcome("b", 4, broken=broken)]
    report = Report("generate", outcomes, remarks=["a worker died & another came"])
    assert repr(report) == (
        "Report(generate, not finished: a: 5 made, 2 there before, 1 failed, 2 left; "
        "b: 0 made, 4 left, broken: no <weights> here)"
    )
    table = report._repr_html_()
    assert "no &lt;weights&gt; here" in table
    assert "died &amp; another" in table
    assert repr(Report("score")) == "Report(score, finished)"


def test_text_in_tables_is_escaped() -> None:
    table = html_table("<b>", ["<i>"], [["<script>", None, 1234, 0.5]], ["<u>"])
    assert "<script>" not in table
    assert "<u>" not in table
    assert "1,234" in table
