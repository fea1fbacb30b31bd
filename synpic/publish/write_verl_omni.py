"""Pairs as verl-omni's offline DPO reads them: encoded already, with the images beside.

    <split>.parquet
    images/<candidate_id>.png

A row is a pair, with latents and embeddings as ``torch.save`` writes a tensor. They are handed in:
nothing here knows a model.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from synpic.publish.image_files import SIDES, PairRow, read_pairs, write_image_files
from synpic.publish.manifest import describe_file
from synpic.publish.table.shards import Read
from synpic.rank import OWN
from synpic.release.manifest import File

__all__ = ["TensorsOfPairs", "images_of", "scores_of", "write_verl_omni"]

_GROUP = 32
"""Rows of a row group: a prompt takes megabytes."""

_OF_PROMPTS = [
    "prompt_embeds",
    "prompt_embeds_mask",
    "pooled_prompt_embeds",
    "negative_prompt_embeds",
    "negative_prompt_embeds_mask",
    "negative_pooled_prompt_embeds",
]

_KNOWN = {
    name: pa.string()
    for name in ("split", "prompt_id", "chosen_id", "rejected_id", "chosen_model", "rejected_model")
}
_SCHEMA = pa.schema(
    {
        "uid": pa.string(),
        "prompt": pa.string(),
        "negative_prompt": pa.string(),
        "img_win": pa.string(),
        "img_lose": pa.string(),
        "win_score": pa.float64(),
        "lose_score": pa.float64(),
        "img_win_latents": pa.binary(),
        "img_lose_latents": pa.binary(),
        **dict.fromkeys(_OF_PROMPTS, pa.binary()),
        "extra_info": pa.struct(
            {"raw_prompt": pa.string(), "raw_negative_prompt": pa.string(), **_KNOWN}
        ),
    }
)


class TensorsOfPairs(Protocol):
    """Encodes prompts and images, as :class:`synpic.train.data.pair_tensors.PairTensors` does."""

    negative_prompt: str

    def bytes_of(self, prompts: int, pairs: int) -> int:
        """About how many bytes the tensors of a number of prompts and pairs take."""

    def prepare(self, prompts: Iterable[str], images: Sequence[tuple[str, str]], read: Read) -> Any:
        """Encode all that will be asked for; called again, it goes on."""

    def of_prompt(self, prompt: str) -> dict[str, bytes]:
        """Column → tensor."""

    def of_image(self, sha256: str) -> bytes:
        """Latents."""


def images_of(rows: pl.DataFrame) -> list[tuple[str, str]]:
    """The images of pairs, each once: candidate_id and hash."""
    sides = [rows[side].struct.unnest().select("candidate_id", "sha256") for side in SIDES]
    return list(pl.concat(sides).unique(maintain_order=True).iter_rows())


def write_verl_omni(
    rows: pl.DataFrame,
    tensors: TensorsOfPairs,
    read: Read,
    folder: Path,
    on_progress: Callable[[int, int], None] | None,
) -> dict[str, File]:
    """Write a file for each split, and the images: path → size and hash.

    Args:
        rows: of ``pairwise``.
        tensors: prepared.
        on_progress: called with pairs written and pairs in all.
    """
    files: dict[str, File] = {}
    done = 0
    for split in sorted(set(rows["split"])):
        of_split = rows.filter(pl.col("split") == split)
        path = folder / f"{split}.parquet"
        with path.open("wb") as stream:
            # A prompt of several pairs, and the negative one, are kept once in a row group.
            with pq.ParquetWriter(
                stream,
                _SCHEMA,
                compression="zstd",
                use_dictionary=_OF_PROMPTS,
                dictionary_pagesize_limit=1 << 30,
                write_statistics=False,
            ) as writer:
                for batch in _batches(_rows(of_split, tensors, read, folder, files)):
                    writer.write_table(pa.Table.from_pylist(batch, _SCHEMA))
                    done += len(batch)
                    if on_progress:
                        on_progress(done, rows.height)
            stream.flush()
            os.fsync(stream.fileno())
        files[path.name] = describe_file(path)
    return files


def _rows(
    rows: pl.DataFrame, tensors: TensorsOfPairs, read: Read, folder: Path, files: dict[str, File]
) -> Iterator[dict[str, Any]]:
    for row, chosen, rejected in read_pairs(rows, read, None):
        paths = write_image_files(row, (chosen, rejected), folder, files)
        win_score, lose_score = scores_of(row)
        yield {
            "uid": f"{row['chosen_id']}-{row['rejected_id']}",
            "prompt": row["prompt"],
            "negative_prompt": tensors.negative_prompt,
            "img_win": paths[0],
            "img_lose": paths[1],
            "win_score": win_score,
            "lose_score": lose_score,
            "img_win_latents": tensors.of_image(row["chosen"]["sha256"]),
            "img_lose_latents": tensors.of_image(row["rejected"]["sha256"]),
            **tensors.of_prompt(row["prompt"]),
            "extra_info": {
                "raw_prompt": row["prompt"],
                "raw_negative_prompt": tensors.negative_prompt,
                **{name: row[name] for name in _KNOWN},
            },
        }


def scores_of(row: PairRow) -> tuple[float, float]:
    """Preferences; 1 and 0 of a pair that came with its label, whatever rewards say of it."""
    if row["strategy"] == OWN:
        return 1.0, 0.0
    return row["chosen_preference"], row["rejected_preference"]


def _batches(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    batch = []
    for row in rows:
        batch.append(row)
        if len(batch) == _GROUP:
            yield batch
            batch = []
    if batch:
        yield batch
