from __future__ import annotations

from pathlib import Path

import pytest

from research.shapes.report import tables

DOCS = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize(
    ("name", "page"),
    [("models", "shapes-models.md")]
    + [(name, "shapes.md") for name in ("judge", "rewards", "selection", "agreement")],
)
def test_the_pages_show_the_figures_beside_the_weights(name: str, page: str) -> None:
    assert tables()[name] in (DOCS / page).read_text()
