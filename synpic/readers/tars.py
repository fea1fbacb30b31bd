"""Members of a tar file: where the bytes of each lie. None is extracted, and no name is a path.

A tar is walked header by header, forwards. ``tarfile`` parses each header; the walk is ours, since
``tarfile.TarFile`` takes a damaged header for the end of the file, follows headers that point
backwards, and reads as much of a long name as the file says. Formats: POSIX.1-1988 (ustar),
POSIX.1-2001 (pax) and GNU's long names; a name is UTF-8, other bytes of it are kept by
``surrogateescape``.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from synpic.errors import SynpicError
from synpic.readers.display import count, number, size
from synpic.readers.text import shown

__all__ = ["BLOCK", "Member", "members"]

BLOCK = 512
"""Headers and members begin at multiples of it."""

_LONGEST = 1 << 16
"""Bytes of a long name, or of a pax header."""

_COMPRESSED = {
    b"\x1f\x8b": ("gzip", "gunzip"),
    b"BZh": ("bzip2", "bunzip2"),
    b"\xfd7zXZ\x00": ("xz", "unxz"),
    b"\x28\xb5\x2f\xfd": ("zstd", "unzstd"),
}
"""First bytes → the format, and what unpacks it."""

_OTHERS = {
    tarfile.LNKTYPE: "a hard link",
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
    tarfile.GNUTYPE_SPARSE: "a sparse file",
}

_LONG = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
_PAX = (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.XGLTYPE)
_HEADERS = (*_LONG, *_PAX)
"""Members that say something of the one after them."""

_AGAIN = "put a whole file in its place, then run the same command again"


@dataclass(frozen=True)
class Member:
    """What one header says.

    Args:
        name: as it stands there, with slashes; it may be any text, ``../x`` too.
        at: where its bytes begin in the tar.
        size: how many there are; all of them are in the tar.
        other: what it is if it is no regular file: ``a symbolic link``.
    """

    name: str
    at: int
    size: int
    other: str | None = None


def members(stream: BinaryIO, where: str, *, error: type[SynpicError]) -> Iterator[Member]:
    """Every member but folders, in order. No bytes of any of them are read.

    Args:
        stream: of a tar that is not compressed; it can seek, and may be moved between two members.
        where: the tar, for messages.

    Raises:
        SynpicError: an ``error``: it is no tar, it breaks off, a header is damaged, or what follows
            its end is not nothing; with the name or place of the member.
        OSError: as ``stream`` does.
    """
    end = stream.seek(0, 2)
    place = 0
    long: str | None = None
    pax: dict[str, str] = {}
    while True:
        block = _read(stream, place, BLOCK)
        short = len(block) < BLOCK and (place > 0 or not block)
        if short or block.count(0) == BLOCK:
            break
        head = _header(block, where, place, error)
        name = long if long is not None else pax.get("path", head.name)
        taken = _size(pax.get("size"), head.size) if _has_bytes(head) else 0
        at = place + BLOCK
        if not 0 <= taken <= end - at:
            raise error(
                f"{where}: {shown(name)}: it says {count(taken, 'byte')}, and the tar ends "
                f"after {number(end - at)}",
                hint=_AGAIN,
            )
        following = at + -(-taken // BLOCK) * BLOCK
        if head.type in _LONG:
            data = _bounded(stream, at, taken, where, place, error)
            if head.type == tarfile.GNUTYPE_LONGNAME:
                long = _text(data.split(b"\0", 1)[0])
        elif head.type in _PAX:
            found = _records(_bounded(stream, at, taken, where, place, error), where, place, error)
            if head.type != tarfile.XGLTYPE:
                pax = found
            elif not {"path", "size"}.isdisjoint(found):
                raise error(
                    f"{where}: the header at byte {number(place)} gives all members one name or "
                    "size",
                    hint="write the tar again, with `tar --format=posix`",
                )
        else:
            sparse = any(key.startswith("GNU.sparse.") for key in pax)
            other = "a sparse file" if sparse else _OTHERS.get(head.type)
            if head.type == tarfile.GNUTYPE_SPARSE:
                following = _after_map(stream, block, place, following)
            if not head.isdir():
                yield Member(name, at, taken, other)
            long, pax = None, {}
        place = following
    _require_end(stream, place, end, where, error)


def _read(stream: BinaryIO, at: int, length: int) -> bytes:
    stream.seek(at)
    return stream.read(length)


def _header(block: bytes, where: str, place: int, error: type[SynpicError]) -> tarfile.TarInfo:
    try:
        return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except (tarfile.HeaderError, ValueError, OverflowError) as raised:
        if place == 0:
            for magic, (name, command) in _COMPRESSED.items():
                if block.startswith(magic):
                    raise error(
                        f"{where}: it is compressed ({name}): no image of it can be reached alone",
                        hint=f"unpack it first: {command} {where}",
                    ) from raised
            raise error(f"{where}: it is no tar: {raised}", hint=_AGAIN) from raised
        raise error(
            f"{where}: the header at byte {number(place)} is damaged: {raised}", hint=_AGAIN
        ) from raised


def _has_bytes(head: tarfile.TarInfo) -> bool:
    """Of links, folders and devices a size says nothing."""
    return head.isreg() or head.type not in tarfile.SUPPORTED_TYPES or head.type in _HEADERS


def _size(written: str | None, otherwise: int) -> int:
    """A member's size; -1 where a pax header gives no number."""
    if written is None:
        return otherwise
    return int(written) if written.isascii() and written.isdecimal() and len(written) < 20 else -1


def _bounded(
    stream: BinaryIO, at: int, length: int, where: str, place: int, error: type[SynpicError]
) -> bytes:
    if length > _LONGEST:
        raise error(
            f"{where}: the header at byte {number(place)} has {size(length)}, where at most "
            f"{size(_LONGEST)} are read",
            hint="write the tar again, with shorter names",
        )
    return _read(stream, at, length)


def _records(data: bytes, where: str, place: int, error: type[SynpicError]) -> dict[str, str]:
    """A pax header: records of ``<length> <key>=<value>`` and a line end."""
    found: dict[str, str] = {}
    at = 0
    while at < len(data) and data[at]:
        digits, _, _ = data[at : at + 20].partition(b" ")
        length = int(digits) if digits.isdigit() else 0
        record = data[at : at + length]
        key, equals, value = record[len(digits) + 1 : -1].partition(b"=")
        whole = equals and record.endswith(b"\n") and len(record) == length
        if not whole or (key == b"path" and b"\0" in value):
            raise error(f"{where}: the pax header at byte {number(place)} is damaged", hint=_AGAIN)
        found[_text(key)] = _text(value)
        at += length
    return found


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _after_map(stream: BinaryIO, block: bytes, place: int, following: int) -> int:
    """Where the next header is after a member of GNU's old sparse format: its map may go on."""
    extended, after = block[482], place + BLOCK
    while extended:
        more = _read(stream, after, BLOCK)
        extended = more[504] if len(more) == BLOCK else 0
        after += BLOCK
        following += BLOCK
    return following


def _require_end(
    stream: BinaryIO, place: int, end: int, where: str, error: type[SynpicError]
) -> None:
    """A tar ends in blocks of zeros; without them some of it is missing."""
    if end - place < BLOCK:
        if end == 0:
            raise error(f"{where}: it is empty", hint=_AGAIN)
        raise error(
            f"{where}: it breaks off after {count(end, 'byte')}: the end of a tar is missing",
            hint=_AGAIN,
        )
    stream.seek(place)
    while data := stream.read(1 << 20):
        if data.count(0) < len(data):
            raise error(
                f"{where}: something follows its end at byte {number(place)}: tars that were "
                "joined are read to the end of the first",
                hint="name each of them, or join them with `tar --concatenate`",
            )
