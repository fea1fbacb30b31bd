"""Ingest: what a source has and a workspace lacks, and how a batch of files becomes candidates.

Bytes are kept as they are. An image is decoded once, to see that it is whole, and never
encoded. Width and height are those of the picture as it is seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

import polars as pl

from synpic import ids
from synpic.engine.earlier_runs import read_earlier_runs
from synpic.engine.failures import FailureLog
from synpic.engine.shard import Shard
from synpic.engine.task import Item, Made, Opener, Output, Row, Task, TaskCounts, Work
from synpic.errors import IngestError
from synpic.ingest.index import BATCH
from synpic.ingest.ingested_images import IngestedImages
from synpic.ingest.opening import open_source
from synpic.ingest.source import Reader
from synpic.readers.images import ImageError, decode, describe
from synpic.safety import (
    WantedSafety,
    checked,
    describe_safety,
    prompts_to_check,
    resolve_safety,
)
from synpic.workspace import Snapshot, tables

__all__ = ["ingest_task"]

_Reading = Future[list[tuple[Row, bytes | None]]]

PART_BYTES = 1 << 26
"""About how much goes into a part: reading is quick, and of small images 64 would be too few."""

_GONE = "its place holds no image, or another one than was found"


def ingest_task(
    snapshot: Snapshot, images: IngestedImages, want: pl.DataFrame, shard: Shard, retry_failed: bool
) -> Task:
    """What is missing of ``want``.

    Args:
        want: every image, as :meth:`IngestedImages.wanted` gives it.
        shard: the share of the work to do: whole row groups of a dataset.
        retry_failed: try again what has a failure row.
    """
    workspace = snapshot.workspace
    safety = resolve_safety(snapshot)
    failures = FailureLog(workspace, "ingest", images.name, images.fingerprint)
    earlier = read_earlier_runs(workspace, failures, images.folder, retry_failed)
    # What is found of an image is looked up when its turn comes: of millions, rows would not fit.
    places = images.rows.select("candidate_id", "batch", "share").with_row_index("place")
    missing = earlier.missing_of(places)
    shares = [one for one in missing["share"].unique().to_list() if shard.holds(one)]
    in_shard = missing.filter(pl.col("share").is_in(shares))
    output = Output(
        workspace=workspace,
        folder=images.folder,
        schema=tables.CANDIDATES,
        key=("candidate_id",),
        part_rows=_part_rows(images.rows),
        note={
            "model": images.name,
            "decides": dict(images.fingerprint_inputs),
            **describe_safety(safety),
        },
        watcher=earlier.watcher,
    )
    opener = Opener(
        partial(_open, snapshot, images, safety, prompts_to_check(safety, want)),
        IngestError,
        proven=bool(earlier.made),
    )
    return Task(
        stage="ingest",
        name=images.name,
        output=output,
        opener=opener,
        counts=TaskCounts(want.height, want.height - missing.height, earlier.skipped_of(places)),
        batches=[
            [
                Item(candidate_id=name, place=place)
                for name, place in batch.select("candidate_id", "place").iter_rows()
            ]
            for batch in in_shard.partition_by("batch", maintain_order=True)
        ],
        todo={(name,) for name in in_shard["candidate_id"]},
        failures=failures,
    )


def _open(
    snapshot: Snapshot,
    images: IngestedImages,
    safety: WantedSafety | None,
    prompts: pl.DataFrame,
    device: str,
    environment: str,
) -> Work:
    def ingesting() -> Work:
        return _Ingesting(images, open_source(snapshot).reader(), environment)

    return checked(safety, prompts, snapshot.workspace, device, ingesting)


def _part_rows(rows: pl.DataFrame) -> int:
    mean = rows.select(pl.col("bytes").mean().fill_null(0)).item()
    return max(BATCH, min(1024, PART_BYTES // max(1, int(mean))))


class _Ingesting:
    """An opened source: batches of places in the index → rows of the candidates table."""

    def __init__(self, images: IngestedImages, reader: Reader, environment: str) -> None:
        self._images, self._reader, self._environment = images, reader, environment
        self._reading = ThreadPoolExecutor(1, "ingest")
        self._looking = ThreadPoolExecutor(4, "look")
        self._begun: list[tuple[set[str], _Reading]] = []

    def expect(self, batches: Sequence[Sequence[Item]]) -> None:
        pass

    def do(self, batch: Sequence[Item], missing: Sequence[Item], following: Sequence[Item]) -> Made:
        begun = self._begin(missing)
        self._begun = [begun, self._begin(following)] if following else [begun]
        wanted = {item.candidate_id for item in missing}
        read = [pair for pair in begun[1].result() if pair[0]["candidate_id"] in wanted]
        rows: list[Row] = []
        failed: dict[str, str] = {}
        for (found, _), made in zip(read, self._looking.map(self._row, read), strict=True):
            if isinstance(made, str):
                failed[found["candidate_id"]] = made
            else:
                rows.append(made)
        return Made(rows, failed, succeeded=len(rows))

    def finish(self) -> Made:
        return Made([], {}, 0)

    def close(self) -> None:
        self._reading.shutdown(cancel_futures=True)
        self._looking.shutdown()
        self._reader.close()

    def _begin(self, items: Sequence[Item]) -> tuple[set[str], _Reading]:
        """Begin to read ``items``, unless that has been done."""
        names = {item.candidate_id for item in items}
        begun = next((one for one in self._begun if names <= one[0]), None)
        return begun or (names, self._reading.submit(self._read, items))

    def _read(self, missing: Sequence[Item]) -> list[tuple[Row, bytes | None]]:
        """Rows of the index, each with its image; those with a known problem are not even read."""
        found = self._images.rows[[item.place for item in missing]].to_dicts()
        sound = [row for row in found if row["problem"] is None]
        data = dict(
            zip((row["candidate_id"] for row in sound), self._reader.read(sound), strict=True)
        )
        return [(row, data.get(row["candidate_id"])) for row in found]

    def _row(self, read: tuple[Row, bytes | None]) -> dict[str, Any] | str:
        found, data = read
        if found["problem"] is not None:
            return str(found["problem"])
        if data is None:
            return _GONE
        try:
            image, extension = decode(data), describe(data).extension
        except ImageError as error:
            return str(error)
        name = found["candidate_id"]
        return {
            "candidate_id": name,
            "prompt_id": found["prompt_id"],
            "model": found["model"],
            "fingerprint": self._images.fingerprint,
            "sample": found["sample"],
            "seed": 0,
            "image": {"bytes": data, "path": f"{name}.{extension}"},
            "sha256": ids.sha256(data),
            "width": image.width,
            "height": image.height,
            "batch_size": None,
            "seconds": None,
            "flagged": None,
            "environment": self._environment,
        }
