"""Which tar files a recipe means: one, a pattern of them, or the tars of a folder."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Sequence
from itertools import product
from pathlib import Path, PurePosixPath

from synpic.errors import IngestError, SourceMissing
from synpic.readers.display import count
from synpic.readers.text import shown

__all__ = ["ENDING", "PACKED", "common_folder", "expand", "inner_name", "named_tars"]

ENDING = ".tar"

PACKED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")
"""Of names of tars that are compressed: no image of one can be reached alone."""

_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d{1,9})\.\.(\d{1,9})")

_MOST = 100_000
"""Names that braces may stand for."""


def named_tars(root: Path, name: str) -> list[Path] | None:
    """The tars that ``name`` means, below ``root``, in order; None if it names no tar.

    A tar of that very name; else braces stand for all they list (``{000..127}``, ``{a,b}``), all of
    which must be there, and ``*``, ``?`` and ``[…]`` for what there is.

    Raises:
        SourceMissing: there is none, or one of the braces' is not there.
        IngestError: braces stand for too many.
    """
    if not name.lower().endswith((ENDING, *PACKED)):
        return None
    whole = root / Path(name).expanduser()
    if whole.is_dir():
        return None
    if whole.is_file():
        return [whole]
    if not _BRACES.search(name) and not glob.has_magic(name):
        raise SourceMissing(f"{name}: no such file ({whole})", hint="paths start at the recipe")
    found: dict[Path, None] = {}
    for one in expand(name):
        path = root / Path(one).expanduser()
        if path.is_file():
            found[path] = None
            continue
        some = [Path(match) for match in sorted(glob.glob(str(path))) if Path(match).is_file()]
        if not some:
            raise SourceMissing(
                f"{name}: no such file: {shown(one)}",
                hint="paths start at the recipe; braces name files that are all there: "
                "shard-{000..127}.tar",
            )
        found |= dict.fromkeys(some)
    return list(found)


def expand(name: str) -> list[str]:
    """``name`` with its braces written out, as a shell and ``webdataset`` do it.

    Raises:
        IngestError: there would be more than 100,000 names.
    """
    pieces: list[list[str]] = []
    at, names = 0, 1
    for found in _BRACES.finditer(name):
        choices = _choices(found[1])
        if choices is None:
            continue
        names *= len(choices)
        if names > _MOST:
            raise IngestError(
                f"{name}: its braces stand for more than {count(_MOST, 'file')}",
                hint="name the folder, or write * in place of numbers",
            )
        pieces += [[name[at : found.start()]], choices]
        at = found.end()
    return ["".join(one) for one in product(*pieces, [name[at:]])]


def _choices(inside: str) -> list[str] | None:
    span = _RANGE.fullmatch(inside)
    if span is None:
        return inside.split(",") if "," in inside else None
    first, last = int(span[1]), int(span[2])
    padded = any(len(one) > 1 and one[0] == "0" for one in span.groups())
    width = max(map(len, span.groups())) if padded else 0
    if abs(last - first) >= _MOST:
        return [""] * (_MOST + 1)
    step = 1 if first <= last else -1
    return [f"{number:0{width}d}" for number in range(first, last + step, step)]


def common_folder(paths: Sequence[Path]) -> Path:
    """The folder below which all of ``paths`` lie."""
    return Path(os.path.commonpath([path.parent for path in paths]))


def inner_name(path: Path, root: Path) -> str:
    """``path`` below ``root``, with slashes."""
    return PurePosixPath(os.path.relpath(path, root).replace(os.sep, "/")).as_posix()
