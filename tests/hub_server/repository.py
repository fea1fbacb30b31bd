"""A dataset repository: commits, each with its whole tree, and the names that point to them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

from tests.hub_server.git import blob_oid, commit_oid, lfs_pointer, tree_oids
from tests.hub_server.messages import Refusal

__all__ = ["Commit", "File", "Repository", "iso"]

MAIN = "main"

# The kinds of file that a new dataset repository keeps out of git (its .gitattributes).
_LFS = """
*.7z *.arrow *.avro *.bin *.bz2 *.ckpt *.ftz *.gz *.h5 *.joblib *.lfs.* *.lz4 *.mds *.mlmodel
*.model *.msgpack *.npy *.npz *.onnx *.ot *.parquet *.pb *.pickle *.pkl *.pt *.pth *.rar
*.safetensors saved_model/**/* *.tar.* *.tar *.tflite *.tgz *.wasm *.xz *.zip *.zst *tfevents*
*.pcm *.sam *.raw *.aac *.flac *.mp3 *.ogg *.wav
*.bmp *.gif *.png *.tiff *.jpg *.jpeg *.webp *.mp4 *.webm
"""


@dataclass(frozen=True)
class File:
    """A file of a tree: its bytes (``content``), or where they are (``lfs``, a SHA-256).

    Attributes:
        oid: git's name of what the tree holds: for an LFS file, of its pointer.
        size: in bytes, of the file itself.
    """

    oid: str
    size: int
    content: bytes | None = None
    lfs: str | None = None

    @classmethod
    def regular(cls, content: bytes) -> File:
        return cls(blob_oid(content), len(content), content=content)

    @classmethod
    def large(cls, sha256: str, size: int) -> File:
        return cls(blob_oid(lfs_pointer(sha256, size)), size, lfs=sha256)

    def row(self, path: str) -> dict[str, Any]:
        """As ``tree`` and ``paths-info`` list it."""
        row = {"type": "file", "oid": self.oid, "size": self.size, "path": path}
        if self.lfs:
            pointer = len(lfs_pointer(self.lfs, self.size))
            row["lfs"] = {"oid": self.lfs, "size": self.size, "pointerSize": pointer}
        return row

    def sibling(self, path: str, blobs: bool) -> dict[str, Any]:
        """As ``repo_info`` lists it."""
        row: dict[str, Any] = {"rfilename": path}
        if blobs:
            row |= {"size": self.size, "blobId": self.oid}
            if self.lfs:
                pointer = len(lfs_pointer(self.lfs, self.size))
                row["lfs"] = {"sha256": self.lfs, "size": self.size, "pointerSize": pointer}
        return row


@dataclass(frozen=True)
class Commit:
    """A version of the whole repository.

    Attributes:
        files: path → file.
    """

    oid: str
    parent: str | None
    files: Mapping[str, File]
    title: str
    message: str
    author: str
    date: datetime

    @cached_property
    def folders(self) -> dict[str, str]:
        """Folder → git's name of its tree; the root is ``""``."""
        return tree_oids({path: file.oid for path, file in self.files.items()})

    def row(self, path: str) -> dict[str, Any] | None:
        """The file or folder at ``path``, None if there is none."""
        if file := self.files.get(path):
            return file.row(path)
        if path and path in self.folders:
            return {"type": "directory", "oid": self.folders[path], "size": 0, "path": path}
        return None


@dataclass
class Repository:
    """One dataset or model, and its history.

    Attributes:
        kind: "dataset" or "model".
        uid: its name in the storage; another one after it was deleted and made again.
        commits: oid → commit.
        tags: name → oid of the commit.
        tag_objects: name → oid of git's object, of tags that have a message of their own.
        busy: another commit is in progress: every commit is refused.
    """

    id: str
    private: bool = False
    gated: str | bool = False
    uid: str = field(default_factory=lambda: uuid.uuid4().hex[:24])
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    commits: dict[str, Commit] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    tag_objects: dict[str, str] = field(default_factory=dict)
    busy: bool = False
    kind: str = "dataset"

    def __post_init__(self) -> None:
        lines = [f"{pattern} filter=lfs diff=lfs merge=lfs -text\n" for pattern in _LFS.split()]
        attributes = "".join(lines)
        first = {".gitattributes": File.regular(attributes.encode())}
        self.add(MAIN, first, "initial commit", author=self.namespace)

    @property
    def namespace(self) -> str:
        return self.id.split("/")[0]

    @property
    def prefix(self) -> str:
        """Of its name in addresses."""
        return "datasets/" if self.kind == "dataset" else ""

    def find(self, revision: str = MAIN) -> Commit:
        """The commit that a branch, a tag, a ref or an oid (7 digits or more) names.

        Raises:
            Refusal: 404 RevisionNotFound.
        """
        name = revision.removeprefix("refs/heads/").removeprefix("refs/tags/")
        oid = self.branches.get(name) or self.tags.get(name)
        if oid is None and len(revision) >= 7:
            oid = next((oid for oid in self.commits if oid.startswith(revision)), None)
        if oid is None:
            raise Refusal(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return self.commits[oid]

    def files(self, revision: str = MAIN) -> Mapping[str, File]:
        return self.find(revision).files

    def log(self, revision: str = MAIN) -> list[Commit]:
        """The commit and all before it, newest first."""
        return list(self._history(self.find(revision)))

    def last_change(self, commit: Commit, path: str) -> Commit:
        """The commit, at or before this one, that made ``path`` (a file or folder) what it is."""
        state = commit.row(path)
        for older in self._history(commit):
            if older.row(path) != state:
                break
            commit = older
        return commit

    def add(
        self,
        branch: str,
        files: Mapping[str, File],
        title: str,
        message: str = "",
        *,
        author: str,
    ) -> Commit:
        """Move ``branch`` to a new commit with exactly these files.

        What changes nothing makes no commit: then it is the one that was there.

        Raises:
            Refusal: 400, a path no tree can hold.
        """
        head = self.branches.get(branch)
        if head is not None and self.commits[head].files == files:
            return self.commits[head]
        _check_paths(files)
        tree = tree_oids({path: file.oid for path, file in files.items()})[""]
        now = datetime.now(UTC)
        text = f"{title}\n\n{message}" if message else title
        oid = commit_oid(tree, head, author, int(now.timestamp()), text)
        commit = Commit(oid, head, dict(files), title, message, author, now)
        self.commits[oid] = commit
        self.branches[branch] = oid
        return commit

    def _history(self, commit: Commit) -> Iterator[Commit]:
        yield commit
        while commit.parent:
            commit = self.commits[commit.parent]
            yield commit


def iso(moment: datetime) -> str:
    """As the API writes dates."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def _check_paths(files: Mapping[str, File]) -> None:
    for path in files:
        parts = path.split("/")
        if set(parts) & {"", ".", "..", ".git"}:
            raise Refusal(400, f"Invalid path: {path!r}")
        for folder in PurePosixPath(path).parents:
            if folder.as_posix() in files:
                raise Refusal(400, f"{folder} is a file, and cannot hold {path}")
