"""Published rankings as the trainer reads them: small columns at once, pixels row by row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq

from synpic import ids
from synpic.errors import NoRelease, SynpicError, TrainingError, did_you_mean
from synpic.hub import client as hub
from synpic.hub.libraries import naming_hub_errors
from synpic.hub.local_datasets import loadable
from synpic.release.load import load_release
from synpic.release.manifest import MANIFEST
from synpic.release.source import Published, open_release
from synpic.train.data.layouts import find_layout
from synpic.train.settings import DataSettings
from synpic.workspace.parts import frame

__all__ = ["RankingsSource", "TrainingRecords", "read_records"]


@dataclass(frozen=True)
class RankingsSource:
    """Where rankings come from.

    Args:
        name: the repository on the Hub, or the last name of a folder's path.
        commit: on the Hub; None for a folder.
        content: of a folder: a hash of the manifest of a release, which has hashes of its files;
            of any other folder a hash of the names, sizes and times of its files.
        config, split: which table of it.
        version: of a release that has one.
        rewards: name → fingerprint of those that ranked a release; None where it is not known.
        judges: of those of them that are forms of a judge: what decides its verdicts, as a hash →
            the judge as it is registered.
    """

    name: str
    commit: str | None
    content: str | None
    config: str | None
    split: str
    version: str | None
    rewards: Mapping[str, str] | None = None
    judges: Mapping[str, str] = field(default_factory=dict)

    @property
    def fingerprint_inputs(self) -> dict[str, Any]:
        """What decides which images are in which row; no path of a machine."""
        held = {"repository": self.name, "commit": self.commit} if self.commit else {}
        return {**held, "content": self.content, "config": self.config, "split": self.split}


@dataclass(frozen=True, eq=False)
class TrainingRecords:
    """Rankings, a row for each.

    Args:
        table: in the order of the dataset. ``images``, ``preference``, ``rank`` and ``score_…`` of
            a row are lists of one length k ≥ 2.

            - ``row`` Int64: in the dataset, 0 …
            - ``key`` String: what it is known by, whatever its place among others
            - ``prompt`` String
            - ``images`` List(Int32): which image columns of the dataset take part
            - ``preference`` List(Float64): φ, higher is better
            - ``rank`` List(Int32): τ, 1 is the best
            - ``score_<reward>`` List(Float32 or Float64): as far as there are any
        source: where they come from.
        columns: of images, in the dataset.

    Pixels are opened when the first image is asked for: a run that finds everything encoded, and
    one that is only planned, never load them.
    """

    table: pl.DataFrame
    source: RankingsSource
    columns: tuple[str, ...]
    _open: Callable[[], Any] = field(repr=False)

    def images(self, row: int, places: list[int]) -> list[bytes]:
        """The encoded images of a row of the dataset; pixels of no other row are read.

        Args:
            row: of the dataset.
            places: which of its columns of images.

        Raises:
            TrainingError: one is not there.
            ReleaseError: ``datasets`` cannot read the release.
        """
        cells = self._open()[row].to_pylist()[0]
        found: list[bytes] = []
        for place in places:
            column = self.columns[place]
            cell = cells[column]
            data = cell["bytes"] if isinstance(cell, dict) else cell
            if not data:
                raise TrainingError(
                    f"{self.where(row, place)} is empty",
                    hint="every ranked image has to be there; `synpic verify` checks a release",
                )
            found.append(data)
        return found

    def where(self, row: int, place: int) -> str:
        """An image, for messages."""
        split = self.source.split
        return f"{self.source.name}: {self.columns[place]} of row {row} of split {split!r}"

    def with_table(self, table: pl.DataFrame) -> TrainingRecords:
        """The same dataset with other labels, or fewer rows."""
        return replace(self, table=table)


def read_records(data: DataSettings, *, token: str | None = None) -> TrainingRecords:
    """Open the rankings that ``data`` names.

    Args:
        data: its ``dataset`` is a release or any dataset with the columns of Pick-a-Pic, on the Hub
            ("user/name", "user/name@v1.2.0") or in a folder.
        token: of an account that may read it; the one that is logged in if None.

    Raises:
        TrainingError: it has no such split, or other columns, or rows that rank nothing.
        ReleaseError: there is no such dataset, revision or config.
        HubUnreachable: the Hub did not answer.
    """
    source, release, location = _find(data, token)
    rows, config = None, source.config or ""
    if release is None:
        rows = _load(data, location, source.commit, token)
        layout = find_layout(rows.column_names, source.name)
        small = frame(
            rows.select_columns(list(layout.small))
            .with_format("arrow")[: data.count or len(rows)]
            .replace_schema_metadata()
        )
    else:
        layout = find_layout(_columns(data, release, config), source.name)
        whole = release.table(config, layout.small).filter(pl.col("split") == data.split)
        small = whole.drop("split").head(data.count or whole.height)
    if small.is_empty():
        raise TrainingError(
            f"{source.name}: there is no row in split {source.split!r}", hint="see data.split"
        )
    table = layout.table(small, f"{source.name}, split {source.split!r}")

    @cache
    def pixels() -> Any:
        loaded: Any = rows
        if release is not None:
            loaded = load_release(release, split=data.split, config=config)
        return loaded.select_columns(list(layout.images)).with_format("arrow")

    return TrainingRecords(table, source, layout.images, pixels)


def _find(data: DataSettings, token: str | None) -> tuple[RankingsSource, Published | None, str]:
    """What ``data`` names, at which commit; its release, if it is one; where it lies."""
    folder = Path(data.dataset).expanduser()
    if folder.exists():
        return _find_folder(data, folder)
    name, named = hub.parse_name(data.dataset)
    if named and data.revision and named != data.revision:
        raise TrainingError(
            f"data.dataset = {data.dataset!r} and data.revision = {data.revision!r} are two "
            "revisions",
            hint="give one of the two",
        )
    commit = hub.resolve(name, data.revision or named, token)
    source = RankingsSource(name, commit, None, data.config, data.split, None)
    try:
        release = open_release(name, revision=commit, token=token)
    except NoRelease:  # the commit is there: it is another kind of dataset
        return source, None, name
    return _of_release(source, release), release, name


def _find_folder(data: DataSettings, folder: Path) -> tuple[RankingsSource, Published | None, str]:
    location = str(folder.resolve())
    source = RankingsSource(folder.resolve().name, None, None, data.config, data.split, None)
    try:
        release = open_release(folder, revision=data.revision)
    except NoRelease:
        if data.revision or not folder.is_dir() or (folder / "recipe.toml").exists():
            raise
        return replace(source, content=ids.folder_stamp(folder)), None, location
    found = replace(source, content=ids.fingerprint(release.manifest.as_dict()))
    return _of_release(found, release), release, location


def _of_release(source: RankingsSource, release: Published) -> RankingsSource:
    manifest = release.manifest
    ranked = [one for one in manifest.rewards if one.weight is not None]
    return replace(
        source,
        config=source.config or "ranked",
        version=manifest.version,
        rewards={one.name: one.fingerprint for one in ranked},
        judges={identity: judge for judge, identity in filter(None, (one.judge for one in ranked))},
    )


def _columns(data: DataSettings, release: Published, config: str) -> list[str]:
    """The columns of a table of a release, those of images too."""
    splits = release.shards(config)
    if data.split not in splits:
        raise _no_split(f"{release.name}: config {config!r}", data.split, splits)
    path = next((path for paths in splits.values() for path in paths), None)
    if path is None:
        raise TrainingError(
            f"{release.name}: {MANIFEST}: its key `files` lists no shard of config {config!r}",
            hint="`synpic verify` says what a release lacks; or name another with data.config",
        )
    with release.open(path) as stream, release.reading(path):
        return list(pq.read_schema(stream).names)


def _load(data: DataSettings, location: str, commit: str | None, token: str | None) -> Any:
    from datasets import load_dataset

    try:
        with naming_hub_errors(location, commit, "dataset") if commit else nullcontext():
            splits = load_dataset(loadable(location), data.config, revision=commit, token=token)
    except SynpicError:
        raise
    except Exception as error:
        # Its errors, its readers' and its network clients' share no class but this one.
        reason = " ".join(str(error).split()) or type(error).__name__
        raise TrainingError(
            f"{data.dataset}: datasets cannot load it: {reason:.400}",
            hint="check data.dataset and data.config",
        ) from error
    if data.split not in splits:
        raise _no_split(data.dataset, data.split, splits)
    return splits[data.split]


def _no_split(what: str, split: str, splits: Mapping[str, Any]) -> TrainingError:
    return TrainingError(
        f"{what} has no split {split!r}.{did_you_mean(split, splits)}",
        hint=f"data.split: it has {', '.join(splits)}",
    )
