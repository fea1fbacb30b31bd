"""Where a merge is made: taken places, damage, disks and kills."""

from __future__ import annotations

import errno
import os
import textwrap
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock, Timeout

from synpic import Workspace, merge_workspaces
from synpic.errors import CorruptPart, RecipeError, StorageError, WorkspaceError
from synpic.pipeline.merge import staging
from tests.nursery import ForkServer
from tests.pipeline.merge.splitting import recipe_of
from tests.pipeline.merge.using import halves, merge, ranked
from tests.test_disk_full import Disk, disk

__all__ = ["disk"]


def test_places_that_are_refused(whole: Workspace, here: Path) -> None:
    halves(whole, here)
    (here / "link").symlink_to("A")
    (here / "empty").mkdir()
    (here / "file").write_text("text")
    for names, to, message in (
        (["A", "B"], "A", "A is there already, and is not empty"),
        (["A", "B"], ".", "is there already, and is not empty"),
        (["A", "B"], "A/C", "lies in the workspace A"),
        (["A", "B"], "file", "is not a folder"),
        (["A", "B"], "link", "A is there already, and is not empty"),
        (["A", "B"], "no/C", "there is no folder"),
        (["A", "A"], "C", "A and A are one workspace"),
        (["A", "link"], "C", "link and A are one workspace"),
        (["A"], "C", "name two or more"),
        (["A", "empty"], "C", "is not a workspace"),
    ):
        with pytest.raises(WorkspaceError, match=message):
            merge_workspaces(names, to)
    assert sorted(path.name for path in here.iterdir()) == [
        "A", "B", "empty", "file", "link", "weights",
    ]  # fmt: skip
    merge("A", "B", to="empty")
    (here / "way").symlink_to("new")
    merge("A", "B", to="way")
    assert (here / "way").is_symlink()
    assert (here / "new" / "recipe.toml").exists()


def test_a_damaged_part_is_named(whole: Workspace, here: Path) -> None:
    halves(whole, here)
    for kind in ("scores", "candidates", "failures"):
        part = next(Path("B").rglob(f"{kind}/**/part-*"))
        before = part.read_bytes()
        part.write_bytes(before[:-40])
        with pytest.raises(CorruptPart, match=part.name):
            merge_workspaces(["A", "B"], "C")
        part.write_bytes(before)
        assert not Path("C").exists()


def test_damaged_pixels_are_not_copied(whole: Workspace, here: Path, no_links: None) -> None:
    halves(whole, here)
    part = next(Path("B").rglob("candidates/**/part-*"))
    data = bytearray(part.read_bytes())
    at = data.index(b"IDAT")
    data[at] ^= 1
    part.write_bytes(data)
    with pytest.raises(CorruptPart, match=part.name):
        merge_workspaces(["A", "B"], "C")
    assert not Path("C").exists()


def test_a_disk_that_is_full(whole: Workspace, here: Path, disk: Disk) -> None:
    halves(whole, here)
    target = disk.place / "C"
    disk.resize(disk.used + 80)
    with pytest.raises(StorageError, match="No space left"):
        merge_workspaces(["A", "B"], target)
    assert list(disk.place.iterdir()) == []
    disk.resize(200_000)
    done = merge_workspaces(["A", "B"], target)
    assert done.parts_linked == 0
    assert ranked(Workspace.open(target)).equals(ranked(whole))


def test_a_disk_that_refuses(whole: Workspace, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    halves(whole, here)
    for where, name in ((os, "link"), (os, "fsync"), (Path, "rename")):
        with monkeypatch.context() as patched:

            def refuse(*_: object, **__: object) -> None:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

            patched.setattr(where, name, refuse)
            with pytest.raises(StorageError, match="No space left"):
                merge_workspaces(["A", "B"], "C")
        assert sorted(path.name for path in here.iterdir()) == ["A", "B", "weights"]


def test_two_at_once(whole: Workspace, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    halves(whole, here)
    with (
        staging.staged(here / "C") as folder,
        pytest.raises(WorkspaceError, match="another process is merging"),
    ):
        (folder / "half").write_text("")
        merge_workspaces(["A", "B"], "C")
    assert merge("A", "B").store.exists("recipe.toml")


def test_who_comes_while_a_lock_is_let_go_holds_one(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of those who come between removal and release, and after it, one holds a lock."""
    release = FileLock.release
    second, third = (FileLock(here / ".C.merging.lock", is_singleton=False) for _ in range(2))

    def late(lock: FileLock) -> None:
        monkeypatch.undo()
        second.acquire(timeout=0)
        release(lock)

    with staging.staged(here / "C"):
        monkeypatch.setattr(FileLock, "release", late)
    with pytest.raises(Timeout):
        third.acquire(timeout=0)
    second.release()


def test_who_has_opened_a_lock_file_that_is_removed_holds_none(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fcntl = pytest.importorskip("fcntl")
    flock, first = fcntl.flock, ExitStack()
    second, third = (FileLock(here / ".C.merging.lock", is_singleton=False) for _ in range(2))

    def late(descriptor: int, what: int) -> Any:
        """The first ends between the moments when the second opens the file and locks it."""
        monkeypatch.undo()
        first.close()
        return flock(descriptor, what)

    first.enter_context(staging.staged(here / "C"))
    monkeypatch.setattr(fcntl, "flock", late)
    for lock in (second, third):
        with suppress(Timeout):
            lock.acquire(timeout=0)
    assert [second.is_locked, third.is_locked].count(True) == 1
    for lock in (second, third):
        lock.release()


KILLED = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from synpic.pipeline.merge import merge_workspaces, merging, staging
    from tests.dying import dies_at

    kills, line, step = 0, int(sys.argv[1]), int(sys.argv[2])
    merge = lambda: merge_workspaces(["A", "B"], "C")
    while dies_at(line, [merging, staging], merge):
        kills += 1
        line += step
        if Path("C").exists():
            names = {path.name for path in Path("C").iterdir()}
            assert {"recipe.toml", "recipe.lock", "candidates", "scores", "failures"} <= names
            print("whole", kills)
            sys.exit()
    print("done", kills)
    """
)


@pytest.mark.parametrize(("first", "step"), [(330, 50), pytest.param(5, 7, marks=pytest.mark.slow)])
def test_a_kill_leaves_all_or_nothing(
    whole: Workspace, here: Path, forks: ForkServer, first: int, step: int
) -> None:
    halves(whole, here)
    ended = forks.start([str(first), str(step)], code=KILLED, cwd=here)
    output, errors = ended.communicate(timeout=280)
    assert ended.wait() == 0, errors
    word, kills = output.split()
    assert word in ("done", "whole")
    assert int(kills) > 3
    if word == "done":
        assert sorted(path.name for path in here.iterdir()) == ["A", "B", "C", "weights"]
    assert ranked(Workspace.open("C")).equals(ranked(whole))


def test_a_mistake_in_the_recipe_that_is_given(whole: Workspace, here: Path) -> None:
    halves(whole, here)
    with pytest.raises(RecipeError, match=r"no\.toml"):
        merge_workspaces(["A", "B"], "C", recipe="no.toml")
    (here / "bad.toml").write_text("[models.x]\nstep = 3\n")
    with pytest.raises(RecipeError, match=r"bad\.toml:2: models\.x.step: unknown key"):
        merge_workspaces(["A", "B"], "C", recipe="bad.toml")
    for table in ("[prompts]", '[prompts]\nfille = "p.csv"', "prompts.count = 2", "prompts = 3"):
        models = recipe_of("weights").partition("# one draws")[2]
        (here / "bad.toml").write_text(f"{table}\n# one draws{models}")
        for dry_run in (True, False):
            with pytest.raises(RecipeError, match=r"bad\.toml.*prompts"):
                merge_workspaces(["A", "B"], "C", recipe="bad.toml", dry_run=dry_run)
    assert not Path("C").exists()
