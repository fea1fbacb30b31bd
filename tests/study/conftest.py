from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from benchmarks.browser import running
from synpic.study.definition import write_study
from synpic.study.new import StudyOptions, plan_study
from synpic.study.serving import ServeOptions, serving_study
from synpic.workspace import Workspace
from tests.study import making
from tests.view.conftest import Visit, visit

__all__ = ["Visit", "visit"]

Serving = Callable[..., AbstractContextManager[str]]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A workspace of three models, whose names are nowhere else, and 12 prompts; no study yet."""
    return making.build(tmp_path / "set")


@pytest.fixture
def serving(workspace: Workspace) -> Serving:
    """Serves a study of ``workspace``, which is made where there is none, in a thread."""

    @contextmanager
    def serve(**options: object) -> Iterator[str]:
        make = {key: options.pop(key) for key in list(options) if key not in ("host", "names")}
        if make or not workspace.store.exists("study/study/study.json"):
            write_study(workspace, plan_study(workspace, StudyOptions(**make)).study)  # type: ignore[arg-type]
        place = ServeOptions(**options)  # type: ignore[arg-type]
        with (
            serving_study(workspace, "study", place) as (listening, _),
            running(listening) as address,
        ):
            yield address

    return serve
