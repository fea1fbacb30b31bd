"""Converted weights, kept on this machine by the hash of what they were converted from."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from synpic import ids
from synpic.hub.user_cache import user_cache

__all__ = ["converted_from", "keep", "kept", "place"]

_LAYOUT = 1
"""Raised when the conversion comes to give other tensors or names."""

_HASHES = "hashes.json"


def place(digest: str) -> Path:
    """Where weights that were converted from a file are kept.

    Args:
        digest: SHA-256 of that file.
    """
    return user_cache("weights") / f"mask2former-{digest[:16]}-{_LAYOUT}"


def kept(digest: str) -> Path | None:
    """The folder with weights converted from a file; None where there is none that is whole."""
    folder = place(digest)
    return folder if converted_from(folder) == digest else None


def converted_from(folder: Path) -> str | None:
    """The SHA-256 of the file from which the weights in ``folder`` were converted.

    What is there is held to the hashes that were written with it.

    Returns:
        None where it does not hold converted weights, or not all of them.
    """
    try:
        written = json.loads((folder / _HASHES).read_text(encoding="utf-8"))
        source, files = str(written["source"]), dict(written["files"])
        whole = all(ids.file_hash(folder / name) == one for name, one in files.items())
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return source if whole and files else None


def keep(digest: str, save: Callable[[Path], Any]) -> None:
    """Keep what ``save`` writes into a folder, in one step.

    A cache that cannot be written is none, and no error. Of two processes the last one's stays.
    """
    folder = place(digest)
    with suppress(OSError):
        folder.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
        try:
            save(beside)
            files = {file.name: ids.file_hash(file) for file in sorted(beside.iterdir())}
            written = json.dumps({"source": digest, "files": files})
            (beside / _HASHES).write_text(written, encoding="utf-8")
            shutil.rmtree(folder, ignore_errors=True)
            beside.chmod(0o755)
            beside.rename(folder)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
