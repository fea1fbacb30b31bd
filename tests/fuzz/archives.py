"""Faults in tars: members that are doubled, moved, of another kind, or of another size."""

from __future__ import annotations

import gzip
import io
import random
import tarfile

from tests.fuzz.values import Changed

__all__ = ["mutate_tar"]

_KINDS = [
    tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE,
    tarfile.GNUTYPE_SPARSE, tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, b"Z",
]  # fmt: skip
_NAMES = [
    "",
    "x",
    "../up.png",
    "/abs.png",
    "a" * 300 + ".png",
    "a\u0301.txt",
    "\udce9.png",
    "a.json",
]
_PLACES = "byte|end|compressed|members|sample|no tar|caption|empty"


def _members(data: bytes) -> list[tuple[tarfile.TarInfo, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return [(one, tar.extractfile(one).read()) for one in tar]  # type: ignore[union-attr]


def _packed(entries: list[tuple[tarfile.TarInfo, bytes]], layout: int) -> bytes:
    buffer = io.BytesIO()
    for info, data in entries:
        header = info.tobuf(layout, "utf-8", "surrogateescape")
        buffer.write(header + data + bytes(-len(data) % 512))
    return buffer.getvalue() + bytes(1024)


def mutate_tar(data: bytes, rng: random.Random) -> Changed:
    """A tar with a member that is gone, twice, elsewhere, or whose header says another thing."""
    entries = _members(data)
    layout = rng.choice([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
    at = rng.randrange(len(entries))
    info, content = entries[at]
    name = info.name
    how = rng.choice(
        ["gone", "twice", "moved", "kind", "name", "size", "text", "packed", "joined", "no end"]
    )
    if how == "gone":
        del entries[at]
    elif how == "twice":
        entries.insert(rng.randrange(len(entries)), entries[at])
    elif how == "moved":
        rng.shuffle(entries)
    elif how == "kind":
        info.type = rng.choice(_KINDS)
        info.linkname = rng.choice(["", "/etc/passwd", "../x", name])
    elif how == "name":
        info.name = rng.choice(_NAMES)
    elif how == "size":
        info.size = rng.choice([0, 1, -1, -512, 1 << 33, 1 << 62, len(content) + 512])
    elif how == "text":
        content = rng.choice([b"", b"\0", b"\xff\xfe", b"{", b"[" * 5000, b'{"prompt": 1}', b" "])
        info.size = len(content)
        entries[at] = (info, content)
    made = _packed(entries, tarfile.GNU_FORMAT if how == "size" else layout)
    if how == "packed":
        made = gzip.compress(made, mtime=0)
    elif how == "joined":
        made += made
    elif how == "no end":
        made = made[:-1024]
    return made, f"{name}: {how}", f"{name}|{_PLACES}"
