"""A file beside a recipe, which the recipe names."""

from __future__ import annotations

import hashlib
import posixpath
from pathlib import Path

from synpic.errors import PromptError, PromptsGone
from synpic.workspace import PROMPTS, Workspace
from synpic.workspace.storage import Store

__all__ = ["content_hash", "require_file"]


def require_file(workspace: Workspace, name: str) -> str:
    """The path of the file that a recipe calls ``name``.

    Raises:
        PromptsGone: there is none.
        PromptError: it is a folder, no regular file, or the workspace's own.
    """
    try:
        store, path = workspace.store, str(Path(name).expanduser())
    except RuntimeError as error:
        raise PromptError(f"{name}: {error}", hint="write the path out") from error
    if not store.exists(path):
        raise PromptsGone(
            f"{name}: no such file ({store.path(path)})", hint="paths are relative to the recipe"
        )
    if posixpath.normpath(store.path(path)) == store.path(PROMPTS):
        raise PromptError(
            f"{name} is the file in which this workspace keeps the prompts that it has read",
            hint="give the source another name",
        )
    if store.fs.isdir(store.path(path)):
        raise PromptError(f"{name} is a folder", hint='a dataset is named so: dataset = "…"')
    if not store.fs.isfile(store.path(path)):
        raise PromptError(f"{name} is no regular file", hint="write its content to a file")
    return path


def content_hash(store: Store, path: str) -> str:
    """SHA-256 of a file's content, 64 hex digits."""
    with store.open(path) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]
