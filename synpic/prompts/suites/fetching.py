"""What a suite is made of, fetched from where its makers published it.

What a file must hold is in the code where it has been seen; else the first fetch writes its SHA-256
into recipe.lock, and with it the commit of what lies on the Hub. Every later one is held to that.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synpic import ids
from synpic.errors import EvaluationError, PromptsGone
from synpic.hub import checkpoints
from synpic.hub.errors import Subject
from synpic.hub.files import download
from synpic.hub.lock import Lock, LockEntry
from synpic.hub.published_files import PublishedFile, fetch_published
from synpic.prompts.hub import read_dataset
from synpic.prompts.suites.suite import HubColumn, HubFile, Place, SuiteData

__all__ = ["content_of", "fetch_data"]


def content_of(places: Mapping[str, Place], lock: Lock) -> dict[str, Any]:
    """What decides the bytes at ``places``: a hash, or a commit; nothing is fetched.

    Raises:
        CheckpointError: a dataset is not on the Hub, or the Hub cannot be reached.
    """
    return {name: _content(place, lock) for name, place in places.items()}


def _content(place: Place, lock: Lock) -> dict[str, Any]:
    if isinstance(place, PublishedFile):
        known = place.sha256 or place.git_blob
        return {"content": known} if known else {"url": place.place}
    entry = checkpoints.resolve(lock, place.dataset, None, kind="dataset")
    of = {"path": place.path} if isinstance(place, HubFile) else vars(place)
    return {**checkpoints.identity(entry), **of}


def fetch_data(places: Mapping[str, Place], lock: Lock, name: str, *, quirks: bool) -> SuiteData:
    """All that lies at ``places``; what was fetched before comes from the cache.

    Args:
        name: of the suite, for messages.

    Raises:
        PromptsGone: a file cannot be downloaded.
        CheckpointError: a dataset, or a file of one, is not there or cannot be reached.
        EvaluationError: a file is not what it was when recipe.lock recorded it.
        PromptError: a dataset cannot be read.
    """
    files: dict[str, bytes] = {}
    texts: dict[str, list[str]] = {}
    for of, place in places.items():
        if isinstance(place, HubColumn):
            texts[of] = _column(place, lock)
        elif isinstance(place, HubFile):
            files[of] = _hub_file(place, lock, name)
        else:
            files[of] = _published(place, lock, name)
    return SuiteData(files, texts, quirks)


def _published(place: PublishedFile, lock: Lock, name: str) -> bytes:
    data = fetch_published(
        place,
        what=f"the list of the suite {name} that synpic knows",
        error=PromptsGone,
        hint=f"the list of {name} does not come with synpic; connect, and try again",
    )
    if place.sha256 is None:
        _hold(lock, place.place, data)
    return data


def _hub_file(place: HubFile, lock: Lock, name: str) -> bytes:
    entry = checkpoints.resolve(lock, place.dataset, None, kind="dataset")
    location, commit = checkpoints.load_from(lock.folder, entry)
    if commit is None:
        found: Path | None = Path(location) / place.path
        found = found if found is not None and found.is_file() else None
    else:
        found = download(Subject(location, commit, "dataset"), place.path)
    if found is None:
        raise EvaluationError(
            f"suite {name}: {place.dataset} has no file {place.path}",
            hint="its makers moved it; write the list as a file of your own (docs/suites-own.md)",
        )
    data = found.read_bytes()
    if commit is not None:
        _hold(lock, f"hf://datasets/{place.dataset}@{commit}/{place.path}", data)
    return data


def _column(place: HubColumn, lock: Lock) -> list[str]:
    entry = checkpoints.resolve(lock, place.dataset, None, kind="dataset")
    location, commit = checkpoints.load_from(lock.folder, entry)
    batches = read_dataset(
        location,
        commit,
        place.dataset,
        config=None,
        split=place.split,
        column=place.column,
        keep=None,
    )
    found = [text for batch in batches for text in batch.column("prompt").to_pylist()]
    return [text for text in found if text is not None]


def _hold(lock: Lock, source: str, data: bytes) -> None:
    """Write the SHA-256 of what was fetched down; or hold it to the one that is written.

    Raises:
        EvaluationError: it is another.
    """
    found = ids.sha256(data)
    entry = lock.get("url", source, None) or lock.remember(
        LockEntry(kind="url", source=source, identity=found)
    )
    if entry.identity != found:
        raise EvaluationError(
            f"{source} has changed since recipe.lock recorded it",
            hint="numbers of two lists cannot be compared; to take the new one, delete its entry "
            "from recipe.lock",
        )
