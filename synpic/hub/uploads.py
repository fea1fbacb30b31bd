"""Files on their way into a repository: sent ahead of the commit that names them.

The Hub keeps large files (by ``.gitattributes``, by size, or because they are binary) apart from
git, by SHA-256, and takes one that it has already from its name alone. Small files go with the
commit itself.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from synpic.errors import PublishError
from synpic.hub.names import endpoint
from synpic.hub.repository import Remote

__all__ = ["SAMPLE", "Sent", "Way", "known", "require_not_ignored", "send", "ways"]

T = TypeVar("T")

SAMPLE = 512
"""First bytes of a file, by which the Hub tells binary ones from text."""

_FILES = 256
"""Files in one question, as the client asks."""


@dataclass(frozen=True, eq=False)
class Sent:
    """A file that was sent ahead.

    Args:
        operation: for the commit.
        large: whether it is with the large files now, so that its content may be deleted here; a
            small one goes with the commit.
    """

    operation: Any
    large: bool


@dataclass(frozen=True)
class Way:
    """How the Hub would take a file: as a large one or not; and whether ``.gitignore`` names it."""

    large: bool
    ignored: bool


def send(remote: Remote, files: Mapping[str, Path | bytes]) -> dict[str, Sent]:
    """Upload files, path → content, ahead of the commit; what the Hub has is not sent.

    Raises:
        PublishError: the repository ignores one of them, or the Hub refused.
        HubUnreachable: the Hub did not answer.
    """
    from huggingface_hub import CommitOperationAdd

    operations = {
        path: CommitOperationAdd(
            path_in_repo=path,
            path_or_fileobj=content if isinstance(content, bytes) else str(content),
        )
        for path, content in files.items()
    }
    remote.ask(
        f"sending {', '.join(files)}",
        lambda: remote.api.preupload_lfs_files(
            remote.repository,
            list(operations.values()),
            repo_type=remote.kind,
            revision=remote.branch,
            free_memory=False,
            num_threads=1,  # they go one after the other in any case, but for a few small ones
        ),
    )
    # The client has no public word for either; it would leave an ignored file out in silence, and
    # every shard would have to stay on the disk.
    _refuse_ignored(
        remote, [path for path, one in operations.items() if getattr(one, "_should_ignore", False)]
    )
    return {
        path: Sent(one, bool(getattr(one, "_is_uploaded", False)))
        for path, one in operations.items()
    }


def ways(remote: Remote, files: Mapping[str, tuple[int, bytes]]) -> dict[str, Way]:
    """Path → how the Hub would take it.

    Args:
        files: path → size, and the first :data:`SAMPLE` bytes.

    Raises:
        PublishError, HubUnreachable: as for :func:`send`.
    """
    address = f"{endpoint()}/api/{remote.kind}s/{remote.repository}/preupload/"
    found: dict[str, Way] = {}
    for batch in _batches(list(files.items())):
        asked = [
            {"path": path, "size": size, "sample": base64.b64encode(head).decode()}
            for path, (size, head) in batch
        ]
        found |= _post(
            remote,
            "asking how files are kept",
            address + quote(remote.branch, safe=""),
            {"files": asked},
            lambda answer: {
                one["path"]: Way(one["uploadMode"] == "lfs", bool(one["shouldIgnore"]))
                for one in answer["files"]
            },
        )
    return found


def known(remote: Remote, objects: Sequence[tuple[str, int]]) -> set[str]:
    """Of (SHA-256, bytes) of large files, the SHA-256 of those that the Hub has already.

    It is asked as before an upload: it says where to send which file, and nothing of those that it
    has.

    Raises:
        PublishError, HubUnreachable: as for :func:`send`.
    """
    address = f"{endpoint()}/{remote.prefix}{remote.repository}.git/info/lfs/objects/batch"
    found: set[str] = set()
    for batch in _batches(list(objects)):
        asked = {
            "operation": "upload",
            "transfers": ["basic", "multipart"],
            "objects": [{"oid": sha256, "size": size} for sha256, size in batch],
            "hash_algo": "sha256",
            "ref": {"name": remote.branch},
        }
        found |= _post(
            remote,
            "asking which files the Hub has",
            address,
            asked,
            lambda answer: {
                one["oid"]
                for one in answer["objects"]
                if not one.get("actions") and not one.get("error")
            },
            _LFS,
        )
    return found


def require_not_ignored(remote: Remote, files: Mapping[str, int]) -> None:
    """Refuse to begin where the repository's ``.gitignore`` names one of ``files``, path → bytes.

    Raises:
        PublishError: naming them.
        HubUnreachable: the Hub did not answer.
    """
    found = ways(remote, {path: (size, b"") for path, size in files.items()})
    _refuse_ignored(remote, [path for path, way in found.items() if way.ignored])


_LFS = {
    "Accept": "application/vnd.git-lfs+json",
    "Content-Type": "application/vnd.git-lfs+json",
}


def _refuse_ignored(remote: Remote, paths: Sequence[str]) -> None:
    if paths:
        raise PublishError(
            f"{remote.repository} ignores {', '.join(paths)}: its .gitignore says so",
            hint=f"delete or change that file at {remote.page}/tree/{remote.branch}",
        )


def _post(
    remote: Remote,
    what: str,
    address: str,
    body: Any,
    read: Callable[[Any], T],
    headers: Mapping[str, str] | None = None,
) -> T:
    """What ``read`` finds in the answer; one of another form is no answer of the Hub's."""
    from huggingface_hub import get_session
    from huggingface_hub.utils._headers import build_hf_headers
    from huggingface_hub.utils._http import hf_raise_for_status

    def ask() -> T:
        sent = {**build_hf_headers(token=remote.token), **(headers or {})}
        answer = get_session().post(address, json=body, headers=sent)
        hf_raise_for_status(answer)
        return read(answer.json())

    return remote.ask(what, ask)


def _batches(items: list[Any]) -> list[list[Any]]:
    return [items[start : start + _FILES] for start in range(0, len(items), _FILES)]
