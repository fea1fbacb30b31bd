"""Tasks one after another on one device."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any, ClassVar

from synpic import Workspace, generate_candidates
from tests.conftest import MakeRecipe
from tests.fakes import Painter


class LeftBehind:
    """What lies in the memory of a device, in a circle of references."""

    def __init__(self) -> None:
        self.self = self


class Keeping(Painter):
    """Something keeps what it made until the next model opens."""

    kept: ClassVar[LeftBehind | None] = None

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        type(self).kept = LeftBehind()


def test_what_a_model_leaves_after_its_end_is_freed_at_the_end_of_the_next(
    tmp_path: Path, recipe: MakeRecipe
) -> None:
    text = recipe().replace("tests.fakes:Painter", "tests.engine.test_run:Keeping")
    gc.disable()  # else it may be freed by chance
    try:
        generate_candidates(Workspace.create(tmp_path / "set", text), device="cpu")
    finally:
        gc.enable()
    # By name: the registry may have imported this module anew. The second model's is kept.
    alive = [one for one in gc.get_objects() if type(one).__name__ == LeftBehind.__name__]
    assert len(alive) == 1
