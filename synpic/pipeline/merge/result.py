"""What a merge made, or would make, and what stands against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from synpic.errors import WorkspaceError
from synpic.pipeline.merge.contents import PartToPlace
from synpic.pipeline.merge.source import Clash
from synpic.readers.display import count

__all__ = ["Merged", "refusal"]

_SHOWN = 20
"""Clashes that an error names."""

_HINTS = {
    "recipe": "make the keys equal, or give one recipe for all: --recipe FILE; models or rewards "
    "of other settings need names of their own before they draw or score",
    "lock": "the weights or datasets are not the same: resolve both to one commit first",
    "prompts": "correct the source of one, so that a prompt has one split and one value a column",
    "ingest": "ingest all images in one of them first: `synpic score` there",
    "candidates": "they were drawn twice, on other machines or libraries: move the parts of one "
    "such folder out of its workspace; its scores stay with the pixels that they were given to",
    "scores": "they were given on other machines or libraries: move the parts of one such folder "
    "out of its workspace",
    "comparisons": "they were made on other machines or libraries, or by a model that answers "
    "anew: move the parts of one such folder out of its workspace",
    "verdicts": "they were given on other machines or libraries, or by a model that answers anew: "
    "move the parts of one such folder out of its workspace",
    "suite": "prompts of one workspace have one suite: merge those of one version of it",
    "labels": "move the folder labels/… of that source out of all workspaces but one. Votes of "
    "studies are not merged: collect those of one study in one workspace and export its labels "
    "again (`synpic study export`); two studies need two names (`synpic study new --name`)",
    "marks": "take one of the marks out of marks.toml",
    "files": "make the files equal",
}


@dataclass(frozen=True)
class Merged:
    """What was merged, or would be.

    Args:
        workspaces: as they were named.
        to: the new one.
        dry_run: whether nothing was made.
        prompts, images: distinct ones, of all workspaces.
        scores: folder of a reward → images that it scored; "verdicts/…" of a judge → images;
            "comparisons/…" of a comparer → pairs.
        clashes: why nothing can be made.
        remarks: which studies are not merged; and of each model or reward that the new workspace
            cannot find, what is read instead.
        parts_linked, parts_copied: how many parts; ``bytes_linked`` and ``bytes_copied``: of them.
    """

    workspaces: list[str]
    to: str
    dry_run: bool
    prompts: int
    images: int
    scores: Mapping[str, int]
    clashes: Sequence[Clash]
    remarks: Sequence[str] = ()
    parts_linked: int = 0
    parts_copied: int = 0
    bytes_linked: int = 0
    bytes_copied: int = 0

    def with_parts(self, parts: Sequence[PartToPlace], linked: Sequence[PartToPlace]) -> Merged:
        """The same, with the numbers of ``parts``, of which some are ``linked``."""
        in_links = sum(part.bytes for part in linked)
        return replace(
            self,
            parts_linked=len(linked),
            parts_copied=len(parts) - len(linked),
            bytes_linked=in_links,
            bytes_copied=sum(part.bytes for part in parts) - in_links,
        )

    def remarking(self, remarks: Sequence[str]) -> Merged:
        """The same, with more remarks after its own."""
        return replace(self, remarks=[*self.remarks, *remarks])

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            **vars(self),
            "scores": dict(self.scores),
            "remarks": list(self.remarks),
            "clashes": [vars(one) for one in self.clashes],
        }


def refusal(clashes: Sequence[Clash]) -> WorkspaceError:
    """The error that names clashes, and what to do about each kind of them."""
    lines = [one.what for one in clashes[:_SHOWN]]
    if len(clashes) > _SHOWN:
        lines.append(f"and {len(clashes) - _SHOWN:,} more; --dry-run lists them all")
    kinds = dict.fromkeys(one.kind for one in clashes)
    return WorkspaceError(
        f"the workspaces say different things ({count(len(clashes), 'clash', 'clashes')}):\n"
        + "\n".join(f"  {line}" for line in lines),
        hint=";\n".join(_HINTS[kind] for kind in kinds),
    )
