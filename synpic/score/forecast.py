"""What scoring would download: files of pinned commits that the cache does not hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from synpic.errors import CheckpointError, HubUnreachable, RewardError
from synpic.hub.cache import repository_folder
from synpic.hub.checkpoints import load_from
from synpic.hub.client import files_of
from synpic.hub.errors import Subject
from synpic.hub.hashed_files import is_address, kept_file
from synpic.hub.lock import LockEntry
from synpic.score.cached import in_cache, matching
from synpic.score.comparer import resolve_comparer
from synpic.score.judges.wanted import resolve_judge
from synpic.score.reward import Companion, WantedReward, resolve_reward
from synpic.score.weights.tensor_names import tensor_names
from synpic.workspace import Snapshot, Workspace

__all__ = ["Fetch", "weights_to_fetch"]


@dataclass(frozen=True)
class Fetch:
    """One repository that rewards read, and what is still to be fetched of it.

    Args:
        repository, commit: as ``recipe.lock`` has them.
        rewards: the recipe's names of those that read it.
        files: to be fetched, sorted; None if that cannot be known now.
        bytes: of these; None if that cannot be known now.
        why_unknown: one line, if it cannot.
    """

    repository: str
    commit: str
    rewards: tuple[str, ...]
    files: tuple[str, ...] | None
    bytes: int | None
    why_unknown: str | None = None


def weights_to_fetch(workspace: Workspace | Snapshot, names: Iterable[str]) -> list[Fetch]:
    """The repositories that the rewards, comparers and judges ``names`` read; folders are not among
    them.

    The Hub is asked for names and sizes of files. If it does not answer, the cache alone is looked
    at: what is there in full needs nothing, and of the rest it is not known what it needs.

    Raises:
        UnknownName, RewardError, CheckpointError: a reward that cannot be resolved.
    """
    snapshot = workspace.snapshot()
    readers: dict[tuple[str, str], list[tuple[str, tuple[str, ...]]]] = {}
    for name in names:
        wanted = _wanted(name, snapshot)
        for repository, commit, files in _reads(wanted, snapshot.workspace):
            readers.setdefault((repository, commit), []).append((name, files))
    return [
        _fetch(*where, tuple(dict.fromkeys(n for n, _ in read)), [files for _, files in read])
        for where, read in readers.items()
    ]


def _wanted(name: str, snapshot: Snapshot) -> WantedReward:
    recipe, lock = snapshot.recipe, snapshot.lock
    if name in recipe.judges:
        return resolve_judge(name, recipe.judges[name], lock)
    compares = recipe.rewards[name].comparer is not None
    return (resolve_comparer if compares else resolve_reward)(name, recipe.rewards[name], lock)


def _reads(
    wanted: WantedReward, workspace: Workspace
) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Repository, commit and declared files of what is to be read from the Hub."""
    info, checkpoint = wanted.info, wanted.checkpoint
    if info is None:
        return
    if checkpoint is not None and checkpoint.kind != "folder":
        yield checkpoint.source, checkpoint.identity, info.files_with(wanted.options)
    for name, entry in wanted.companions.items():
        if entry.kind not in ("folder", "environment"):
            files = info.companions[name].files
            unread = _unread(info.companions[name], checkpoint, workspace)
            yield entry.source, entry.identity, tuple(one for one in files if one not in unread)


def _unread(companion: Companion, checkpoint: LockEntry | None, workspace: Workspace) -> set[str]:
    """Entries of the companion's files in whose place the checkpoint has tensors of its own."""
    if checkpoint is None or not companion.unless:
        return set()
    try:
        names = tensor_names(*load_from(workspace.folder, checkpoint)) or ()
    except (CheckpointError, RewardError):
        return set()  # What is wrong with it is found where it is opened.
    return {
        entry
        for entry, beginning in companion.unless.items()
        if any(name.startswith(beginning) for name in names)
    }


def _fetch(
    repository: str, commit: str, rewards: tuple[str, ...], files: Sequence[tuple[str, ...]]
) -> Fetch:
    if is_address(repository):
        if kept_file(repository) is not None:
            return Fetch(repository, commit, rewards, (), 0)
        why = "its server names the size when it is fetched"
        return Fetch(repository, commit, rewards, None, None, why)
    if not all(files):
        why = "it is not declared which files are read"
        return Fetch(repository, commit, rewards, None, None, why)
    try:
        sizes = _sizes(repository, commit, files)
    except HubUnreachable:
        if all(in_cache(repository, patterns, commit).state == "yes" for patterns in files):
            return Fetch(repository, commit, rewards, (), 0)
        return Fetch(repository, commit, rewards, None, None, "offline")
    except CheckpointError as error:
        return Fetch(repository, commit, rewards, None, None, error.message)
    return Fetch(repository, commit, rewards, tuple(sorted(sizes)), sum(sizes.values()))


def _sizes(repository: str, commit: str, files: Sequence[tuple[str, ...]]) -> dict[str, int]:
    """Files that are read and not in the cache, with bytes, as the Hub tells them.

    Raises:
        CheckpointError: it does not.
    """
    known = files_of(Subject(repository, commit))
    read = {name for patterns in files for name in matching(known, patterns)}
    there = in_cache(repository, (), commit).files
    blobs = repository_folder(repository) / "blobs"
    sizes: dict[str, int] = {}
    for name in read - there.keys():
        file = known[name]
        # A file that has not changed since another commit is not fetched again.
        if not (file.content and (blobs / file.content).is_file()):
            sizes[name] = file.size or 0
    return sizes
