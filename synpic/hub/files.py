"""Files of a repository at a commit: downloaded into the client's cache, or read in ranges."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from synpic.hub.answers import NotTheHub
from synpic.hub.errors import Subject, is_missing
from synpic.hub.names import endpoint, is_inner_path
from synpic.hub.retry import ask, guard

__all__ = ["RemoteFile", "RepositoryFiles", "download"]


def download(subject: Subject, path: str, *, cached_only: bool = False) -> Path | None:
    """A file on this machine: from the cache, where it is not there from the Hub.

    Args:
        path: in the repository, with "/"; it may come from a file of the repository.
        cached_only: ask the cache alone.

    Returns:
        None where the repository has no such file.

    Raises:
        SynpicError: ``path`` leads out of the repository, or as :func:`synpic.hub.retry.ask` does.
    """
    from huggingface_hub import hf_hub_download

    if not is_inner_path(path):
        raise subject.error(
            f"{subject.name}: {path!r} leads out of the repository",
            hint=f"a file of {subject.page} names it; do not trust that repository",
        )

    def act() -> str | None:
        try:
            return hf_hub_download(
                subject.name,
                path,
                repo_type=subject.kind,
                revision=subject.revision,
                token=subject.token,
                endpoint=endpoint(),
                local_files_only=cached_only,
            )
        except Exception as error:
            # The client has two kinds of "no such file", one of which means "no answer".
            if is_missing(error):
                return None
            raise

    found = ask(subject, act)
    return None if found is None else Path(found)


class RepositoryFiles:
    """The files of a repository at a commit, opened for reading; what is read is fetched.

    Its methods are those of a file system of fsspec, as far as a release is read. A request that
    fails is made again, one that ends in a refusal is explained.

    Args:
        subject: with the commit as its revision.
    """

    def __init__(self, subject: Subject) -> None:
        from huggingface_hub import HfFileSystem

        guard()
        self._subject = subject
        self._files: Any = HfFileSystem(
            endpoint=endpoint(), token=subject.token, skip_instance_cache=True
        )

    @property
    def root(self) -> str:
        """The folder in which the repository's paths start."""
        kind = "" if self._subject.kind == "model" else f"{self._subject.kind}s/"
        return f"{kind}{self._subject.name}@{self._subject.revision}"

    def open(self, path: str, mode: str = "rb") -> RemoteFile:
        """The file at ``path``, which starts with :attr:`root`.

        Raises:
            FileNotFoundError: the commit has no such file.
            SynpicError: as :func:`synpic.hub.retry.ask` does.
        """

        def act() -> Any:
            try:
                return self._files.open(path, mode)
            except FileNotFoundError as error:
                if error.__cause__ is not None and not is_missing(error.__cause__):
                    raise error.__cause__ from None  # the repository itself, or its revision
                return None

        stream = ask(self._subject, act)
        if stream is None:
            raise FileNotFoundError(path)
        return RemoteFile(self._subject, stream)

    def find(self, path: str, *, detail: bool = True) -> Mapping[str, Any]:
        """Paths of all files in a folder → what the Hub says of each (``size``).

        Raises:
            SynpicError: as :func:`synpic.hub.retry.ask` does.
        """

        def act() -> Mapping[str, Any]:
            found: Mapping[str, Any] = self._files.find(path, detail=detail)
            for name, known in found.items():
                if not is_inner_path(name) or not isinstance(known.get("size"), int):
                    raise NotTheHub(f"it names a file {name!r:.200}")
            return found

        return ask(self._subject, act)


class RemoteFile:
    """A file on the Hub, as pyarrow and others read files: ``read``, ``seek``, ``tell``.

    Each read is asked for by the one policy of retries.
    """

    mode = "rb"

    def __init__(self, subject: Subject, stream: Any) -> None:
        self._subject, self._stream, self._at = subject, stream, 0
        self.closed = False

    @property
    def size(self) -> int:
        """Its bytes."""
        return int(self._stream.size)

    def read(self, size: int = -1) -> bytes:
        """The next ``size`` bytes, or all that are left.

        Raises:
            SynpicError: as :func:`synpic.hub.retry.ask` does.
        """

        def act() -> bytes:
            self._stream.seek(self._at)
            data = cast(bytes, self._stream.read(-1 if size is None else size))
            left = max(0, self.size - self._at)
            wanted = left if size is None or size < 0 else min(size, left)
            if len(data) != wanted:
                raise NotTheHub(f"{wanted} bytes of a file were asked for, and {len(data)} came")
            return data

        found = ask(self._subject, act)
        self._at += len(found)
        return found

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to ``offset`` from the start (0), from here (1) or from the end (2)."""
        self._at = max(0, offset + (0, self._at, self.size)[whence])
        return self._at

    def tell(self) -> int:
        """How far it was read."""
        return self._at

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def writable(self) -> bool:
        """Never."""
        return False

    def flush(self) -> None:
        """Nothing."""

    def close(self) -> None:
        """Let go of what was read ahead."""
        self._stream.close()
        self.closed = True

    def __enter__(self) -> RemoteFile:
        return self

    def __exit__(self, *ended: object) -> None:
        self.close()
