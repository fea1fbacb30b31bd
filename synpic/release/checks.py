"""What can be wrong inside a release, one check each: its card, its shards, its ranks, its pixels.

A check looks at one thing and returns every problem that it finds there. Many rows that are wrong
in the same way are one problem, which names the first.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from synpic.errors import ReleaseError
from synpic.readers.card_head import read_head
from synpic.readers.display import count
from synpic.readers.json_models import validate
from synpic.release.manifest import CARD, MANIFEST, Feature
from synpic.workspace.tables import IMAGE

__all__ = [
    "Problem",
    "card_configs",
    "check_card",
    "check_features",
    "check_pixels",
    "hash_images",
    "led_to",
]

_HINT = "restore the card's head, or publish the release again"


@dataclass(frozen=True)
class Problem:
    """One thing that is not as it should be.

    Args:
        path: the file, or the config where it is in several.
        text: what was found, and what was expected.
    """

    path: str
    text: str


class _Read(BaseModel):
    """A part of a card's head; keys that are not read are nothing to a release."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


class _DataFiles(_Read):
    split: str
    path: str | list[str]


class _Config(_Read):
    config_name: str
    data_files: list[_DataFiles]


class _Split(_Read):
    name: str
    num_examples: int


class _Info(_Read):
    config_name: str
    splits: list[_Split]


class _Head(_Read):
    configs: list[_Config] | None = None
    dataset_info: list[_Info] | None = None


def check_card(
    text: str, records: Mapping[str, Mapping[str, int]], paths: Iterable[str]
) -> list[Problem]:
    """Whether the card leads ``load_dataset`` to every shard, and counts their rows rightly.

    Args:
        text: of the card.
        records: config → split → rows.
        paths: of the release's files that are there.
    """
    try:
        head = _read_head(text, CARD)
        patterns = _patterns(head.configs or [], CARD)
    except ReleaseError as error:
        lines = error.message.removeprefix(f"{CARD}: ").split(f"\n{CARD}: ")
        return [Problem(CARD, f"its head cannot be read: {'; '.join(lines)}")]
    counted = {
        info.config_name: {split.name: split.num_examples for split in info.splits}
        for info in head.dataset_info or []
    }
    found: list[Problem] = []
    present = sorted(paths)
    for config, splits in records.items():
        if config not in patterns:
            found.append(Problem(CARD, f"its `configs` do not name `{config}`"))
            continue
        for split, rows in splits.items():
            expected = {path for path in present if path.startswith(f"{config}/{split}-")}
            named = patterns[config].get(split, [])
            led = {path for path in present if any(one.fullmatch(path) for one in named)}
            if led != expected or not led:
                said = f"key `configs` leads to {len(led)} files of `{config}`, split `{split}`"
                found.append(Problem(CARD, f"{said}; there are {len(expected)}"))
            counts = counted.get(config, {}).get(split, rows)
            if counts != rows:
                said = f"key `dataset_info` says {counts} rows for `{config}`, split `{split}`"
                found.append(Problem(CARD, f"{said}; {MANIFEST} says {rows}"))
    for config in patterns:
        if config not in records:
            found.append(Problem(CARD, f"its `configs` name `{config}`, which the release has not"))
    return found


def led_to(text: str, paths: Iterable[str]) -> dict[str, str]:
    """Which of ``paths`` the card leads ``load_dataset`` to: path → the config they are read with.

    Args:
        text: of the card; one whose head cannot be read leads nowhere.
        paths: of files, hidden ones aside.
    """
    try:
        patterns = card_configs(text, CARD)
    except ReleaseError:
        return {}
    return {
        path: config
        for path in paths
        for config, splits in patterns.items()
        if any(one.fullmatch(path) for named in splits.values() for one in named)
    }


def card_configs(text: str, where: str) -> dict[str, dict[str, list[re.Pattern[str]]]]:
    """What a card says of where tables lie: config → split → patterns of paths.

    Args:
        text: of the card.
        where: the file's name, for messages.

    Raises:
        ReleaseError: naming the line or the key that is wrong.
    """
    return _patterns(_read_head(text, where).configs or [], where)


def _read_head(text: str, where: str) -> _Head:
    """What the head of a card says of files.

    Raises:
        ReleaseError: naming the line or the key that is wrong.
    """
    values = read_head(text, where, error=ReleaseError, hint=_HINT).values
    return validate(_Head, dict(values), where, ReleaseError, _HINT)


def _patterns(
    configs: Sequence[_Config], where: str
) -> dict[str, dict[str, list[re.Pattern[str]]]]:
    """Config → split → patterns of paths, as ``datasets`` takes them: ``*`` stops at a slash.

    Raises:
        ReleaseError: one is no pattern.
    """
    from fsspec.utils import glob_translate

    found: dict[str, dict[str, list[re.Pattern[str]]]] = {}
    for config in configs:
        splits = found.setdefault(config.config_name, {})
        for entry in config.data_files:
            for path in [entry.path] if isinstance(entry.path, str) else entry.path:
                try:
                    pattern = re.compile(glob_translate(path))
                except (ValueError, re.error) as error:
                    raise ReleaseError(
                        f"{where}: configs: data_files: {path!r} is no pattern: {error}", hint=_HINT
                    ) from error
                splits.setdefault(entry.split, []).append(pattern)
    return found


def check_features(path: str, schema: pa.Schema, features: Sequence[Feature]) -> list[Problem]:
    """Whether a shard has the columns that the manifest says, of those types and in that order."""
    there = {field.name: _feature(field.type) for field in schema}
    said = {one.name: _described(one) for one in features}
    twice = [name for name, number in Counter(schema.names).items() if number > 1]
    found = [Problem(path, f"two columns are named `{name}`") for name in twice]
    found += [
        Problem(path, f"column `{name}` is missing; {MANIFEST} lists it")
        for name in said
        if name not in there
    ]
    found += [
        Problem(path, f"column `{name}` is none of those in {MANIFEST}")
        for name in there
        if name not in said
    ]
    found += [
        Problem(path, f"column `{name}` is {_words(kind)}; {MANIFEST} says {_words(said[name])}")
        for name, kind in there.items()
        if name in said and kind != said[name]
    ]
    if not found and list(there) != list(said):
        name, listed = next((a, b) for a, b in zip(there, said, strict=True) if a != b)
        found.append(Problem(path, f"column `{name}` stands where {MANIFEST} lists `{listed}`"))
    return found


def _described(feature: Feature) -> dict[str, str]:
    """The type of a column, as the manifest has it."""
    if feature.sequence is not None:
        return {"sequence": feature.sequence}
    return {"dtype": str(feature.dtype)}


def _feature(kind: pa.DataType) -> dict[str, str]:
    """A type as a card's ``dataset_info`` has it."""
    if kind == IMAGE:
        return {"dtype": "image"}
    if pa.types.is_list(kind):
        return {"sequence": _feature(kind.value_type)["dtype"]}
    names = {pa.float32(): "float32", pa.float64(): "float64"}
    return {"dtype": names.get(kind, str(kind))}


def _words(feature: Mapping[str, str]) -> str:
    return f"list of {feature['sequence']}" if "sequence" in feature else feature["dtype"]


def hash_images(config: str, stream: BinaryIO) -> pl.DataFrame:
    """The images of a shard: ``candidate_id`` and ``sha256`` of its bytes, null where it is none.

    A row group is in memory at a time. A place that has an image and no id, or an id and no image,
    is a row with a null.

    Raises:
        pa.ArrowException, OSError: it cannot be read.
    """
    file = pq.ParquetFile(stream)
    frames: list[pl.DataFrame] = []
    for number in range(file.num_row_groups):
        for image, ids in _places(config, file, number):
            pixels = image.field("bytes") if pa.types.is_struct(image.type) else image
            hashes = [
                hashlib.sha256(one.as_buffer()).hexdigest() if one.is_valid else None
                for one in pixels
            ]
            rows = pl.DataFrame(
                {"candidate_id": ids, "sha256": hashes},
                schema={"candidate_id": pl.String, "sha256": pl.String},
            )
            empty = pl.col("candidate_id").is_null() & pl.col("sha256").is_null()
            frames.append(rows.filter(~empty))
    schema = {"candidate_id": pl.String, "sha256": pl.String}
    return pl.concat(frames) if frames else pl.DataFrame(schema=schema)


def _places(
    config: str, file: pq.ParquetFile, number: int
) -> Iterable[tuple[pa.Array, list[str | None]]]:
    """Each image column of a row group, with the ids of its images; a column is read at a time."""
    images = {
        "images": {"image": "candidate_id"},
        "pairwise": {"chosen": "chosen_id", "rejected": "rejected_id"},
        "pickapic": {"jpg_0": "image_0_uid", "jpg_1": "image_1_uid"},
    }.get(config, {})
    for image, key in images.items():
        table = file.read_row_group(number, columns=[image, key], use_threads=False)
        yield table[image].combine_chunks(), table[key].to_pylist()
    if config == "ranked":
        table = file.read_row_group(number, columns=["candidate_ids"], use_threads=False)
        lists = table["candidate_ids"].to_pylist()
        width = sum(name.startswith("image_") for name in file.schema_arrow.names)
        for place in range(width):
            table = file.read_row_group(number, columns=[f"image_{place}"], use_threads=False)
            ids = [(ids or [])[place] if place < len(ids or []) else None for ids in lists]
            yield table[f"image_{place}"].combine_chunks(), ids


def check_pixels(path: str, images: pl.DataFrame, known: pl.DataFrame | None) -> list[Problem]:
    """Whether images are where ids are, and are those that were scored.

    Args:
        path: of the shard.
        images: from :func:`hash_images`.
        known: ``candidate_id`` and ``sha256`` of every image that was scored; None if the release
            does not say.
    """
    found: list[Problem] = []
    missing = images.filter(pl.col("sha256").is_null())["candidate_id"]
    if missing.len():
        found.append(Problem(path, f"{_count(missing, 'image')} missing"))
    nameless = images["candidate_id"].null_count()
    if nameless:
        found.append(Problem(path, f"{count(nameless, 'image')} without a candidate_id"))
    if known is None:
        return found
    both = images.drop_nulls().join(known, on="candidate_id", how="left", suffix="_known")
    unknown = both.filter(pl.col("sha256_known").is_null())["candidate_id"]
    if unknown.len():
        found.append(Problem(path, f"{_count(unknown, 'image')} not among the scored ones"))
    other = both.filter(pl.col("sha256") != pl.col("sha256_known"))["candidate_id"]
    if other.len():
        said = f"{_count(other, 'image')} not the scored one: SHA-256 differs"
        found.append(Problem(path, said))
    return found


def _count(ids: pl.Series, what: str) -> str:
    """``3 images (a…, first) are``."""
    counted = count(ids.len(), what)
    return f"{counted} ({ids[0]}) is" if ids.len() == 1 else f"{counted} ({ids[0]} the first) are"
