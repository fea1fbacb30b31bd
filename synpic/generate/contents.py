"""What lies in a checkpoint: names of files and small JSON, and never a weight."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from synpic.checkpoints import naming_hub_errors
from synpic.errors import HubUnreachable, ModelError

__all__ = ["Contents"]

_CONFIGURATIONS = ("config.json", "tokenizer_config.json", "preprocessor_config.json")


@dataclass(frozen=True)
class Contents:
    """The files of a folder, or of a repository at a commit.

    Of a repository the list and the JSON that is asked for are fetched, and nothing else.

    Args:
        location: a folder, or owner/name.
        commit: of a repository.
    """

    location: str
    commit: str | None

    @property
    def folder(self) -> Path | None:
        """Where it is on this machine; None for a repository."""
        path = Path(self.location)
        return path if path.is_dir() else None

    @cached_property
    def names(self) -> frozenset[str]:
        """Paths of all files, with "/".

        Raises:
            HubUnreachable: the Hub did not answer.
        """
        if self.folder is not None:
            files = (path for path in self.folder.rglob("*") if path.is_file())
            return frozenset(path.relative_to(self.folder).as_posix() for path in files)
        from huggingface_hub import HfApi

        with naming_hub_errors(self.location, self.commit):
            return frozenset(HfApi().list_repo_files(self.location, revision=self.commit))

    def inside(self, folder: str) -> list[str]:
        """Names of the files that lie directly in ``folder``, sorted; "" for the root."""
        start = f"{folder}/" if folder else ""
        inner = (name.removeprefix(start) for name in self.names if name.startswith(start))
        return sorted(name for name in inner if "/" not in name)

    def json(self, name: str) -> dict[str, Any] | None:
        """What the file called ``name`` holds; None if there is no such file.

        Raises:
            HubUnreachable: the Hub did not answer, and the file is not in its cache.
            ModelError: it is no JSON object.
        """
        path = self.folder / name if self.folder is not None else self._fetched(name)
        if path is None or not path.is_file():
            return None
        try:
            found = json.loads(path.read_text("utf-8"))
            if isinstance(found, dict):
                return found
            error: object = f"an object expected, not {type(found).__name__}"
        except ValueError as raised:
            error = raised
        raise ModelError(
            f"checkpoint: {self.location} cannot be opened: {name} is damaged: {error}",
            hint="get the checkpoint again",
        )

    def holds(self, folder: str) -> bool:
        """Whether ``folder`` is a component's: whether a configuration lies in it."""
        return any(self.has(f"{folder}/{name}") for name in _CONFIGURATIONS)

    def has(self, name: str) -> bool:
        """Whether there is a file called ``name``, as far as can be told from here."""
        try:
            return name in self.names
        except HubUnreachable:
            return self.cached(name)

    def cached(self, name: str) -> bool:
        """Whether the file called ``name``, of a repository, lies in the cache."""
        from huggingface_hub import try_to_load_from_cache

        return isinstance(try_to_load_from_cache(self.location, name, revision=self.commit), str)

    def _fetched(self, name: str) -> Path | None:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

        with naming_hub_errors(self.location, self.commit):
            try:
                return Path(hf_hub_download(self.location, name, revision=self.commit))
            except LocalEntryNotFoundError:
                raise
            except EntryNotFoundError:
                return None
