"""Where rankings come from: a workspace, or a release of one. Recognised by name."""

from __future__ import annotations

import os
from pathlib import Path

from synpic.errors import ReleaseError
from synpic.hub.names import parse_name
from synpic.release import Published, open_release
from synpic.release.manifest import MANIFEST
from synpic.workspace import RECIPE, Workspace

__all__ = ["Where", "find", "without_writing"]

Where = str | os.PathLike[str] | Workspace | Published
"""A workspace, its folder or its address; a release, its folder, or its name on the Hub."""

_KINDS = (
    "a workspace has a recipe.toml, and a release's folder a manifest.json; a name on the Hub is "
    "written user/name or user/name@v1.2.0"
)


def find(
    where: Where, *, revision: str | None = None, token: str | None = None
) -> Workspace | Published:
    """What ``where`` names; a folder is a release if it has a manifest, else a workspace.

    Raises:
        ReleaseError: it is neither, or there is none; as ``open_release``.
        NewerSchema: a later synpic wrote it.
        HubUnreachable: the Hub did not answer.
    """
    if isinstance(where, Workspace | Published):
        return where
    if isinstance(where, str) and "://" in where:
        return Workspace.open(where)
    if revision is None and not _holds(where, MANIFEST):
        if _holds(where, RECIPE):
            return Workspace.open(Path(where).expanduser())
        if _holds(where, ""):
            raise ReleaseError(
                f"{os.fspath(where)} is neither a workspace nor a release: it has no {RECIPE} and "
                f"no {MANIFEST}",
                hint="stand in a workspace, or name one, a release's folder, or user/name@v1.2.0"
                + _inside(where),
            )
    if isinstance(where, str) and not _holds(where, ""):
        try:
            parse_name(where)
        except ReleaseError as error:
            raise ReleaseError(error.message, hint=_KINDS) from error
    return open_release(where, revision=revision, token=token)


def without_writing(where: Where) -> Where:
    """``where``; a workspace as one that stays as it is, whatever is written to it."""
    if isinstance(where, Published):
        return where
    if not isinstance(where, Workspace):
        address = isinstance(where, str) and "://" in where
        if not address and (_holds(where, MANIFEST) or not _holds(where, RECIPE)):
            return where
        where = Workspace.open(where if address else Path(where).expanduser())
    return where.without_writing()


def _inside(where: str | os.PathLike[str]) -> str:
    """What a folder holds one level down that could have been meant."""
    try:
        inside = sorted(Path(where).expanduser().iterdir())
    except OSError:  # no folder, or not to be listed
        return ""
    found = [one for one in inside if _holds(one, RECIPE) or _holds(one, MANIFEST)]
    return f"; there is {', '.join(map(str, found[:3]))}" if found else ""


def _holds(where: str | os.PathLike[str], name: str) -> bool:
    try:
        return (Path(where).expanduser() / name).exists()
    except (OSError, RuntimeError, ValueError):  # too long; no such user; a NUL in it
        return False
