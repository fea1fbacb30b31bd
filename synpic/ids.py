"""What a thing's identity is: ids, seeds and fingerprints, all of them hashes of what matters.

Pure functions. The same input gives the same id in any order, in any process, on any machine;
that is what resume, growth and sharding stand on (docs/identity.md).
"""

from __future__ import annotations

import hashlib
import inspect
import json
import sys
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = [
    "SEED_LIMIT",
    "SOURCE_KEY",
    "candidate_id",
    "file_hash",
    "file_stamp",
    "fingerprint",
    "folder_hash",
    "folder_stamp",
    "ingested_id",
    "normalise_prompt",
    "prompt_id",
    "seed_of",
    "sha256",
    "short",
    "source_hash",
]

SEED_LIMIT = 2**53
"""Seeds stay below this, so that JSON and JavaScript read them exactly."""

SOURCE_KEY = "given"
"""Of a source of images that exist already, among what decides its fingerprint. Part of every such
fingerprint and id: another word would change them all."""

_ID_DIGITS = 32

_CANONICAL = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def sha256(data: bytes) -> str:
    """SHA-256 of ``data``, 64 hex digits."""
    return hashlib.sha256(data).hexdigest()


def short(id_: str) -> str:
    """An id or fingerprint as people see it: its first 8 digits."""
    return id_[:8]


def normalise_prompt(text: str) -> str:
    """``text`` in Unicode NFC: what is stored, and what the id is of."""
    return unicodedata.normalize("NFC", text)


def prompt_id(text: str) -> str:
    """32 hex digits: the first half of the SHA-256 of the NFC-normalised UTF-8 text."""
    return sha256(normalise_prompt(text).encode())[:_ID_DIGITS]


def candidate_id(prompt: str, model_fingerprint: str, sample: int, seed: int) -> str:
    """32 hex digits that name one image of prompt id ``prompt``, before it is drawn."""
    return _hash_of([prompt, model_fingerprint, sample, seed])[:_ID_DIGITS]


def ingested_id(prompt: str, fingerprint: str, key: str) -> str:
    """32 hex digits that name one ingested image of prompt id ``prompt``.

    Args:
        fingerprint: of its source.
        key: what tells the image from all others of the source.
    """
    return _hash_of([SOURCE_KEY, prompt, fingerprint, key])[:_ID_DIGITS]


def seed_of(base: int, prompt: str, sample: int, salt: str = "") -> int:
    """The seed of one image, 0 ≤ seed < 2^53.

    ``salt`` is empty when all models share their noise (the default), else the model's name.
    """
    return int(_hash_of(["seed", base, prompt, sample, salt])[:16], 16) % SEED_LIMIT


def fingerprint(fingerprint_inputs: Mapping[str, Any]) -> str:
    """64 hex digits of everything that decides a result, given as JSON-like ``fingerprint_inputs``.

    Keys whose value is None are left out, so that a setting added later, and not used, does not
    change the fingerprints of what was made before.
    """
    return _hash_of(_without_none(dict(fingerprint_inputs)))


def folder_hash(folder: Path) -> str:
    """64 hex digits of the names and contents of all files below ``folder``, hidden ones left out.

    Two copies of one checkpoint have one hash, wherever they lie.
    """
    digest = hashlib.sha256()
    for name, path in _files(folder):
        digest.update(f"{name}\0{file_hash(path)}\n".encode())
    return digest.hexdigest()


def file_hash(path: Path) -> str:
    """SHA-256 of a file's content, 64 hex digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def folder_stamp(folder: Path) -> str:
    """64 hex digits of the names, sizes and times of the same files: cheap, and says no more than
    that a folder is likely to be what it was."""
    stats = [(name, path.stat()) for name, path in _files(folder)]
    return _hash_of([[name, stat.st_size, stat.st_mtime_ns] for name, stat in stats])


def file_stamp(path: Path) -> str:
    """As :func:`folder_stamp`, of one file; its name counts for nothing."""
    stat = path.stat()
    return _hash_of([stat.st_size, stat.st_mtime_ns])


def source_hash(thing: Any) -> str | None:
    """64 hex digits of the text of a function or module, or of a class's module; None where there
    is none."""
    try:
        whole = sys.modules[thing.__module__] if inspect.isclass(thing) else thing
        return sha256(inspect.getsource(whole).encode())
    except (KeyError, OSError, TypeError):
        return None


def _files(folder: Path) -> list[tuple[str, Path]]:
    """Names and paths of the files below ``folder`` that are not hidden, in order of names."""
    named = ((p.relative_to(folder).as_posix(), p) for p in folder.rglob("*") if p.is_file())
    return sorted(
        (name, path)
        for name, path in named
        if not any(piece.startswith(".") for piece in name.split("/"))
    )


def _hash_of(value: Any) -> str:
    return sha256(_CANONICAL.encode(value).encode())


def _without_none(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _without_none(v) for k, v in value.items() if v is not None}
    if isinstance(value, list | tuple):
        return [_without_none(v) for v in value]
    return value
