"""The names that git gives to things: hashes of blobs, LFS pointers, trees and commits."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

__all__ = ["blob_oid", "commit_oid", "lfs_pointer", "tree_oids"]


def _oid(kind: str, content: bytes) -> str:
    return hashlib.sha1(f"{kind} {len(content)}\0".encode() + content).hexdigest()


def blob_oid(content: bytes) -> str:
    return _oid("blob", content)


def lfs_pointer(sha256: str, size: int) -> bytes:
    """The text that stands in the tree for a file kept elsewhere (git-lfs, docs/spec.md)."""
    return (
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n"
    ).encode()


def tree_oids(blobs: Mapping[str, str]) -> dict[str, str]:
    """Path → blob to folder → tree; the root is ``""``."""
    children: dict[str, dict[str, str]] = {"": {}}
    for path, oid in blobs.items():
        parts = path.split("/")
        for depth in range(1, len(parts)):
            children.setdefault("/".join(parts[:depth]), {})
        children["/".join(parts[:-1])][parts[-1]] = oid
    folders = sorted(children, key=lambda folder: folder.count("/"), reverse=True)
    trees: dict[str, str] = {}
    for folder in [name for name in folders if name] + [""]:
        inside = {
            name.rpartition("/")[2]: oid
            for name, oid in trees.items()
            if name.rpartition("/")[0] == folder
        }
        # Git sorts a folder as if its name ended in a slash.
        entries = [(name, b"100644", oid) for name, oid in children[folder].items()]
        entries += [(f"{name}/", b"40000", oid) for name, oid in inside.items()]
        content = b"".join(
            mode + b" " + name.rstrip("/").encode() + b"\0" + bytes.fromhex(oid)
            for name, mode, oid in sorted(entries, key=lambda entry: entry[0].encode())
        )
        trees[folder] = _oid("tree", content)
    return trees


def commit_oid(tree: str, parent: str | None, author: str, seconds: int, message: str) -> str:
    """``seconds`` since 1970, UTC."""
    signed = f"{author} <{author}@users.noreply.huggingface.co> {seconds} +0000"
    lines = [f"tree {tree}", *([f"parent {parent}"] if parent else [])]
    lines += [f"author {signed}", f"committer {signed}", "", message]
    return _oid("commit", "\n".join(lines).encode())
