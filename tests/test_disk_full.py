"""A disk that is full, for real, at many places of each command: one error, and a rerun goes on."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from synpic import Workspace
from synpic.errors import SynpicError
from tests.cli.conftest import in_process
from tests.conftest import MakeRecipe, corrupt_parts
from tests.engine.test_workers import table

AMPLE = 200_000


class Disk:
    """A file system in memory whose size is set as one goes, in KiB."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def resize(self, size: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={size}k", self.place], check=True)

    @property
    def used(self) -> int:
        found = os.statvfs(self.place)
        return found.f_frsize * (found.f_blocks - found.f_bfree) // 1024


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={AMPLE}k", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no file system may be mounted here")
    yield Disk(place)
    subprocess.run(["umount", "-l", place], check=True)


def files(folder: Path) -> dict[str, str]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in found
    }


@pytest.mark.slow
def test_every_command_on_a_disk_that_grows(tmp_path: Path, disk: Disk, recipe: MakeRecipe) -> None:
    sizes = 'sizes = ["64x64"]'
    text = recipe(prompts=24, a=sizes, b=sizes)
    whole = Workspace.create(tmp_path / "whole", text)
    full = Workspace.create(disk.place / "full", text)
    refused = {}
    for words, step in (
        (("generate", "--device", "cpu"), 60),
        (("score", "--device", "cpu"), 4),
        (("publish", "--to", "{}/out"), 300),
        (("export", "{}/pairs", "--to", "folders"), 100),
    ):
        said = [word.format(tmp_path) for word in words]
        assert in_process("-C", tmp_path / "whole", *said).exit_code == 0
        said = [word.format(disk.place) for word in words]
        tries = 0
        while True:
            disk.resize(disk.used + max(4, step * tries))
            ended = in_process("-C", disk.place / "full", *said)
            disk.resize(AMPLE)
            assert corrupt_parts(full) == []
            if ended.exit_code == 0:
                break
            # Anything else than one error of ours would have been raised.
            assert isinstance(ended.exception, SynpicError), said
            assert "No space left" in str(ended.exception) or "free" in str(ended.exception)
            tries += 1
            assert tries < 12
        refused[words[0]] = tries
    assert all(refused.values()), refused
    assert table(Workspace.open(full.store.root)).equals(table(whole))
    for name in ("out", "pairs"):
        assert files(disk.place / name) == files(tmp_path / name)
    assert [path.name for path in disk.place.rglob("*.tmp")] == []
