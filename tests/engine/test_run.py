"""Tasks one after another on one device."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import Any, ClassVar

from synpic import Workspace, generate_candidates
from tests.conftest import MakeRecipe
from tests.fakes import Painter


class Weights:
    """What lies in the memory of a device, in a circle of references."""

    def __init__(self) -> None:
        self.self = self


class Keeping(Painter):
    """Something keeps its weights until the next model opens."""

    kept: ClassVar[Weights | None] = None
    first: ClassVar[weakref.ref[Weights] | None] = None

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        weights = Weights()
        Keeping.kept = weights
        Keeping.first = Keeping.first or weakref.ref(weights)


def test_what_a_model_leaves_after_its_end_is_freed_at_the_end_of_the_next(
    tmp_path: Path, recipe: MakeRecipe
) -> None:
    text = recipe().replace("tests.fakes:Painter", "tests.engine.test_run:Keeping")
    gc.disable()  # else it may be freed by chance
    try:
        generate_candidates(
            Workspace.create(tmp_path / "set", text), device="cpu"
        ).raise_if_unfinished()
    finally:
        gc.enable()
    assert Keeping.first is not None
    assert Keeping.first() is None
