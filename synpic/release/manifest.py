"""``manifest.json``, by which a release is known for one of synpic's."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from synpic.workspace.tables import check_version

__all__ = ["MANIFEST", "decode_manifest", "own_version", "read_manifest"]

MANIFEST = "manifest.json"

_KEY = "synpic"
"""The key by which a manifest is known for one of ours; its value is synpic's version."""


def read_manifest(directory: Path) -> dict[str, Any] | None:
    """The manifest of the release in ``directory``; None if there is none of ours.

    Raises:
        NewerSchema: a later synpic wrote it.
    """
    try:
        data = (directory / MANIFEST).read_bytes()
    except OSError:
        return None
    return decode_manifest(data, str(directory / MANIFEST))


def decode_manifest(data: bytes, where: str) -> dict[str, Any] | None:
    """The manifest that ``data`` holds, read from ``where``; None if it is none of ours.

    Raises:
        NewerSchema: a later synpic wrote it.
    """
    try:
        manifest = json.loads(data)
    except ValueError:
        return None
    if not isinstance(manifest, dict) or _KEY not in manifest:
        return None
    if not isinstance(manifest.get("files"), dict):
        return None
    check_version(manifest, where)
    return manifest


def own_version() -> str:
    """The version of synpic that is running, as manifests have it."""
    try:
        return version("synpic")
    except PackageNotFoundError:  # run from its source, not installed
        return "unknown"
