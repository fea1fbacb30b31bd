"""Fréchet distances as a table, for a terminal and for Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from synpic.evaluate.fid.distances import FrechetDistance
from synpic.evaluate.tables import TextTable
from synpic.readers.display import number

__all__ = ["distance_notes", "distance_table"]


def distance_table(found: Sequence[FrechetDistance]) -> TextTable:
    """A row for each model, in the order of ``found``."""
    rows = [
        [one.model, f"{one.value:.4g}", number(one.n), number(one.n_reference)] for one in found
    ]
    return TextTable(["model", "FID", "images", "references"], rows)


def distance_notes(found: Sequence[FrechetDistance]) -> list[str]:
    """How to read the table, and what keeps a value from being compared."""
    lines = []
    for one in found[:1]:
        lines += [
            f"FID: Fréchet distance of {number(one.width)} features of {one.features} from "
            f"{one.references}; lower is nearer. Images: {one.resize}.",
            "It is biased, about in proportion to 1/n: compare values of equal numbers of images, "
            "references, features and resizing alone.",
        ]
    remarks = dict.fromkeys(remark for one in found for remark in one.remarks)
    return [*lines, *(f"{remark[:1].upper()}{remark[1:]}." for remark in remarks)]
