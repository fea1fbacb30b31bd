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
from synpic.hub.commits.repository import Remote
from synpic.hub.names import endpoint

__all__ = ["SAMPLE", "Content", "Sent", "new_bytes", "require_not_ignored", "send"]

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
        new: its bytes if the Hub did not have it, else 0. The Hub's storage cuts files into chunks
            and takes only new ones, so that less may go over the wire.
    """

    operation: Any
    large: bool
    new: int


@dataclass(frozen=True)
class Content:
    """What the Hub asks of a file before it is sent.

    Args:
        sha256: by which the Hub knows a large file.
        size: in bytes.
        start: its first bytes, :data:`SAMPLE` at most.
    """

    sha256: str
    size: int
    start: bytes


@dataclass(frozen=True)
class _Mode:
    """How the Hub stores a file: as a large one or not; and whether ``.gitignore`` names it."""

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
    stored = _stored(
        remote,
        [(one.upload_info.sha256.hex(), one.upload_info.size) for one in operations.values()],
    )
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
    sent: dict[str, Sent] = {}
    for path, one in operations.items():
        large = bool(getattr(one, "_is_uploaded", False))
        is_stored = large and one.upload_info.sha256.hex() in stored
        sent[path] = Sent(one, large, 0 if is_stored else one.upload_info.size)
    return sent


def new_bytes(remote: Remote, files: Mapping[str, Content]) -> int:
    """Bytes of ``files`` that the Hub does not have, as it says; nothing is sent.

    Args:
        remote: a repository and a branch that are there.
        files: path in the repository → content.

    Raises:
        PublishError, HubUnreachable: as for :func:`send`.
    """
    modes = _modes(remote, files)
    large = {path for path, mode in modes.items() if mode.large}
    stored = _stored(remote, [(files[path].sha256, files[path].size) for path in sorted(large)])
    return sum(
        file.size for path, file in files.items() if not (path in large and file.sha256 in stored)
    )


def _modes(remote: Remote, files: Mapping[str, Content]) -> dict[str, _Mode]:
    """Path → how the Hub would store it."""

    def decode(answer: Any) -> dict[str, _Mode]:
        return {
            one["path"]: _Mode(one["uploadMode"] == "lfs", bool(one["shouldIgnore"]))
            for one in answer["files"]
        }

    address = f"{endpoint()}/api/{remote.kind}s/{remote.repository}/preupload/"
    found: dict[str, _Mode] = {}
    for batch in _batches(list(files.items())):
        asked = [
            {
                "path": path,
                "size": file.size,
                "sample": base64.b64encode(file.start).decode(),
            }
            for path, file in batch
        ]
        found |= _post(
            remote,
            "asking how files are kept",
            address + quote(remote.branch, safe=""),
            {"files": asked},
            decode,
        )
    return found


def _stored(remote: Remote, objects: Sequence[tuple[str, int]]) -> set[str]:
    """Of (SHA-256, bytes) of large files, the SHA-256 of those that the Hub has already.

    The question is the one that comes before an upload: the answer says where to send each file,
    and names no place for a file that the Hub has.
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
    modes = _modes(remote, {path: Content("", size, b"") for path, size in files.items()})
    _refuse_ignored(remote, [path for path, mode in modes.items() if mode.ignored])


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
