"""A release as a folder: Parquet shards, a card with a picture, and a manifest of all of it."""

from __future__ import annotations

import errno
import io
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synpic.errors import PublishError
from synpic.publish.card import CARD, render_card
from synpic.publish.draft import Draft, prepare
from synpic.publish.manifest import MANIFEST, describe_file, encode
from synpic.publish.picture import Example, contact_sheet
from synpic.publish.place import new_folder, require_free
from synpic.publish.shards import Limits, Shard, write_shard
from synpic.rankings import RankedSet
from synpic.workspace import Workspace

__all__ = ["Release", "publish_to"]

PICTURE = "pictures/examples.png"


@dataclass(frozen=True, eq=False)
class Release:
    """A release that was written.

    Args:
        directory: where, as it was given; ``~`` is spelt out.
        ranked: what it was made from.
        rows: config → split → rows.
        files: how many there are, the manifest included.
        bytes: of all of them.
    """

    directory: Path
    ranked: RankedSet
    rows: Mapping[str, Mapping[str, int]]
    files: int
    bytes: int

    @property
    def picture(self) -> Path:
        """The contact sheet of example rankings, PNG."""
        return self.directory / PICTURE

    @property
    def load_line(self) -> str:
        """Python that loads the first split of the first config, run where this was."""
        config, splits = next(iter(self.rows.items()))
        path = str(self.directory)
        if self.directory.name == path:
            # A bare word may be the name of a format: load_dataset("parquet") opens no folder.
            path = os.path.join(os.curdir, path)
        return f"datasets.load_dataset({path!r}, {config!r}, split={next(iter(splits))!r})"


def publish_to(
    workspace: Workspace,
    directory: str | os.PathLike[str],
    *,
    configs: Sequence[str] | None = None,
    limits: Limits | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Release:
    """Rank what ``workspace`` holds and write it to ``directory`` as a dataset.

    The folder appears whole or not at all. One that is there already is replaced if it is empty or
    a release of synpic's and nothing else, and is left untouched otherwise. Equal workspaces give
    equal bytes.

    Args:
        configs: which tables; the recipe's where not given. One without a row is left out.
        limits: of shards and row groups.
        on_progress: told rows written and rows in all, after each row group.

    Raises:
        PublishError: the place is taken or is none, there is no row to publish, or the disk
            refuses.
        RankingError: there is nothing to rank.
        RewardError: the scores of a reward cannot be trusted.
        SynpicError: as resolving the recipe, reading the workspace and ranking do.
    """
    seen, target = _place(directory)
    with _refusals_told(target):
        require_free(target)
    draft = prepare(workspace, configs, limits)
    with _refusals_told(target), new_folder(target) as folder:
        _require_room(folder, draft.shards)
        files = _tell(draft, _pack(draft, folder, on_progress), folder)
    return Release(
        directory=seen,
        ranked=draft.ranked,
        rows=draft.manifest["records"],
        files=len(files),
        bytes=sum(file["bytes"] for file in files.values()),
    )


def _place(directory: str | os.PathLike[str]) -> tuple[Path, Path]:
    """``directory`` as its caller sees it, and where that is on the disk."""
    try:
        seen = Path(directory).expanduser()
        return seen, Path(os.path.realpath(seen))
    except (RuntimeError, ValueError) as error:  # no such user; a NUL in it
        raise PublishError(
            f"{os.fspath(directory)!r} cannot be the name of a folder: {error}",
            hint="write its path out",
        ) from error


def _pack(
    draft: Draft, folder: Path, on_progress: Callable[[int, int], None] | None
) -> dict[str, Any]:
    """Write every shard below ``folder``: path → size and hash."""
    total = sum(shard.records.rows.height for shard in draft.shards)
    done = 0

    def tell(rows: int) -> None:
        nonlocal done
        done += rows
        if on_progress:
            on_progress(done, total)

    files: dict[str, Any] = {}
    for shard in draft.shards:
        path = folder / shard.path
        path.parent.mkdir(exist_ok=True)
        with path.open("wb") as stream:
            write_shard(shard, draft.read, stream, tell)
            stream.flush()
            os.fsync(stream.fileno())
        files[shard.path] = describe_file(path)
    return files


def _tell(draft: Draft, shards: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Write picture, card and manifest beside ``shards``: path → size and hash, of all files."""
    examples = _examples(draft)
    picture = io.BytesIO()
    contact_sheet(examples).save(picture, "PNG")
    manifest = {**draft.manifest, "files": {**shards}}
    prompts = [example.prompt for example in examples]
    card = render_card(manifest, draft.shards, draft.settings, prompts)
    for name, data in ((PICTURE, picture.getvalue()), (CARD, card.encode())):
        manifest["files"][name] = _write(folder / name, data)
    manifest_file = _write(folder / MANIFEST, encode(manifest))
    return {**manifest["files"], MANIFEST: manifest_file}


def _write(path: Path, data: bytes) -> dict[str, Any]:
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    return describe_file(path)


def _examples(draft: Draft) -> list[Example]:
    """The draft's examples with their pixels."""
    examples: list[Example] = []
    for row in draft.examples.iter_rows(named=True):
        images = [row[f"image_{place}"] for place in range(len(row["models"]))]
        examples.append(
            Example(
                prompt=row["prompt"],
                images=draft.read([(one["candidate_id"], one["sha256"]) for one in images]),
                models=row["models"],
                preference=row["preference"],
                rank=row["rank"],
                scores={name: row[f"score_{name}"] for name in draft.ranked.ranking.weights},
            )
        )
    return examples


def _require_room(folder: Path, shards: Sequence[Shard]) -> None:
    needed, free = sum(shard.bytes for shard in shards), shutil.disk_usage(folder).free
    if needed > free:
        raise PublishError(
            f"{folder.parent}: the release takes {needed / 1e6:,.1f} MB and the disk has "
            f"{free / 1e6:,.1f} MB free",
            hint="free some room, or name a folder on another disk",
        )


@contextmanager
def _refusals_told(target: Path) -> Iterator[None]:
    """Turn the operating system's refusals into one error that says what to do."""
    try:
        yield
    except OSError as error:
        hints = {
            errno.ENOSPC: "the disk is full; free some room and publish again",
            errno.EDQUOT: "the quota is used up; free some room and publish again",
        }
        raise PublishError(
            f"{target} cannot be written: {error.strerror or error}",
            hint=hints.get(error.errno or 0, "check who may write there, then publish again"),
        ) from error
