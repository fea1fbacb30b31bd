"""A folder appears whole or not at all, readable for whom the umask lets read it."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from synpic.workspace import whole_folder as module
from synpic.workspace.whole_folder import remove_folder, whole_folder
from tests.dying import dies_at


@pytest.fixture(params=[0o022, 0o027, 0o002, 0o077], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def fill(target: Path, text: str) -> None:
    with whole_folder(target) as making:
        (making / "inner").mkdir()
        (making / "inner" / "a").write_text(text)
        (making / "b").write_text(text)


def content(folder: Path) -> set[str]:
    return {path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_modes_are_those_of_the_umask(umask: int, tmp_path: Path) -> None:
    target = tmp_path / "made"
    with whole_folder(target) as making:
        save_file({"a": torch.ones(2)}, making / "a.safetensors")
        (making / "inner").mkdir()
        save_file({"a": torch.ones(2)}, making / "inner" / "b.safetensors")
        (making / "c.json").write_text("{}")
    assert sorted(path.name for path in target.iterdir()) == ["a.safetensors", "c.json", "inner"]
    for path in target.rglob("*"):
        full = 0o777 if path.is_dir() else 0o666
        assert path.stat().st_mode & 0o777 == full & ~umask, path


def test_what_raises_leaves_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "made"
    fill(target, "old")
    with pytest.raises(OSError, match="full"), whole_folder(target) as making:
        (making / "b").write_text("half")
        raise OSError("full")
    assert content(target) == {"old"}
    assert list(tmp_path.iterdir()) == [target]


def test_what_was_there_is_put_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "made"
    fill(target, "old")
    rename = Path.rename

    def fails(path: Path, to: Path) -> Path:
        if path.name.endswith(".tmp"):
            raise OSError(errno.EIO, "the disk")
        return rename(path, to)

    with monkeypatch.context() as patch, pytest.raises(OSError, match="the disk"):
        patch.setattr(Path, "rename", fails)
        fill(target, "new")
    assert content(target) == {"old"}
    # A kill between the two renames, and then a write that fails.
    target.rename(tmp_path / ".made.old")
    with pytest.raises(OSError, match="full"), whole_folder(target):
        raise OSError("full")
    assert content(target) == {"old"}


@pytest.mark.parametrize("stride", [pytest.param(1, marks=pytest.mark.slow), 6])
def test_killed_anywhere_it_is_there_whole_or_not(stride: int, tmp_path: Path) -> None:
    target, line, seen = tmp_path / "made", 0, set()
    fill(target, "old")
    while dies_at(line, [module], lambda: fill(target, "new")):
        # Not there for a moment, but never in part.
        seen.add(next(iter(content(target)), "none"))
        assert len(content(target)) <= 1
        shutil.rmtree(target, ignore_errors=True)
        fill(target, "old")
        assert list(tmp_path.iterdir()) == [target]
        line += stride
    assert content(target) == {"new"}
    assert seen >= {"old", "new"}
    assert line > 10


@pytest.mark.parametrize("stride", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_killed_anywhere_a_folder_is_removed_whole_or_not(stride: int, tmp_path: Path) -> None:
    target, line = tmp_path / "made", 0
    fill(target, "old")
    while dies_at(line, [module, shutil], lambda: remove_folder(target)):
        assert len(list(target.rglob("*"))) in (0, 3)
        fill(target, "old")
        line += stride
    assert not list(tmp_path.iterdir())


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    link = tmp_path / "made"
    link.symlink_to("disk/made")  # which is not there yet
    for text in ("first", "second"):
        fill(link, text)
        assert content(tmp_path / "disk" / "made") == {text}
    assert link.is_symlink()
    assert [path.name for path in (tmp_path / "disk").iterdir()] == ["made"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["disk", "made"]
