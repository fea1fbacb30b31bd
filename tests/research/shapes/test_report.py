from __future__ import annotations

from pathlib import Path

import pytest

from research.shapes.report import tables

PAGE = Path(__file__).parents[3] / "docs" / "shapes.md"


@pytest.mark.parametrize("name", ["models", "judge", "rewards", "selection", "agreement"])
def test_the_page_shows_the_figures_beside_the_weights(name: str) -> None:
    assert tables()[name] in PAGE.read_text()
