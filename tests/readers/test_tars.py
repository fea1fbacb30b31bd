"""The walk over a tar, against ``tarfile`` and against tars that were made to do harm."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synpic.errors import IngestError
from synpic.readers.tars import BLOCK, Member, members

Entry = tuple[str, bytes]

NAMES = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=300
)


def tar_of(entries: Sequence[Entry], layout: int = tarfile.PAX_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=layout, errors="surrogateescape") as tar:
        for name, data in entries:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def special(name: str, kind: bytes, **values: object) -> bytes:
    """A header of 512 bytes."""
    info = tarfile.TarInfo(name)
    info.type = kind
    for key, value in values.items():
        setattr(info, key, value)
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")[:BLOCK]


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % BLOCK)


END = bytes(2 * BLOCK)


def walk(data: bytes) -> list[Member]:
    return list(members(io.BytesIO(data), "x.tar", error=IngestError))


def read(data: bytes) -> list[Entry]:
    return [(one.name, data[one.at : one.at + one.size]) for one in walk(data)]


@given(
    st.lists(st.tuples(NAMES, st.binary(max_size=1100)), min_size=1, max_size=4),
    st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]),
)
def test_names_and_bytes_are_those_that_tarfile_reads(entries: list[Entry], layout: int) -> None:
    data = tar_of([(name.rstrip("/") or "x", content) for name, content in entries], layout)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        theirs = [(one.name, tar.extractfile(one).read()) for one in tar]  # type: ignore[union-attr]
    assert read(data) == theirs


def test_a_name_that_is_no_utf8_and_one_that_leads_out_are_names_like_others() -> None:
    latin1 = b"caf\xe9.png".decode("utf-8", "surrogateescape")
    entries = [(latin1, b"1"), ("../../etc/passwd", b"2"), ("/abs.png", b"3"), ("e\u0301", b"4")]
    assert read(tar_of(entries, tarfile.GNU_FORMAT)) == entries


def test_links_devices_and_sparse_files_say_what_they_are() -> None:
    kinds = {
        tarfile.SYMTYPE: "a symbolic link",
        tarfile.LNKTYPE: "a hard link",
        tarfile.CHRTYPE: "a device",
        tarfile.FIFOTYPE: "a pipe",
        tarfile.GNUTYPE_SPARSE: "a sparse file",
    }
    # What a size says of a link is nothing: no bytes follow it.
    data = b"".join(special(f"{kind!r}", kind, size=0) for kind in kinds)
    link = special("link", tarfile.SYMTYPE, size=700, linkname="/etc/passwd")
    folder = special("folder", tarfile.DIRTYPE)
    found = walk(data + link + folder + tar_of([("last", b"x")]))
    assert [one.other for one in found] == [*kinds.values(), "a symbolic link", None]
    assert found[-1].name == "last"


WHOLE = tar_of([("a.png", b"a" * 700), ("b/" + "n" * 150 + ".txt", b"b" * 3)])


@pytest.mark.parametrize("length", [*range(1, len(WHOLE.rstrip(b"\0")), 97), 2048, 2560])
def test_a_tar_that_breaks_off_is_refused(length: int) -> None:
    with pytest.raises(IngestError, match=r"^x\.tar: "):
        walk(WHOLE[:length])


def test_zeros_at_the_end_may_be_few_or_many() -> None:
    body = WHOLE.rstrip(b"\0")
    body += bytes(-len(body) % BLOCK)
    assert read(body + bytes(BLOCK)) == read(WHOLE) == read(body + bytes(100 * BLOCK))


def broken(change: Callable[[bytearray], None]) -> bytes:
    data = bytearray(tar_of([("a.png", b"1"), ("b.png", b"2")], tarfile.GNU_FORMAT))
    change(data)
    return bytes(data)


def negative(data: bytearray) -> None:
    info = tarfile.TarInfo("b.png")
    info.size = -512
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    data[1024:1536] = header


PAX = special("pax", tarfile.XHDTYPE, size=20)

HOSTILE = {
    "empty": (b"", "it is empty"),
    "no tar": (b"\x89PNG" + bytes(2000), "it is no tar"),
    "gzip": (gzip.compress(WHOLE), r"it is compressed \(gzip\)"),
    "flipped": (broken(lambda d: d.__setitem__(1030, 7)), "the header at byte 1,024 is damaged"),
    "negative": (broken(negative), "b.png: it says -512 bytes"),
    "huge": (special("a.png", tarfile.REGTYPE, size=1 << 62) + END, "it says 4,611,"),
    "long name": (
        special("././@LongLink", tarfile.GNUTYPE_LONGNAME, size=1 << 20) + bytes(1 << 20) + END,
        "the header at byte 0 has 1.0 MB",
    ),
    "negative name": (
        special("././@LongLink", tarfile.GNUTYPE_LONGNAME, size=-1024) + END,
        "it says -1,024 bytes",
    ),
    "pax": (PAX + padded(b"999999 path=a.png\n") + END, "the pax header at byte 0 is damaged"),
    "pax NUL": (PAX + padded(b"20 path=aaaa\0aa.png\n") + END, "pax header at byte 0 is damaged"),
    "pax size": (
        special("pax", tarfile.XHDTYPE, size=13) + padded(b"13 size=9e99\n")
        + special("a.png", tarfile.REGTYPE) + END,
        "a.png: it says -1 byte",
    ),
    "global": (
        special("g", tarfile.XGLTYPE, size=14) + padded(b"14 path=a.png\n") + END,
        "gives all members one name",
    ),
    "joined": (WHOLE + WHOLE, "something follows its end"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_tar_is_one_error(name: str) -> None:
    data, message = HOSTILE[name]
    with pytest.raises(IngestError, match=rf"^x\.tar: .*{message}"):
        walk(data)


def test_a_chain_of_names_takes_no_stack() -> None:
    name = special("././@LongLink", tarfile.GNUTYPE_LONGNAME, size=4) + padded(b"x.p\0")
    found = walk(name * 5000 + special("short", tarfile.REGTYPE) + END)
    assert [one.name for one in found] == ["x.p"]


def test_bytes_of_members_are_not_read() -> None:
    class Counting(io.BytesIO):
        taken = 0

        def read(self, size: int | None = -1, /) -> bytes:
            data = super().read(size)
            self.taken += len(data)
            return data

    stream = Counting(tar_of([("a.png", bytes(5_000_000))]))
    assert len(list(members(stream, "x.tar", error=IngestError))) == 1
    assert stream.taken < 20_000
