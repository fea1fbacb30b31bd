"""Where a recipe names files and folders of its own, and what they are called elsewhere.

A file inside the workspace (prompts, words, a list to drop, a module of one's own) goes along with
it. The path of anything else is written anew, relative to the new workspace.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from synpic import ids
from synpic.recipe import Recipe
from synpic.recipe.settings import Place
from synpic.workspace import Snapshot

__all__ = ["Held", "Keys", "Named", "modules_of", "named_places"]

Keys = tuple[str | int, ...]
"""Where a value stands in a recipe: ("models", "mine", "adapters", 0, "checkpoint")."""

_FILES = (("prompts", "file"), ("suite", "file"), ("safety", "words"), ("ranking", "drop"))
"""Keys that name a file, always."""

_CODE = ("reward", "comparer", "judge", "family", "world", "model", "aggregation", "name")
"""Keys that may name a ``module:object``; a suite's is ``name``."""

_MARK = get_args(Place)[1]


@dataclass(frozen=True)
class Held:
    """A value that counts by its content.

    Args:
        shown: as the recipe has it.
        identity: of the content; or a full path, where that is not known.
    """

    shown: str = field(compare=False)
    identity: str

    def __str__(self) -> str:
        known = "" if posixpath.isabs(self.identity) else f" ({ids.short(self.identity)})"
        return f'"{self.shown}"{known}'


@dataclass(frozen=True)
class Named:
    """A file or folder that a recipe names.

    Args:
        keys: where.
        value: as it is written.
        held: what it counts as.
        along: whether it is a file of the workspace, which goes along under the same name.
        moved: what it is called from the new workspace.
    """

    keys: Keys
    value: str
    held: Held
    along: bool
    moved: str


def named_places(snapshot: Snapshot, target: Path) -> list[Named]:
    """The files and folders on this machine that a recipe names.

    Args:
        target: the folder of the new workspace.
    """
    found = (_named(snapshot, target, keys, value) for keys, value in _places(snapshot.recipe))
    return [one for one in found if one is not None]


def modules_of(snapshot: Snapshot) -> list[str]:
    """Files of modules beside the recipe that it names: ``my_reward.py``."""
    if not snapshot.workspace.store.is_local:
        return []
    folder = snapshot.workspace.folder
    found: dict[str, None] = {}
    for key, value in _texts(snapshot.recipe.model_dump()):
        if key not in _CODE or ":" not in value:
            continue
        top = value.partition(":")[0].partition(".")[0]
        if not top.isidentifier():
            continue
        for path in [folder / f"{top}.py", *sorted((folder / top).rglob("*.py"))]:
            if path.is_file():
                found[path.relative_to(folder).as_posix()] = None
    return list(found)


def _named(snapshot: Snapshot, target: Path, keys: Keys, value: str) -> Named | None:
    store = snapshot.workspace.store
    path, file = _spelt_out(value), keys in _FILES
    # Beside a workspace elsewhere there are no folders: they are written in full.
    if not file and not (store.is_local or posixpath.isabs(path)):
        return None
    if not file and not _is_local(snapshot, value):
        return None
    full = store.path(path)
    full = os.path.realpath(full) if store.is_local else posixpath.normpath(full)
    inside = not posixpath.isabs(path) and not posixpath.normpath(path).startswith("..")
    there = file and store.exists(path) and store.fs.isfile(store.path(path))
    along = inside and there
    moved = value
    if store.is_local and not along and not posixpath.isabs(path):
        moved = _path_from(target, store.path(path))
    identity = ids.sha256(store.read(path)) if there else _locked(snapshot, value) or full
    return Named(keys, value, Held(value, identity), along, moved)


def _path_from(folder: Path, path: str) -> str:
    """``path`` relative to ``folder``, which need not be there; followed, it leads to ``path``.

    Names of symbolic links stay, unless ``..`` would lead elsewhere from behind one.
    """
    real = Path(os.path.realpath(folder.parent), folder.name)
    there = os.path.realpath(path)
    as_written = os.path.relpath(path, folder)
    leads_there = os.path.realpath(real / as_written) == there
    return Path(as_written if leads_there else os.path.relpath(there, real)).as_posix()


def _is_local(snapshot: Snapshot, value: str) -> bool:
    """Whether ``value`` names a folder or file, and no repository: also where it is gone."""
    if value.startswith("package:"):
        return False
    looks_local = value.startswith((".", "/", "~")) or value.count("/") > 1
    there = (snapshot.workspace.folder / _spelt_out(value)).exists()
    return looks_local or there or _locked(snapshot, value) is not None


def _spelt_out(value: str) -> str:
    try:
        return Path(value).expanduser().as_posix()
    except RuntimeError:  # of no user that is known here
        return value


def _locked(snapshot: Snapshot, value: str) -> str | None:
    """The hash of the content of a folder or file, as recipe.lock has it."""
    kinds = ("folder", "file")
    entries = (snapshot.lock.get(kind, value, None) for kind in kinds)
    return next((entry.identity for entry in entries if entry is not None), None)


def _places(recipe: Recipe) -> Iterator[tuple[Keys, str]]:
    for keys, value in _places_in(recipe, ()):
        within = keys[-1] == "subfolder" or (keys[0] == "models" and keys[-1] == "file")
        if not within and (keys, value) != (("ranking", "drop"), "marks"):
            yield keys, value


def _places_in(table: BaseModel, keys: Keys) -> Iterator[tuple[Keys, str]]:
    for name, declared in type(table).model_fields.items():
        value = getattr(table, name)
        if isinstance(value, str) and _is_place(declared):
            yield (*keys, name), value
        for inner, at in _tables(value):
            yield from _places_in(inner, (*keys, name, *at))


def _tables(value: Any) -> Iterator[tuple[BaseModel, Keys]]:
    if isinstance(value, BaseModel):
        yield value, ()
    elif isinstance(value, dict):
        yield from ((one, (key,)) for key, one in value.items() if isinstance(one, BaseModel))
    elif isinstance(value, list):
        yield from ((one, (at,)) for at, one in enumerate(value) if isinstance(one, BaseModel))


def _is_place(declared: FieldInfo) -> bool:
    within = (getattr(one, "__metadata__", ()) for one in get_args(declared.annotation))
    return _MARK in declared.metadata or any(_MARK in marks for marks in within)


def _texts(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Every text in plain data, with its key."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _texts(inner, str(name))
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner, key)
