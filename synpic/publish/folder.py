"""A release as a folder: Parquet shards, a card with a picture, and a manifest of all of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from synpic.pipeline.ranking import RankedSet
from synpic.publish.atomic_folder import new_folder, require_free
from synpic.publish.draft import Draft, prepare
from synpic.publish.extra_files import PICTURE, extra_files
from synpic.publish.table.shards import Limits
from synpic.publish.write_shards import explain_refusals, pack, require_room, spell_out, write_file
from synpic.recipe import Flagged
from synpic.release.manifest import File
from synpic.workspace import Snapshot, Workspace

__all__ = ["Release", "publish_to"]


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
    ranked: RankedSet = field(repr=False)
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
    workspace: Workspace | Snapshot,
    directory: str | os.PathLike[str],
    *,
    configs: Sequence[str] | None = None,
    flagged: Flagged | None = None,
    limits: Limits | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Release:
    """Rank what ``workspace`` holds and write it to ``directory`` as a dataset.

    The folder appears whole or not at all. One that is there already is replaced if it is empty or
    a release of synpic's and nothing else, and is left untouched otherwise. Equal workspaces give
    equal bytes.

    Args:
        configs: which tables; the recipe's where not given. One without a row is left out.
        flagged: "keep" or "leave-out" images that are flagged; as the recipe says, if None.
        limits: of shards and row groups.
        on_progress: called with rows written and rows in all, after each row group.

    Raises:
        PublishError: the place is taken or is none, there is no row to publish, or the disk
            refuses.
        RankingError: there is nothing to rank.
        RewardError: the scores of a reward cannot be trusted.
        SynpicError: as resolving the recipe, reading the workspace and ranking do.
    """
    seen, target = spell_out(directory)
    with explain_refusals(target):
        require_free(target)
    draft = prepare(workspace, configs, limits, flagged)
    with explain_refusals(target), new_folder(target) as folder:
        require_room(folder, sum(shard.bytes for shard in draft.shards))
        files = _tell(draft, pack(draft.shards, draft.read, folder, on_progress), folder)
    return Release(
        directory=seen,
        ranked=draft.ranked,
        rows=draft.manifest.records,
        files=len(files),
        bytes=sum(file.bytes for file in files.values()),
    )


def _tell(draft: Draft, shards: Mapping[str, File], folder: Path) -> dict[str, File]:
    """Write pictures, card and manifest beside ``shards``: path → size and hash, of all files."""
    files = dict(shards)
    for name, data in extra_files(draft, shards).items():
        files[name] = write_file(folder / name, data)
    return files
