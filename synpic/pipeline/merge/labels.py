"""Labels of several workspaces, each source's once; and studies, which are not merged.

Labels of a source are written whole: those of two machines are never one source's.
"""

from __future__ import annotations

from collections.abc import Sequence

from synpic.pipeline.merge.source import Clash, Source
from synpic.readers.display import count
from synpic.workspace import Workspace
from synpic.workspace.labels import INGESTED, label_part, label_sources, read_labels

__all__ = ["label_clashes", "labels_to_place", "study_remarks"]

_STUDIES = "study"
"""The folder of a workspace in which each study has one."""
_OF_STUDY = ("study.json", "votes.db")


def labels_to_place(
    sources: Sequence[Source], widest: Source | None
) -> list[tuple[Workspace, str]]:
    """The part with the labels of each source of labels, and the workspace where it lies.

    Labels that came with images are those of the widest index, which has all of them.

    Args:
        widest: the workspace with that index; None where images are drawn.

    Raises:
        CorruptPart, NewerSchema: of the footer of a part, where a source has several.
    """
    return [held[0][1:] for held in _held(sources, widest).values()]


def label_clashes(sources: Sequence[Source], widest: Source | None) -> list[Clash]:
    """Where two workspaces have other labels of one source.

    Args:
        widest: as in :func:`labels_to_place`.

    Raises:
        CorruptPart, NewerSchema: naming the first part that cannot be read.
    """
    clashes = []
    for name, ((first, workspace, part), *others) in _held(sources, widest).items():
        there = read_labels(workspace, name)
        for other, theirs, other_part in others:
            if other_part == part:
                continue
            rows = read_labels(theirs, name)
            if not rows.equals(there):
                counted = count(there.height, "label"), count(rows.height, "label")
                what = f"{counted[0]} in {first}, and other ones, {counted[1]}, in {other}"
                clashes.append(Clash("labels", f"labels of {name!r}: {what}"))
    return clashes


def study_remarks(sources: Sequence[Source]) -> list[str]:
    """A line for each workspace with studies: they and their votes are not merged."""
    remarks = []
    for source in sources:
        store = source.workspace.store
        folders = [f"{_STUDIES}/{name}" for name in store.list(_STUDIES)]
        studies = [one for one in folders if any(store.exists(f"{one}/{n}") for n in _OF_STUDY)]
        if studies:
            are = "is" if len(studies) == 1 else "are"
            remarks.append(
                f"{', '.join(studies)} of {source.name} {are} not merged: votes stay in "
                f"{source.name}. Labels that `synpic study export` has written there are merged"
            )
    return remarks


def _held(
    sources: Sequence[Source], widest: Source | None
) -> dict[str, list[tuple[str, Workspace, str]]]:
    """Source of labels → each workspace that has such: its name, itself, and the part."""
    found: dict[str, list[tuple[str, Workspace, str]]] = {}
    for source in sources:
        for name in label_sources(source.workspace):
            if name == INGESTED and source is not widest:
                continue
            part = label_part(source.workspace, name)
            if part is not None:
                found.setdefault(name, []).append((source.name, source.workspace, part))
    return found
