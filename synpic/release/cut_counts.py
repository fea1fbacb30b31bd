"""What a manifest says of cuts: the rules, and how many images and prompts each left out."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from synpic.readers.json_models import Record

__all__ = ["CutCounts", "DropCounts"]

Count = Annotated[int, Field(ge=0, lt=1 << 63)]


class DropCounts(Record):
    """What was taken out before ranking: by which list, and how many images and prompts.

    ``prompts`` have no image left; ``kept`` images stay although their prompt is dropped;
    ``unknown`` ids are of no image and no prompt. ``marks`` counts each kind, of marks alone.
    """

    source: str
    sha256: Annotated[str, Field(pattern=r"\A[0-9a-f]{64}\z")] | None
    candidates: Count
    prompts: Count
    kept: Count
    unknown: Count
    marks: dict[str, Count]


class CutCounts(Record):
    """The rules by which prompts and images were left out, and how many ranked prompts each did.

    ``prompts`` has an entry for each rule that chooses prompts; a prompt counts for the first rule
    that leaves it out. ``unranked`` prompts without a ranking went with them.
    """

    drop: DropCounts | None = None
    where: str | None = None
    min_margin: float | None = None
    min_agreement: float | None = None
    top: Annotated[int, Field(ge=1)] | None = None
    prompts: dict[str, Count]
    unranked: Count
