"""A workspace that is moved, replaced or unmounted in a run: one error, and nothing is made."""

from __future__ import annotations

import pickle
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synpic import generate_candidates, publish_to, rank_candidates, score_candidates
from synpic.errors import StorageError, SynpicError
from synpic.workspace import Workspace, root
from synpic.workspace.images import ImageReader
from synpic.workspace.root import Root
from tests import fakes
from tests.cli.conftest import Start, start  # noqa: F401
from tests.conftest import MakeRecipe

SAYS = "moved, replaced or unmounted"


def _moved(folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))


def _replaced(folder: Path) -> None:
    """As after ``umount``: the mount point is there, and is another folder."""
    _moved(folder)
    folder.mkdir()


@pytest.fixture(params=[_moved, _replaced])
def lose(request: pytest.FixtureRequest, workspace: Workspace) -> Callable[[], None]:
    def lose() -> None:
        if not folder.with_name("elsewhere").exists():
            request.param(folder)

    folder = Path(workspace.store.root)
    return lose


def _first(lose: Callable[[], None], method: Any) -> Any:
    """``method``, that loses the workspace when it is called."""

    def losing(*arguments: Any, **named: Any) -> Any:
        lose()
        return method(*arguments, **named)

    return losing


def _nothing_made(workspace: Workspace) -> None:
    folder = Path(workspace.store.root)
    assert not folder.exists() or not list(folder.iterdir())


def test_while_images_are_drawn(
    workspace: Workspace, lose: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fakes.Painter, "draw", _first(lose, fakes.Painter.draw))
    with pytest.raises(StorageError, match=SAYS):
        generate_candidates(workspace).raise_if_unfinished()
    _nothing_made(workspace)


@pytest.mark.parametrize("work", ["score", "rank", "publish"])
def test_while_it_is_read(
    work: str,
    workspace: Workspace,
    lose: Callable[[], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    generate_candidates(workspace).raise_if_unfinished()
    out = tmp_path / "out"
    if work == "score":
        monkeypatch.setattr(fakes, "redness", _first(lose, fakes.redness))
    else:
        score_candidates(workspace).raise_if_unfinished()
        at = (Workspace, "scores") if work == "rank" else (ImageReader, "sizes")
        monkeypatch.setattr(*at, _first(lose, getattr(*at)))
    with pytest.raises(SynpicError, match=SAYS):
        if work == "score":
            score_candidates(workspace).raise_if_unfinished()
        elif work == "rank":
            rank_candidates(workspace)
        else:
            publish_to(workspace, out)
    _nothing_made(workspace)
    assert not out.exists()


def test_put_back_it_goes_on(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(workspace.store.root)
    with monkeypatch.context() as patched:
        patched.setattr(fakes.Painter, "draw", _first(lambda: _moved(folder), fakes.Painter.draw))
        with pytest.raises(SynpicError):
            generate_candidates(workspace).raise_if_unfinished()
    folder.with_name("elsewhere").rename(folder)
    generate_candidates(workspace).raise_if_unfinished()


def test_a_root_is_made_once_and_never_again(tmp_path: Path) -> None:
    one = Root(str(tmp_path / "a" / "b"))
    one.make(str(tmp_path / "a" / "b" / "c" / "d"))
    assert (tmp_path / "a" / "b" / "c" / "d").is_dir()
    shutil.rmtree(tmp_path / "a")
    with pytest.raises(StorageError, match=SAYS):
        one.make(str(tmp_path / "a" / "b" / "c"))
    assert not (tmp_path / "a").exists()


def test_it_is_the_same_for_a_worker_and_looked_at_anew_on_another_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    sent = pickle.dumps(Root(str(folder)))
    _replaced(folder)
    with pytest.raises(StorageError, match=SAYS):
        pickle.loads(sent).require()
    monkeypatch.setattr(root, "_machine", lambda: ("another", 1))
    pickle.loads(sent).require()
    folder.rmdir()
    with pytest.raises(StorageError, match=SAYS):
        pickle.loads(sent).make(str(folder))
    assert not folder.exists()


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_command_ends_with_an_error(
    workers: str,
    tmp_path: Path,
    recipe: MakeRecipe,
    start: Start,  # noqa: F811
) -> None:
    folder = tmp_path / "set"
    Workspace.create(folder, recipe(prompts=400, a="call = { sleep = 0.05 }"))
    running = start("generate", "-C", folder, "--workers", workers)
    while not list(folder.glob("candidates/*/part-*")):
        assert running.poll() is None
        time.sleep(0.05)
    _moved(folder)
    _, told = running.communicate(timeout=240)
    assert running.returncode == 1
    assert SAYS in told
    assert "Traceback" not in told
    assert not folder.exists()
