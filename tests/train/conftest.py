"""A release to learn from, and recipes for it: a few prompts, a few pixels, tiny models."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import datasets
import pytest

from synpic.publish import publish_to
from synpic.train.settings import TrainRecipe, parse_train_recipe
from tests.generate.conftest import copied, saved
from tests.generate.tiny import SIDE
from tests.publish.fixtures import build, picture
from tests.train.runs import RECIPE

__all__ = ["copied", "saved"]

Wanted = Callable[..., TrainRecipe]


@pytest.fixture(scope="session")
def ranked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of 8 prompts with 3 images each; one of them has 2."""
    root = tmp_path_factory.mktemp("ranked")
    workspace = build(
        root / "set",
        [(f"a red circle {n}", "train") for n in range(8)],
        keep=lambda row: not (row["prompt"].endswith("4") and row["model"] == "beta"),
        draw=lambda row: picture(row, SIDE),
    )
    return publish_to(workspace, root / "out", configs=["ranked"]).directory


@pytest.fixture(scope="session")
def encoded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache for all runs: what is encoded once is encoded for all."""
    root = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", root / "datasets")
        patch.setenv("SYNPIC_CACHE", str(root))
        yield root


@pytest.fixture
def wanted(saved: Callable[[str], Path], ranked: Path, encoded: Path) -> Wanted:
    """A builder of tests.generate.tiny, and changes to the recipe → the recipe."""

    def make(kind: str = "sd3_without_t5", *changes: str) -> TrainRecipe:
        text = RECIPE.format(checkpoint=saved(kind).as_posix(), dataset=ranked.as_posix())
        return parse_train_recipe(text, changes=changes)

    return make
