"""Environments of Python, made by uv from a requirements file: once, and named by what is in them.

A requirements file is resolved once, by ``uv pip compile``, when its reward is first used, and
``recipe.lock`` keeps the hash of the resolved list. The environment lies in the cache under that
hash. It is made under a hidden name and renamed, so that one whose making was killed is never used.
"""

from __future__ import annotations

import json
import platform
import re
import shutil
import subprocess
import sys
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock

from synpic import ids
from synpic.errors import MissingExtra, NotResolvedYet, RewardError
from synpic.hub.lock import Lock, LockEntry
from synpic.hub.user_cache import user_cache
from synpic.workspace.storage import Store

__all__ = [
    "environment_arguments",
    "environment_source",
    "module_hash",
    "python_of",
    "recorded_environment",
    "resolve_environment",
]

BUILT_IN = "synpic:"
"""How the name of a requirements file of synpic's own begins."""

_LIST = """import importlib.metadata, json
def shown(one):
    # Two commits of a repository are mostly of one version.
    url = json.loads(one.read_text("direct_url.json") or "{}")
    commit = url.get("vcs_info", {}).get("commit_id")
    return f"{one.name}=={one.version}" + (f" @ {commit}" if commit else "")
print(json.dumps(sorted({shown(one) for one in importlib.metadata.distributions()})))"""
_NAMED = re.compile(r"^\s*(?:-r|-c|--requirements?|--constraints?)[ =]*(\S+)", re.MULTILINE)
_LISTS = Path(__file__).parent / "apart" / "inside"
_PILLOW = str(_LISTS / "pillow.txt")


def environment_source(thing: Any, options: Mapping[str, Any]) -> str | None:
    """The environment that a reward runs in, as ``options`` or the reward's class names it.

    Args:
        thing: the reward's class; one that runs in another environment has ``apart = True``.

    Returns:
        None for a reward that runs here.

    Raises:
        RewardError: it runs in one, and none is named.
    """
    if not getattr(thing, "apart", False):
        return None
    named = options.get("environment") or thing.environment
    if not named:
        raise RewardError(
            "no environment is named for the reward to run in",
            hint='write environment = "requirements.txt", relative to the recipe',
        )
    return str(named)


def environment_arguments(entry: LockEntry, beside: Path) -> dict[str, str]:
    """The arguments ``environment`` and ``beside`` of a reward that runs in one.

    Raises:
        As :func:`python_of`.
    """
    return {"environment": str(python_of(entry, beside)), "beside": str(beside)}


def module_hash(code: str, beside: Path) -> str | None:
    """64 hex digits of the file of ``package.module:callable``, where it lies ``beside``.

    What is installed in the environment has a version there.
    """
    module = beside.joinpath(*code.partition(":")[0].split("."))
    for file in (module.with_suffix(".py"), module / "__init__.py"):
        if code and file.is_file():
            return ids.file_hash(file)
    return None


def resolve_environment(lock: Lock | None, source: str, beside: Path) -> LockEntry:
    """What ``source`` stands for, from the lock, else resolved and put there.

    Args:
        lock: None where nothing is recorded.
        source: a requirements file, an environment that is there, or "synpic:NAME".
        beside: where relative paths start.

    Raises:
        RewardError: it cannot be resolved, or is no longer what was locked.
        MissingExtra: uv is not installed.
    """
    known = lock.get("environment", source, None) if lock else None
    path = _place(source, beside)
    if not path.exists():
        if known is not None:
            return known
        raise RewardError(
            f"environment {source}: there is no such file or folder ({path})",
            hint="name a requirements file or an environment, relative to the recipe",
        )
    stamp = _stamp_of_folder(path) if path.is_dir() else _stamp(path)
    if known is not None and known.stamp == stamp:
        return known
    packages = _installed(source, path) if path.is_dir() else _compiled(source, path)
    identity = ids.sha256("\n".join(packages).encode())
    entry = LockEntry(kind="environment", source=source, identity=identity, stamp=stamp)
    if not path.is_dir():
        _write(_folder(entry).with_suffix(".txt"), packages)
    kept = lock.remember(entry) if lock else entry
    if kept.identity != identity:
        raise RewardError(
            f"environment {source} is no longer what recipe.lock has: other versions are "
            + ("installed there" if path.is_dir() else "resolved now"),
            hint="write the versions that were resolved into the file; or delete its entry in "
            "recipe.lock, and all images are scored anew",
        )
    return kept


def recorded_environment(lock: Lock, source: str, beside: Path) -> LockEntry:
    """What ``source`` stands for, from the lock, or an environment that is there.

    No index of packages is asked: reading a workspace, or checking a recipe, needs none.

    Raises:
        NotResolvedYet: a requirements file that the lock does not have as it is.
        RewardError: as :func:`resolve_environment`.
    """
    path = _place(source, beside)
    known = lock.get("environment", source, None)
    if path.is_file() and (known is None or known.stamp != _stamp(path)):
        what = "are resolved" if known is None else "have changed, and are resolved again"
        raise NotResolvedYet(
            f"environment {source}: its packages {what} when its reward is first used",
            hint="`synpic score` asks the index of packages for them",
        )
    return resolve_environment(lock, source, beside)


def python_of(entry: LockEntry, beside: Path) -> Path:
    """The interpreter of an environment, which is made first where it is not there.

    Raises:
        RewardError: it cannot be made.
        MissingExtra: uv is not installed.
    """
    path, folder = _place(entry.source, beside), _folder(entry)
    if path.is_dir():
        return path / "bin" / "python"
    python = folder / "bin" / "python"
    if python.exists():
        return python
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if not python.exists():
            for left in folder.parent.glob(f".{folder.name}.*"):  # whose making was killed
                shutil.rmtree(left, ignore_errors=True)
            _make(entry, path, folder)
    return python


def _make(entry: LockEntry, requirements: Path, folder: Path) -> None:
    listed = folder.with_suffix(".txt")
    if not listed.exists():
        packages = _compiled(entry.source, requirements)
        if ids.sha256("\n".join(packages).encode()) != entry.identity:
            raise RewardError(
                f"environment {entry.source}: the index has other versions than recipe.lock",
                hint="write the versions that were resolved into the requirements file",
            )
        _write(listed, packages)
    made = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}")
    try:
        _uv(entry.source, "venv", "--python", sys.executable, str(made))
        options = ["-r", str(requirements), "-r", _PILLOW, "-c", str(listed)]
        python = str(made / "bin" / "python")
        _uv(entry.source, "pip", "install", "--python", python, *options)
        made.rename(folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _place(source: str, beside: Path) -> Path:
    if source.startswith(BUILT_IN):
        return _LISTS / f"{source.removeprefix(BUILT_IN)}.txt"
    return beside / Path(source).expanduser()


def _folder(entry: LockEntry) -> Path:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    # A suffix of a path begins at its last dot: there is none in the name.
    name = f"{entry.identity[:16]}-python{version.replace('.', '-')}"
    return user_cache("environments") / name


def _stamp(requirements: Path) -> str:
    """While it is the same, nothing is resolved again."""
    machine = [platform.system(), platform.machine(), *platform.python_version_tuple()[:2]]
    return ids.sha256("\n".join([*_texts(requirements, set()), *machine]).encode())


def _texts(requirements: Path, seen: set[Path]) -> list[str]:
    """What a requirements file says, and the files that it names with ``-r`` and ``-c``."""
    text = requirements.read_text()
    seen.add(requirements.resolve())
    named = [requirements.parent / name for name in _NAMED.findall(text)]
    return [text] + [
        one
        for file in named
        if file.is_file() and file.resolve() not in seen
        for one in _texts(file, seen)
    ]


def _stamp_of_folder(environment: Path) -> str:
    """While it is the same, nothing is likely to have been installed or removed."""
    packages = sorted(environment.glob("lib*/python*/site-packages"))
    return ids.sha256(f"{[(one.name, one.stat().st_mtime_ns) for one in packages]}".encode())


def _compiled(source: str, requirements: Path) -> list[str]:
    """Everything that the file needs, each at one version, sorted."""
    options = ["--no-header", "--no-annotate", "--python", sys.executable]
    text = _uv(source, "pip", "compile", *options, str(requirements), _PILLOW)
    return sorted(line.strip() for line in text.splitlines() if line.strip())


def _installed(source: str, folder: Path) -> list[str]:
    """What an environment has."""
    python = folder / "bin" / "python"
    if not python.exists():
        raise RewardError(
            f"environment {source}: {folder} is no environment: it has no bin/python",
            hint="name a requirements file, or a folder that `python -m venv` or uv made",
        )
    found = subprocess.run([python, "-I", "-c", _LIST], capture_output=True, text=True, check=False)
    if found.returncode:
        raise RewardError(f"environment {source}: {python} does not run: {_end(found.stderr)}")
    return list(map(str, json.loads(found.stdout)))


def _uv(source: str, *arguments: str) -> str:
    beside = Path(sys.executable).with_name("uv")
    uv = shutil.which("uv") or (str(beside) if beside.exists() else None)
    if uv is None:
        raise MissingExtra(
            f"environment {source}: uv is not installed, which makes environments",
            hint='pip install "synpic[environments]"',
        )
    ran = subprocess.run([uv, "--quiet", *arguments], capture_output=True, text=True, check=False)
    if ran.returncode:
        raise RewardError(
            f"environment {source}: uv {' '.join(arguments[:2])}: {_end(ran.stderr)}",
            hint="uv says why above; the same command tries again",
        )
    return ran.stdout


def _end(text: str, lines: int = 12) -> str:
    kept: Sequence[str] = text.strip().splitlines()[-lines:]
    return "\n".join(kept) or "it gave no reason"


def _write(path: Path, packages: Sequence[str]) -> None:
    Store(path.parent).write(path.name, ("\n".join(packages) + "\n").encode())
