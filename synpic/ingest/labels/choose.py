"""Which columns of a dataset hold labels, and which look as if they did."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial

from synpic.ingest.labels.chosen_paths import better_path_first
from synpic.ingest.labels.forms import LabelLayout
from synpic.ingest.labels.lists import lists_in_cells, ranked_rows
from synpic.ingest.labels.sides import better_and_worse, two_labels
from synpic.ingest.labels.votes import votes
from synpic.readers.text import shown

__all__ = ["choose_labels", "unread_labels"]

_Find = Callable[[Sequence[str], Sequence[str]], LabelLayout | None]
"""Columns of images, and all columns → the layout that they are."""

_OF_ROWS: Sequence[_Find] = (votes, better_and_worse, ranked_rows)
_OF_CELLS: Sequence[_Find] = (lists_in_cells,)

_LOOKS_LIKE = re.compile(
    r"(?:^|_)(?:labels?|votes?|preferences?|preferred|human_preference|ranks?|rankings?|ratings?|"
    r"winner|better|worse|annotations?|weighted_results|choices?|likert)(?:$|_|\d)",
    re.IGNORECASE,
)

_IN_FULL = "detailed_results"
"""What Rapidata's columns of single answers begin with; the others are made of them."""

_IDS = {"candidate_id", "candidate_ids", "chosen_id"}
_OF_OURS = frozenset({"preference", "rank", "chosen_preference", "rejected_preference"})
"""What rewards made, in tables of this tool, which are known by these ids."""

_NAMED = 8

_UNLABELLED = {"image_quality_dev", "image_simplified_dev"}
"""Columns of open-image-preferences-v1, whose answers are another dataset."""


def choose_labels(
    images: Sequence[str],
    columns: Sequence[str],
    cells: bool = False,
    label_0: str | None = None,
) -> LabelLayout | None:
    """The layout of the labels that a table has; None where it has none that is known.

    Args:
        images: the columns of images, in order.
        columns: all columns.
        cells: whether a cell of the column of images is a list of them.
        label_0: the recipe's: the column of images whose share the column ``label_0`` is.
    """
    of_rows: list[_Find] = [better_path_first, partial(two_labels, of=label_0), *_OF_ROWS]
    found = (find(images, columns) for find in (_OF_CELLS if cells else of_rows))
    return next((layout for layout in found if layout is not None), None)


def unread_labels(
    layout: LabelLayout | None, columns: Sequence[str], used: Sequence[str]
) -> list[str]:
    """What to say of columns that may be labels and are not read: a sentence each.

    Args:
        layout: what is read.
        columns: all columns.
        used: those that are something else: images, prompts, models, ids.
    """
    if set(columns) >= _UNLABELLED:
        return [
            "open-image-preferences-v1 has images without labels; "
            "open-image-preferences-v1-binarized has those that people chose"
        ]
    read = {*(layout.columns if layout is not None else ()), *used}
    ours = _OF_OURS if _IDS & set(columns) else frozenset[str]()
    names = [n for n in columns if n not in read | ours and _LOOKS_LIKE.search(n)]
    names = [n for n in names if not n.startswith(_IN_FULL)]
    if not names:
        return []
    listed = ", ".join(map(shown, names[:_NAMED])) + (", …" if len(names) > _NAMED else "")
    return [f"columns that may be labels are not read, for their layout is not known: {listed}"]
