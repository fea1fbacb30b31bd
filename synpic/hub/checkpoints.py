"""Where weights are: a name in a recipe → a commit or a hash, once, and then a place to load from.

Four spellings: a Hub repository (``stabilityai/stable-diffusion-3-medium-diffusers``), a folder,
``package:module/path`` for weights that an installed package brings, and the address of a file
whose name ends in the first digits of its SHA-256. The first resolution goes
into recipe.lock and is the truth from then on, for every worker.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any, Literal

from synpic import ids
from synpic.errors import CheckpointError
from synpic.hub.client import commit_of
from synpic.hub.errors import Subject
from synpic.hub.hashed_files import digits_of, fetch_hashed, is_address
from synpic.hub.lock import Lock, LockEntry
from synpic.hub.names import is_commit

__all__ = [
    "describe",
    "identity",
    "load_from",
    "load_unlocked",
    "locate",
    "locked",
    "resolve",
    "resolve_unlocked",
]

_PACKAGE = "package:"
_SAFETENSORS = ".safetensors"
_LOCAL = ("folder", "file")


def resolve(
    lock: Lock,
    source: str,
    revision: str | None,
    kind: Literal["model", "dataset"] = "model",
    *,
    file: bool = False,
) -> LockEntry:
    """What ``source`` stands for, from the lock, else looked up and put there.

    Args:
        lock: what is resolved already, and where relative paths start.
        source: repository, folder or ``package:`` address, as the recipe has it.
        revision: a branch, tag or commit; a repository's default branch if None.
        kind: "model" or "dataset", for what is on the Hub.
        file: a single file of safetensors will do for a folder.

    Raises:
        CheckpointError: it is nowhere, cannot be reached, or is no longer what was locked.
    """
    if is_address(source):
        return locked(lock, source, revision) or lock.remember(_at_address(source, revision))
    local: Literal["file", "folder"]
    local = "file" if file and source.endswith(_SAFETENSORS) else "folder"
    known = locked(lock, source, revision, kind, file=file)
    path = locate(source, lock.folder)
    exists = path is not None and (path.is_file() if local == "file" else _is_folder(path))
    if known is not None and (known.kind != local or not exists):
        # Weights that are gone are missed when they are to be loaded, and not before.
        return known
    if path is None:
        return lock.remember(_ask_the_hub(source, revision, kind))
    if not exists:
        raise CheckpointError(
            f"{source}: {_not_there(path, local)}",
            hint="paths are relative to the recipe; a Hub repository is written owner/name",
        )
    stamp = ids.file_stamp(path) if local == "file" else ids.folder_stamp(path)
    if known is not None and known.stamp == stamp:
        return known
    found = ids.file_hash(path) if local == "file" else ids.folder_hash(path)
    if known is None:
        return lock.remember(LockEntry(kind=local, source=source, identity=found, stamp=stamp))
    if found != known.identity:
        raise CheckpointError(
            f"{source} has changed since recipe.lock recorded it",
            hint="put the old weights back, or give the new ones a folder of their own; to let the "
            "new ones take this name, delete its entry from recipe.lock",
        )
    return lock.remember(known.model_copy(update={"stamp": stamp}))


def locked(
    lock: Lock,
    source: str,
    revision: str | None,
    kind: Literal["model", "dataset"] = "model",
    *,
    file: bool = False,
) -> LockEntry | None:
    """What the lock has for ``source``, wherever it is now; None if it was never resolved."""
    if is_address(source):
        return lock.get("url", source, None)
    local = "file" if file and source.endswith(_SAFETENSORS) else "folder"
    return lock.get(local, source, None) or lock.get(kind, source, revision)


def load_from(folder: Path, entry: LockEntry) -> tuple[str, str | None]:
    """What to hand to ``from_pretrained``: a folder or repository, and the commit of the latter.

    Of a single file, its path; of a file at an address, which is fetched, a folder that holds it.

    Args:
        folder: where relative paths start.

    Raises:
        CheckpointError: the folder or file is gone, or cannot be fetched.
    """
    if entry.kind == "url":
        return str(fetch_hashed(entry.source).parent), None
    if entry.kind in _LOCAL:
        path = locate(entry.source, folder)
        exists = path is not None and (path.is_file() if entry.kind == "file" else _is_folder(path))
        if not exists:
            raise CheckpointError(
                f"{entry.source}: the {entry.kind} is gone",
                hint="put it back: recipe.lock knows it by its content",
            )
        return str(path), None
    return entry.source, entry.identity


def load_unlocked(source: str, revision: str | None) -> tuple[str, str | None]:
    """What to hand to ``from_pretrained`` where there is no workspace, and so no lock.

    Relative paths start from the working directory; a repository is taken at ``revision`` as it is
    today; a file at an address is fetched.

    Raises:
        CheckpointError: the folder, or the package that brings it, is not there; or the file
            cannot be fetched.
    """
    if is_address(source):
        return str(fetch_hashed(_at_address(source, revision).source).parent), None
    folder = locate(source, Path.cwd())
    if folder is None:
        return source, revision
    if not _is_folder(folder):
        raise CheckpointError(
            f"{source}: {_not_there(folder)}",
            hint="paths are relative to the working directory; a Hub repository is written "
            "owner/name",
        )
    return str(folder), None


def resolve_unlocked(source: str, revision: str | None) -> tuple[dict[str, Any], str, str | None]:
    """As :func:`load_unlocked`, with first what :func:`identity` says of the weights.

    A commit is taken at its word; a branch or tag is looked up.

    Raises:
        CheckpointError: it is nowhere, or cannot be reached.
    """
    location, commit = load_unlocked(source, revision)
    if is_address(source):
        return {"sha256": digits_of(source)}, location, None
    if location != source or Path(location).is_dir():
        return {"sha256": ids.folder_hash(Path(location))}, location, None
    if commit is None or not is_commit(commit):
        commit = _ask_the_hub(source, revision, "model").identity
    return {"repository": source, "commit": commit}, source, commit


def identity(entry: LockEntry) -> dict[str, Any]:
    """What of a checkpoint decides a result: never its path, always its content."""
    if entry.kind in (*_LOCAL, "url", "environment"):
        return {"sha256": entry.identity}
    return {"repository": entry.source, "commit": entry.identity}


def locate(source: str, beside: Path) -> Path | None:
    """The folder ``source`` names, whether it exists or not; None of a Hub repository or address.

    Args:
        beside: where relative paths start.
    """
    if source.startswith(_PACKAGE):
        module, _, inner = source.removeprefix(_PACKAGE).partition("/")
        try:
            spec = importlib.util.find_spec(module)
        except ImportError:
            spec = None
        if spec is None or not spec.submodule_search_locations:
            raise CheckpointError(
                f"{source}: no package {module!r} is installed",
                hint="install the package that brings these weights",
            )
        return Path(next(iter(spec.submodule_search_locations))) / inner
    if is_address(source):
        return None
    try:
        written = Path(source).expanduser()
    except RuntimeError as error:
        raise CheckpointError(f"{source}: {error}", hint="write the path out") from error
    path = beside / written
    looks_local = (
        source.startswith((".", "/", "~")) or source.count("/") > 1 or source.endswith(_SAFETENSORS)
    )
    return path if looks_local or _is_folder(path) else None


def _not_there(path: Path, wanted: str = "folder") -> str:
    if path.is_file():
        return f"a file ({path}); name the folder that holds it"
    return f"no such {wanted} ({path})"


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):  # longer than any name on this disk, or no name at all
        return False


def _ask_the_hub(source: str, revision: str | None, kind: Literal["model", "dataset"]) -> LockEntry:
    commit = commit_of(Subject(source, revision, kind))
    return LockEntry(kind=kind, source=source, revision=revision, identity=commit)


def _at_address(source: str, revision: str | None) -> LockEntry:
    if revision is not None:
        raise CheckpointError(
            f"{source}: a file at an address has no revision",
            hint="leave `revision` out: the digits in the file's name say which one it is",
        )
    return LockEntry(kind="url", source=source, identity=digits_of(source))


def describe(entry: LockEntry) -> str:
    """One line for people: ``owner/name@1a2b3c4d``."""
    return f"{entry.source}@{ids.short(entry.identity)}"
