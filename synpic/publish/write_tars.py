"""Pairs as tars in the layout of WebDataset: a sample a pair, a shard a tar.

    <chosen_id>-<rejected_id>.chosen.png
    <chosen_id>-<rejected_id>.rejected.png
    <chosen_id>-<rejected_id>.json
    <chosen_id>-<rejected_id>.txt

A shard's bytes follow from its rows: members have no time and no owner. All images of an export
have one ending, since ``datasets`` wants samples of one shape; readers look at the bytes.
"""

from __future__ import annotations

import json
import os
import re
import tarfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from synpic.publish.manifest import describe_file
from synpic.publish.table.shards import Read, ShardFile, count_rows
from synpic.release.manifest import File

__all__ = ["tar_name", "write_tars"]

_SIDES = ("chosen", "rejected")

_AT_ONCE = 64
"""Pairs whose pixels are in memory together."""


def tar_name(shard: ShardFile) -> str:
    """The path of a shard as a tar."""
    return shard.path.removesuffix(".parquet") + ".tar"


def write_tars(
    shards: Sequence[ShardFile],
    read: Read,
    folder: Path,
    on_progress: Callable[[int, int], None] | None,
) -> dict[str, File]:
    """Write every shard below ``folder``: path → size and hash.

    Args:
        shards: of ``pairwise`` rows, with what else their JSON is to hold.
        on_progress: called with pairs written and pairs in all.
    """
    ending = _ending(shards)
    on_rows = count_rows(shards, on_progress)
    files: dict[str, File] = {}
    for shard in shards:
        path = folder / tar_name(shard)
        path.parent.mkdir(exist_ok=True)
        rows = shard.records.rows
        with path.open("wb") as stream:
            for start in range(0, rows.height, _AT_ONCE):
                batch = rows.slice(start, _AT_ONCE).to_dicts()
                _add(stream, batch, shard.split, read, ending)
                on_rows(len(batch))
            stream.write(bytes(-stream.tell() % tarfile.RECORDSIZE or tarfile.RECORDSIZE))
            stream.flush()
            os.fsync(stream.fileno())
        files[tar_name(shard)] = describe_file(path)
    return files


def _add(
    tar: BinaryIO,
    batch: Sequence[Mapping[str, Any]],
    split: str,
    read: Read,
    ending: str,
) -> None:
    wanted = dict.fromkeys(
        (row[side]["candidate_id"], row[side]["sha256"]) for row in batch for side in _SIDES
    )
    pixels = dict(zip(wanted, read(list(wanted)), strict=True))
    for row in batch:
        key = f"{row['chosen_id']}-{row['rejected_id']}"
        for side in _SIDES:
            image = pixels[row[side]["candidate_id"], row[side]["sha256"]]
            _put(tar, f"{key}.{side}{ending}", image)
        about = {name: value for name, value in row.items() if name not in _SIDES}
        text = json.dumps({**about, "split": split}, ensure_ascii=False, sort_keys=True)
        _put(tar, f"{key}.json", text.encode())
        _put(tar, f"{key}.txt", row["prompt"].encode())


def _put(tar: BinaryIO, name: str, data: bytes) -> None:
    # Of a TarInfo that is made by hand, time and owner are 0.
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.write(info.tobuf(tarfile.GNU_FORMAT, "utf-8", "strict"))
    tar.write(data)
    tar.write(bytes(-len(data) % tarfile.BLOCKSIZE))


def _ending(shards: Sequence[ShardFile]) -> str:
    """The most frequent ending of the images' names."""
    endings: Counter[str] = Counter(
        PurePosixPath(path).suffix.lower()
        for shard in shards
        for side in _SIDES
        for path in shard.records.rows[side].struct.field("path")
    )
    known = [one for one in endings if re.fullmatch(r"\.[a-z0-9]{1,8}", one)]
    return max(sorted(known), key=endings.__getitem__, default=".png")
