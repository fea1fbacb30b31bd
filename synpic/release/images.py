"""Pixels of a release by candidate id, from the rows of ``ranked`` or ``pairwise`` they lie in.

A row group is the least that a reader of Parquet fetches. Pairs come in the order of the rows, so
one group at a time is kept, and each is fetched once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from synpic import ids
from synpic.errors import ReleaseError
from synpic.release.source import Published
from synpic.workspace.parts import frame
from synpic.workspace.tables import IMAGE

__all__ = ["PublishedImages"]

_SIDES = ("chosen", "rejected")


class _Place(NamedTuple):
    path: str
    group: int
    row: int
    column: str


class PublishedImages:
    """The images of one config of a release: who they are, and their encoded bytes.

    Args:
        release: from ``open_release``.
        config: "ranked", or "pairwise" (then only images that are in a pair).

    Raises:
        ReleaseError: it has no such config, or a shard is missing or damaged.
        HubUnreachable: the Hub did not answer.

    Attributes:
        candidates: one row per image, in the order of the release: split, prompt_id, prompt,
            candidate_id, model, preference (Float64), seed and rank (null where the release has
            pairs alone), sha256 ("" where it has no ``scores`` to tell it), path (its file name)
            and size (bytes; on average right, for single images an estimate: sizes themselves would
            cost the pixels).
    """

    def __init__(self, release: Published, config: str = "ranked") -> None:
        self._release, self._config = release, config
        self._where: dict[str, _Place] = {}
        self._bytes: dict[tuple[str, int, str], int] = {}
        self._open: tuple[str, Any, pq.ParquetFile] | None = None
        self._held: tuple[tuple[str, int], dict[str, pa.Array]] | None = None
        rows: list[dict[str, Any]] = []
        for split, paths in release.shards(config).items():
            found = 0
            for path in paths:
                rows += self._index(config, split, path)
                found += self._file(path).metadata.num_rows
            release.check_rows(config, split, found)
        schema = dict.fromkeys(
            ("split", "prompt_id", "prompt", "candidate_id", "model"), pl.String()
        ) | {
            "preference": pl.Float64(),
            "seed": pl.Int64(),
            "rank": pl.Int32(),
            "path": pl.String(),
            "size": pl.Int64(),
        }
        self.candidates = self._with_hashes(pl.DataFrame(rows, schema))
        self._require_ids()

    def _require_ids(self) -> None:
        # Names of files are made of them.
        ids = self.candidates["candidate_id"]
        bad = ids.filter(~ids.str.contains(r"\A[0-9A-Za-z_-]{1,64}\z").fill_null(False))
        if len(bad):
            raise ReleaseError(
                f"{self._release.name}: {bad[0]!r:.100} is no candidate_id",
                hint="do not trust that release; synpic makes ids of 32 hexadecimal digits",
            )

    def read(self, wanted: Sequence[tuple[str, str]]) -> list[bytes]:
        """Images for (candidate_id, sha256) pairs, in that order; "" for a hash checks nothing.

        Raises:
            ReleaseError: naming an image that is not what was published.
            HubUnreachable: the Hub did not answer.
        """
        found: dict[str, bytes] = {}
        for one, sha256 in sorted(wanted, key=lambda key: self._where[key[0]][:2]):
            place = self._where[one]
            data = self._column(place)[place.row].as_py()
            if data is None or (sha256 and ids.sha256(data) != sha256):
                raise ReleaseError(
                    f"{self._release.name}: {place.path}: the image of {one} is damaged",
                    hint=f"`synpic verify {self._release.name}` says what else is",
                )
            found[one] = data
        return [found[one] for one, _ in wanted]

    def in_order(self, wanted: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        """``wanted`` in the order in which they lie: file after file, group after group."""
        return sorted(wanted, key=lambda key: self._where[key[0]])

    def bytes_to_read(self, wanted: Iterable[str]) -> int:
        """Bytes to fetch for these candidates: the columns of row groups that hold them."""
        places = {self._where[one] for one in wanted}
        pieces = {(place.path, place.group, place.column) for place in places}
        return sum(self._bytes[piece] for piece in pieces)

    def close(self) -> None:
        """Let go of what is open and held."""
        if self._open is not None:
            self._open[1].close()
        self._open = self._held = None

    def _index(self, config: str, split: str, path: str) -> list[dict[str, Any]]:
        """The images of one shard, each once; where they lie is noted."""
        file = self._file(path)
        images = _image_columns(file)
        plain = (
            ("candidate_ids", "models", "preference", "seeds", "rank")
            if config == "ranked"
            else [f"{side}_{what}" for side in _SIDES for what in ("id", "model", "preference")]
        )
        columns = ["prompt_id", "prompt", *plain, *(f"{name}.path" for name in images)]
        with self._release.reading(path):
            rows = frame(file.read(columns, use_threads=False).replace_schema_metadata())
        found: list[dict[str, Any]] = []
        start = 0
        for group in range(file.num_row_groups):
            about = file.metadata.row_group(group)
            mine = rows.slice(start, about.num_rows)
            start += about.num_rows
            totals = _column_bytes(about)
            self._bytes |= {(path, group, name): totals[f"{name}.bytes"] for name in images}
            sizes = _mean_sizes(totals, mine, images)
            for number, row in enumerate(mine.iter_rows(named=True)):
                for column, one, model, preference, seed, rank in _images_of(config, row):
                    if one in self._where:
                        continue
                    self._where[one] = _Place(path, group, number, column)
                    found.append(
                        {
                            "split": split,
                            "prompt_id": row["prompt_id"],
                            "prompt": row["prompt"],
                            "candidate_id": one,
                            "model": model,
                            "preference": preference,
                            "seed": seed,
                            "rank": rank,
                            "path": row[column]["path"],
                            "size": sizes[column],
                        }
                    )
        return found

    def _with_hashes(self, rows: pl.DataFrame) -> pl.DataFrame:
        if "scores" not in self._release.records:
            return rows.with_columns(sha256=pl.lit(""))
        hashes = self._release.table("scores", ["candidate_id", "sha256"]).drop("split")
        joined = rows.join(hashes, on="candidate_id", how="left", maintain_order="left")
        return joined.with_columns(pl.col("sha256").fill_null(""))

    def _column(self, place: _Place) -> pa.Array:
        """The encoded images of one column of a row group, as many as it has rows.

        Of one group the columns that were asked for are kept: a whole group may be 100 MB.
        """
        key = (place.path, place.group)
        file = self._file(place.path)
        if self._held is None or self._held[0] != key:
            self._held = (key, {})
        held = self._held[1]
        if place.column not in held:
            with self._release.reading(place.path):
                # Arrow's threads hold the stream for longer: see workspace/parts.py.
                leaf = f"{place.column}.bytes"
                table = file.read_row_group(place.group, [leaf], use_threads=False)
            held[place.column] = table[place.column].combine_chunks().field("bytes")
        return held[place.column]

    def _file(self, path: str) -> pq.ParquetFile:
        if self._open is None or self._open[0] != path:
            self.close()
            stream = self._release.open(path)
            with self._release.reading(path):
                self._open = (path, stream, pq.ParquetFile(stream, pre_buffer=True))
                self._release.check_columns(self._config, path, self._open[2].schema_arrow)
        assert self._open is not None
        return self._open[2]


def _image_columns(file: pq.ParquetFile) -> list[str]:
    return [field.name for field in file.schema_arrow if field.type == IMAGE]


def _images_of(
    config: str, row: dict[str, Any]
) -> list[tuple[str, str, str, float, int | None, int | None]]:
    """The images of a row: column, candidate_id, model, preference, seed and rank of each.

    Pairs have neither seed nor rank.
    """
    if config == "ranked":
        lists = [row[key] for key in ("candidate_ids", "models", "preference", "seeds", "rank")]
        return [(f"image_{place}", *one) for place, one in enumerate(zip(*lists, strict=True))]
    return [
        (side, row[f"{side}_id"], row[f"{side}_model"], row[f"{side}_preference"], None, None)
        for side in _SIDES
    ]


def _column_bytes(about: Any) -> dict[str, int]:
    """Leaf column of a row group → its bytes, by the footer."""
    chunks = [about.column(number) for number in range(about.num_columns)]
    return {chunk.path_in_schema: chunk.total_uncompressed_size for chunk in chunks}


def _mean_sizes(
    totals: Mapping[str, int], rows: pl.DataFrame, images: Sequence[str]
) -> dict[str, int]:
    """Column of images → their mean size in bytes in a row group."""
    return {name: totals[f"{name}.bytes"] // max(1, rows[name].count()) for name in images}
