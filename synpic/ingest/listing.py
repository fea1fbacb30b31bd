"""What lies in a folder of images: regular files, by names that need not be UTF-8.

A folder is read once, by whichever names lead to it, so that links cannot make a circle. A link
that leads out of the folder is not followed unless that is asked for: a caption that is a link to
another file would become a published prompt.
"""

from __future__ import annotations

import errno
import os
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO
from urllib.parse import quote, unquote_to_bytes

from synpic.readers.text import shown

__all__ = [
    "LEADS_OUT",
    "Listing",
    "list_folder",
    "open_regular",
    "plain_name",
    "read_regular",
    "shown",
    "spelt",
]

LEADS_OUT = "it is a link that leads out of the folder; follow_links = true reads it"


def spelt(name: str) -> str:
    """A file's name in ASCII, for :func:`plain_name` to read back."""
    return quote(os.fsencode(name))


def plain_name(spelt: str) -> str:
    """The file's name that ``spelt`` spells."""
    return os.fsdecode(unquote_to_bytes(spelt))


@contextmanager
def open_regular(path: Path) -> Iterator[BinaryIO]:
    """A regular file; opening a pipe or a device might never end.

    Raises:
        OSError: it is another kind of file, or cannot be read.
    """
    with open(path, "rb", opener=_open_at_once) as stream:
        if not S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file")
        yield stream


def read_regular(path: Path, most: int = -1) -> bytes:
    """The bytes of a regular file.

    Args:
        most: stop after as many; -1 for all of them.

    Raises:
        OSError: as :func:`open_regular` does.
    """
    with open_regular(path) as stream:
        return stream.read(most)


@dataclass(frozen=True)
class Listing:
    """The files of a folder, and what of it was not read.

    Args:
        root: the folder.
        files: name below the folder, with slashes → "size:time"; in order of names.
        outside: names of files that are links leading out of the folder.
        unread: folders that were not read → why.
        linked: whether there are links in it.
    """

    root: Path
    files: Mapping[str, str]
    outside: frozenset[str]
    unread: Mapping[str, str]
    linked: bool

    def find(self, name: str) -> list[str]:
        """The files that ``name`` may mean: one in most cases.

        The file of that very name; else those that differ only in Unicode's composition, which
        some disks change; else the one to which the name leads by links.
        """
        if name in self.files or name in self.outside:
            return [name]
        alike = self._by_nfc.get(unicodedata.normalize("NFC", name), [])
        if alike:
            return alike
        if not self.linked and name == os.path.normpath(name):
            return []
        real = os.path.relpath(os.path.realpath(self.root / name), self._real_root)
        return [one for one in [real.replace(os.sep, "/")] if one in self.files]

    @cached_property
    def _real_root(self) -> str:
        return os.path.realpath(self.root)

    @cached_property
    def _by_nfc(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name in (*self.files, *self.outside):
            found.setdefault(unicodedata.normalize("NFC", name), []).append(name)
        return found


def list_folder(root: Path, wanted: Callable[[str], bool], follow_links: bool) -> Listing:
    """Every regular file below ``root`` whose name is ``wanted``; hidden ones are left out.

    Args:
        follow_links: those too to which links lead out of the folder.

    Raises:
        OSError: ``root`` itself cannot be listed.
    """
    inside = os.path.realpath(root)
    files: dict[str, str] = {}
    outside: set[str] = set()
    unread: dict[str, str] = {}
    seen: set[str] = set()
    linked = False
    folders, links = [""], list[str]()
    # Linked folders come last: what is in the folder is known by its own name.
    while folders or links:
        below = folders.pop() if folders else links.pop(0)
        real = os.path.realpath(root / below)
        if real in seen:
            continue
        seen.add(real)
        try:
            entries = sorted(os.scandir(root / below), key=lambda entry: entry.name)
        except OSError as error:
            if not below:
                raise
            unread[below] = f"it cannot be read: {error.strerror}"
            continue
        for entry in entries:
            if entry.name.startswith("."):
                continue
            name = f"{below}/{entry.name}" if below else entry.name
            link = entry.is_symlink()
            linked = linked or link
            refused = link and not follow_links and _leads_out(entry.path, inside)
            if _is_folder(entry):
                if refused:
                    unread[name] = LEADS_OUT
                else:
                    (links if link else folders).append(name)
            elif wanted(entry.name):
                if refused:
                    outside.add(name)
                elif stamp := _stamp(entry):
                    files[name] = stamp
    return Listing(root, dict(sorted(files.items())), frozenset(outside), unread, linked)


def _leads_out(path: str, inside: str) -> bool:
    real = os.path.realpath(path)
    return real != inside and not real.startswith(os.path.join(inside, ""))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _stamp(entry: os.DirEntry[str]) -> str | None:
    """Size and time of a regular file; None of anything else, and of a link to nothing."""
    try:
        stat = entry.stat()
    except OSError:
        return None
    return f"{stat.st_size}:{stat.st_mtime_ns}" if S_ISREG(stat.st_mode) else None


def _open_at_once(path: str, flags: int) -> int:
    """Opening a pipe would wait for who writes to it."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
