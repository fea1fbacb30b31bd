"""Weights at an address outside the Hub, whose name ends in the first digits of their SHA-256.

Model zoos name files so (``resnet50-0676ba61.pth``). The digits are the identity of what lies at
the address, known before a byte is fetched, and what was fetched is held to them.
"""

from __future__ import annotations

import os
import re
import time
import urllib.request
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit

from synpic import ids
from synpic.errors import CheckpointError, HubUnreachable
from synpic.hub.user_cache import user_cache
from synpic.readers.display import size

__all__ = ["digits_of", "fetch_hashed", "is_address", "kept_file"]

SECONDS = 60
"""That a download may stand still."""

WAITS = (1.0, 4.0, 15.0)
"""Seconds before each further attempt at a download that broke off."""

_LATER = {408, 429, 500, 502, 503, 504}
"""Statuses after which another attempt may succeed."""

_NAMED = re.compile(r"[\w.+-]*-([0-9a-f]{8,64})\.[a-z]{2,11}", re.ASCII)
_BLOCK = 1 << 20


def is_address(source: str) -> bool:
    """Whether ``source`` is an address of the web, and no repository or folder."""
    return source.startswith(("https://", "http://"))


def digits_of(address: str) -> str:
    """The first digits of the SHA-256, at least eight, that the file's name ends in.

    Raises:
        CheckpointError: its name ends in none.
    """
    named = _NAMED.fullmatch(_name(address))
    if named is None:
        raise CheckpointError(
            f"{address}: nothing says what the file has to hold",
            hint="weights at an address have the first digits of their SHA-256 in their name "
            "(weights-743b7d99.pth); download others into a folder, and name that",
        )
    return named[1]


def kept_file(address: str) -> Path | None:
    """The file at ``address``, where it was fetched before; None where it was not."""
    path = _place(address)
    return path if path.is_file() else None


def fetch_hashed(address: str) -> Path:
    """The file at ``address``, in a folder of its own; from the cache where it is there whole.

    Raises:
        HubUnreachable: it cannot be downloaded.
        CheckpointError: what lies there is not what its name says; or it cannot be stored.
    """
    digits, path = digits_of(address), _place(address)
    if path.is_file() and ids.file_hash(path).startswith(digits):
        return path
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _download(address, beside)
        found = ids.file_hash(beside)
        if not found.startswith(digits):
            raise CheckpointError(
                f"{address} has the SHA-256 {found[:16]}…, expected {digits}…",
                hint="something between here and there changed it; try another network",
            )
        beside.replace(path)
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be written: {error}",
            hint="make room there, or point XDG_CACHE_HOME to another folder",
        ) from error
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
    return path


def _name(address: str) -> str:
    try:
        return unquote(urlsplit(address).path).rpartition("/")[2]
    except ValueError:
        return ""


def _place(address: str) -> Path:
    return user_cache("files") / digits_of(address) / _name(address)


def _download(address: str, path: Path) -> None:
    """All bytes at ``address`` into ``path``; a download that broke off goes on from where it was.

    Raises:
        HubUnreachable: the last attempt failed.
        OSError: the file cannot be written.
    """
    with path.open("wb") as file:
        for wait in (*WAITS, None):
            try:
                _read_on(address, file)
                return
            except (_Broken, HTTPException) as error:
                later = getattr(error, "later", True)
                if wait is None or not later:
                    raise HubUnreachable(
                        f"{address} cannot be downloaded: {error}",
                        hint="connect and try again; or download it elsewhere into a folder, and "
                        "name that as the checkpoint",
                    ) from error
            time.sleep(wait)


class _Broken(Exception):
    """A request that failed; ``later``: another may not."""

    def __init__(self, reason: object, later: bool = True) -> None:
        super().__init__(str(reason))
        self.later = later


def _read_on(address: str, file: Any) -> None:
    """What is missing of the file, written to its end."""
    there = file.seek(0, os.SEEK_END)
    request = urllib.request.Request(address)
    if there:
        request.add_header("Range", f"bytes={there}-")
    try:
        answer: Any = urllib.request.urlopen(request, timeout=SECONDS)
    except HTTPError as error:
        raise _Broken(error, error.code in _LATER) from error
    except (OSError, ValueError) as error:  # URLError is of the former's family
        raise _Broken(getattr(error, "reason", None) or error) from error
    with answer:
        if answer.status != 206:
            there = file.seek(0)
            file.truncate()
        length = answer.headers.get("Content-Length")
        wanted = None if length is None else there + int(length)
        while block := _block(answer):
            there += file.write(block)
    if wanted is not None and there < wanted:
        raise _Broken(f"it broke off after {size(there)} of {size(wanted)}")


def _block(answer: Any) -> bytes:
    try:
        block: bytes = answer.read(_BLOCK)
    except (OSError, HTTPException) as error:
        raise _Broken(error) from error
    return block
