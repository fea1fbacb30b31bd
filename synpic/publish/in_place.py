"""Images where they lie: an address for one image inside a part, which ``datasets`` opens lazily.

    synpic-image://%2Fsets%2Fmy-set%2Fcandidates%2Fa-1a2b3c4d%2Fpart-0f.parquet/3/17/<sha256>/<file>

names row 17 of row group 3 of a part; the part's path is quoted whole, since ``datasets`` folds
double slashes. The ``Image`` feature opens whatever fsspec can open, so a dataset of addresses
holds no pixels and copies none. Parts are never changed, and the hash is checked: an address gives
the image it was made for, or an error.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import quote, unquote

import fsspec
import polars as pl
from fsspec import AbstractFileSystem

from synpic import ids
from synpic.workspace.naming import damaged
from synpic.workspace.parts import frame, open_part
from synpic.workspace.storage import Store

__all__ = ["PROTOCOL", "ImagesInParts", "addresses"]

PROTOCOL = "synpic-image"


class ImagesInParts(AbstractFileSystem):  # type: ignore[misc]  # fsspec is untyped
    """Opens the addresses of this module, for reading."""

    protocol: ClassVar[str] = PROTOCOL

    def info(self, path: str, **_options: Any) -> dict[str, Any]:
        """Name and size of an image, which costs as much as opening it."""
        size = self._open(self._strip_protocol(path)).getbuffer().nbytes
        return {"name": path, "size": size, "type": "file"}

    def _open(self, path: str, mode: str = "rb", **_options: Any) -> io.BytesIO:
        part, group, row, sha256, name = path.split("/")
        folder, _slash, file = unquote(part).rpartition("/")
        store = Store(folder)
        with open_part(store, file) as opened:
            table = opened.read_group(int(group), ["image.bytes"])
            data = table.column("image").combine_chunks().field("bytes")[int(row)].as_py()
        if ids.sha256(data) != sha256:
            raise damaged(store, file, f"image of {name.partition('.')[0]}")
        return io.BytesIO(data)


fsspec.register_implementation(PROTOCOL, ImagesInParts, clobber=True)


def addresses(store: Store, parts: Sequence[str]) -> Mapping[tuple[str, str], str]:
    """(candidate_id, sha256) → the address of that image, for all images of ``parts``.

    Raises:
        CorruptPart: naming a part that is damaged, or of another model.
    """
    found: dict[tuple[str, str], str] = {}
    for part in parts:
        with open_part(store, part) as opened:
            opened.check_folder()
            rows = frame(opened.read_columns(["candidate_id", "sha256", "image.path"]))
            sizes = opened.rows_of_groups
        places = [(group, row) for group, rows_of in enumerate(sizes) for row in range(rows_of)]
        path = store.path(part)
        where = quote(path if store.is_local else store.fs.unstrip_protocol(path), safe="")
        keys = rows.select("candidate_id", "sha256", pl.col("image").struct.field("path"))
        for (one, sha256, name), (group, row) in zip(keys.iter_rows(), places, strict=True):
            found[one, sha256] = f"{PROTOCOL}://{where}/{group}/{row}/{sha256}/{name}"
    return found
