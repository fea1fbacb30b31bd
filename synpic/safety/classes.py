"""Which classes of a classifier flag: read from its small ``config.json``, before any weights."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synpic.errors import SafetyError
from synpic.hub.errors import Subject
from synpic.hub.files import download

__all__ = ["Classes", "choose", "read_classes"]


@dataclass(frozen=True)
class Classes:
    """What a classifier tells apart.

    Args:
        source: the classifier, as the recipe has it.
        names: of its classes, in the order of its outputs.
        exclusive: an input is of one class (softmax), and not of any number of them (sigmoid).
    """

    source: str
    names: tuple[str, ...]
    exclusive: bool

    def places(self, labels: Sequence[str]) -> list[int]:
        """Where the classes lie that ``labels`` name, in any case of letters."""
        wanted = {label.casefold() for label in labels}
        return [place for place, name in enumerate(self.names) if name.casefold() in wanted]


def read_classes(source: str, location: str, commit: str | None, head: str) -> Classes:
    """The classes of the classifier at ``location``.

    Args:
        source: as the recipe has it, for messages.
        location: a folder, or a repository on the Hub.
        commit: of the latter.
        head: what the name of its class ends with: "ForImageClassification".

    Raises:
        SafetyError: it is no such classifier.
        CheckpointError: it is not there, or cannot be reached.
    """
    config = _read_config(source, location, commit)
    built = config.get("architectures") or []
    if not any(str(name).endswith(head) for name in built):
        raise SafetyError(
            f"{source} is a {' or '.join(map(str, built)) or 'model of no stated kind'}, and a "
            f"…{head} is needed",
            hint="name a repository whose config.json has such an architecture",
        )
    problem = config.get("problem_type")
    if problem == "regression":
        raise SafetyError(
            f"{source} predicts a number, and tells no classes apart",
            hint="name a classifier; its config.json has no problem_type = regression",
        )
    names = _names(source, config)
    # One output alone has nothing to be exclusive with: softmax would always say 1.
    return Classes(source, names, problem != "multi_label_classification" and len(names) > 1)


def choose(classifiers: Sequence[Classes], labels: Sequence[str]) -> list[list[int]]:
    """For each classifier, the places of the classes that flag.

    Raises:
        SafetyError: one has none of ``labels``, or a label is in none; it lists what there is.
    """
    known = {name.casefold() for one in classifiers for name in one.names}
    there = "; ".join(f"{one.source} has {', '.join(one.names)}" for one in classifiers)
    for label in labels:
        if classifiers and label.casefold() not in known:
            raise SafetyError(
                f"safety.labels: no classifier has a class {label!r}: {there}",
                hint="write the labels that flag as the classifier names them",
            )
    for one in classifiers:
        if not one.places(labels):
            raise SafetyError(
                f"safety.labels: {one.source} has none of {', '.join(labels)}: {there}",
                hint="add to labels those of its classes that flag",
            )
    return [one.places(labels) for one in classifiers]


def _names(source: str, config: Mapping[str, Any]) -> tuple[str, ...]:
    try:
        named = config.get("id2label")
        if named:
            return tuple(str(named[key]) for key in sorted(named, key=int))
        # What transformers calls them where the file does not.
        return tuple(f"LABEL_{number}" for number in range(int(config.get("num_labels", 2))))
    except (TypeError, ValueError, AttributeError) as error:
        raise SafetyError(
            f"{source}: its config.json does not name its classes: {error}",
            hint="its id2label is to be a table of number → name",
        ) from error


def _read_config(source: str, location: str, commit: str | None) -> Mapping[str, Any]:
    folder = Path(location)
    if folder.is_dir():
        path = folder / "config.json"
    else:
        found = download(Subject(location, commit), "config.json")
        if found is None:
            raise SafetyError(
                f"{source} is no classifier of transformers: it has no config.json",
                hint="name a folder or repository that from_pretrained opens",
            )
        path = found
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise ValueError("no table")
    except (OSError, ValueError, RecursionError) as error:
        raise SafetyError(
            f"{source} is no classifier of transformers: its config.json cannot be read "
            f"({type(error).__name__})",
            hint="name a folder or repository that from_pretrained opens",
        ) from error
    return found
