"""What of a repository is on this machine already, without asking the network.

``huggingface_hub`` keeps a repository under ``models--owner--name``: its files by content in
``blobs``, and one folder of links to them for each commit in ``snapshots``. Looking into the one
folder costs the same however large the rest of the cache is.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from synpic.hub.cache import repository_folder
from synpic.hub.hashed_files import is_address, kept_file
from synpic.score.reward import RewardInfo

__all__ = ["Cached", "in_cache", "matching", "repositories"]

_SHARD = re.compile(r"(.*-)(\d{5})-of-(\d{5})(\..*)")
"""One file of several that hold a model's weights together, as transformers names them."""


@dataclass(frozen=True)
class Cached:
    """What the cache holds of a repository, in the snapshot that holds most of what is read.

    Args:
        repository: as the reward declares it.
        state: "yes" if there is a file for everything that is read; "partly" if for some of it.
            Of a reward that does not declare what it reads, the answer is "partly" at most.
        commit: of the snapshot.
        files: what is there of what is read, with bytes.
        missing: what of it is not, as it is declared, or the name of a missing shard.
    """

    repository: str
    state: Literal["yes", "partly", "no"]
    commit: str | None = None
    files: Mapping[str, int] = field(default_factory=dict)
    missing: tuple[str, ...] = ()

    @property
    def bytes(self) -> int:
        """Of :attr:`files`."""
        return sum(self.files.values())


def repositories(info: RewardInfo) -> dict[str, tuple[str, tuple[str, ...]]]:
    """What a reward reads: "checkpoint" or a companion's name → repository and files."""
    found = {"checkpoint": (info.checkpoint, info.files)} if info.checkpoint else {}
    return {**found, **{name: (c.repository, c.files) for name, c in info.companions.items()}}


def in_cache(repository: str, files: tuple[str, ...], commit: str | None = None) -> Cached:
    """What the cache holds of ``files`` of ``repository``. Weights of a package are always there.

    A file at an address has a place of its own, outside the Hub's cache.

    Args:
        files: as a reward declares them; all there is if empty.
        commit: the snapshot to look at; the best of all if None.
    """
    if repository.startswith("package:"):
        return Cached(repository, "yes")
    if is_address(repository):
        kept = kept_file(repository)
        if kept is None:
            return Cached(repository, "no", missing=files)
        return Cached(repository, "yes", files={kept.name: kept.stat().st_size})
    try:
        snapshots = repository_folder(repository) / "snapshots"
        folders = [f for f in sorted(snapshots.iterdir()) if commit in (None, f.name)]
    except (OSError, ValueError):  # nothing of it in the cache; or no repository's name
        folders = []
    found = [_snapshot(repository, files, folder) for folder in folders if folder.is_dir()]
    nothing = Cached(repository, "no", missing=files)
    return max(found, key=lambda one: (-len(one.missing), one.bytes), default=nothing)


def matching(names: Iterable[str], files: tuple[str, ...]) -> list[str]:
    """Those of ``names`` that are read: of each entry's alternatives the first that is there."""
    there = list(names)
    if not files:
        return there
    read = {name for entry in files for name in _first_there(there, entry)}
    return [name for name in there if name in read]


def _first_there(names: Collection[str], entry: str) -> list[str]:
    """What an entry of declared files means among ``names``; nothing if none of it is there."""
    found = ([n for n in names if fnmatchcase(n, pattern)] for pattern in entry.split("|"))
    return next(filter(None, found), [])


def _snapshot(repository: str, files: tuple[str, ...], folder: Path) -> Cached:
    sizes = dict(_sizes(folder))
    read = {name: sizes[name] for name in matching(sizes, files)}
    missing = (
        *(e for e in files if "" not in e.split("|") and not _first_there(sizes, e)),
        *sorted(_missing_shards(read)),
    )
    if not read:
        return Cached(repository, "no", missing=files)
    state: Literal["yes", "partly"] = "yes" if files and not missing else "partly"
    return Cached(repository, state, folder.name, read, missing)


def _sizes(folder: Path) -> Iterator[tuple[str, int]]:
    for path in sorted(folder.rglob("*")):
        try:
            if path.is_file():  # not so for a link whose blob is gone
                yield path.relative_to(folder).as_posix(), path.stat().st_size
        except OSError:
            continue


def _missing_shards(names: Iterable[str]) -> set[str]:
    there = set(names)
    wanted = set[str]()
    for shard in filter(None, map(_SHARD.fullmatch, there)):
        head, _, count, tail = shard.groups()
        wanted |= {f"{head}{number:05}-of-{count}{tail}" for number in range(1, int(count) + 1)}
    return wanted - there
