"""What the parts of a workspace record of the models and rewards that made them.

A part notes what decides its rows, and its folder is named by the hash of that. So images and
scores can be read where what made them is away: a reward's code, weights, the Hub.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from synpic import ids
from synpic.hub import checkpoints
from synpic.hub.lock import Lock, LockEntry
from synpic.workspace.workspace import Workspace

__all__ = [
    "Recorded",
    "closest",
    "describe_weights",
    "fits",
    "folders_of",
    "known_weights",
    "recorded",
    "weights_likeness",
]


@dataclass(frozen=True)
class Recorded:
    """A model or a reward, as a part of it describes it.

    Args:
        name: the recipe's name for it.
        folder: where its parts are.
        fingerprint_inputs: everything that decides its images or scores.
    """

    name: str
    folder: str
    fingerprint_inputs: Mapping[str, Any]

    @property
    def fingerprint(self) -> str:
        """The hash of ``fingerprint_inputs``."""
        return ids.fingerprint(self.fingerprint_inputs)


Some = TypeVar("Some", bound=Recorded)


def folders_of(workspace: Workspace, kind: str, name: str) -> list[str]:
    """The folders of ``kind`` ("candidates", "scores", "comparisons" or "labels") that hold what
    ``name`` made."""
    return [f for f in workspace.folders(kind) if f.rpartition("-")[0] == f"{kind}/{name}"]


def recorded(workspace: Workspace, kind: str, name: str) -> list[Recorded]:
    """What the parts of ``kind`` say of ``name``: one for each folder, and so each fingerprint.

    Raises:
        CorruptPart, NewerSchema, OlderSchema: of the first part of a folder.
    """
    found: list[Recorded] = []
    for folder in folders_of(workspace, kind, name):
        for part in workspace.parts(folder)[:1]:
            one = Recorded(name, folder, workspace.part_metadata(part).fingerprint_inputs)
            if folder.endswith(f"-{ids.short(one.fingerprint)}"):
                found.append(one)
    return found


def fits(fingerprint_inputs: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
    """Whether what a part records agrees with all that is ``known`` without what is away."""
    there = {key: fingerprint_inputs.get(key) for key in known}
    return ids.fingerprint(there) == ids.fingerprint(known)


def closest(found: Iterable[Some], likeness: Callable[[Some], int]) -> Sequence[Some]:
    """Those of ``found`` that are most alike; several where nothing tells them apart."""
    all_of_them = list(found)
    most = max(map(likeness, all_of_them), default=0)
    return [one for one in all_of_them if likeness(one) == most]


def known_weights(lock: Lock, source: str | None, revision: str | None) -> dict[str, Any]:
    """Of the weights that a recipe names, what ``lock`` knows, as a part records it."""
    entry = checkpoints.locked(lock, source, revision) if source is not None else None
    return {"checkpoint": checkpoints.identity(entry)} if entry is not None else {}


def weights_likeness(inputs: Mapping[str, Any], repository: str | None, commit: str | None) -> int:
    """How much of what a recipe says of weights a part records: 0 to 2.

    What the recipe does not say counts for no record, since weights from a folder have neither.
    """
    weights = inputs.get("checkpoint") or {}
    asked = {"repository": repository, "commit": commit}
    return sum(value is not None and weights.get(key) == value for key, value in asked.items())


def describe_weights(identity: Mapping[str, Any], entries: Iterable[LockEntry]) -> str:
    """Recorded weights for people: ``owner/name@1a2b3c4d``.

    Args:
        identity: of a checkpoint, as it decides a result.
        entries: of recipe.lock, which knows what a folder was called.
    """
    known = str(identity.get("commit") or identity.get("sha256"))
    called = (entry.source for entry in entries if entry.identity == known)
    return f"{identity.get('repository') or next(called, 'folder')}@{ids.short(known)}"
