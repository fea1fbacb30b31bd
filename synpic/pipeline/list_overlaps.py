"""Prompts of a workspace that are prompts of an evaluation, too.

Who trains on them learns what is asked in the test. ``synpic eval`` counts them for a trained
model; here they are counted before anything is drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from synpic.prompts.suites.kept_lists import kept_lists
from synpic.readers.display import count
from synpic.release.cards.training_prompts import TrainingPrompts, folded_id
from synpic.workspace import Snapshot

__all__ = ["ListOverlap", "list_overlaps"]


@dataclass(frozen=True)
class ListOverlap:
    """Prompts of a workspace that a registered suite has.

    Args:
        suite: its name.
        items: prompts of its list.
        exact: prompts of the workspace that are among them, word for word.
        folded: that are, but for case, punctuation and spaces.
    """

    suite: str
    items: int
    exact: int
    folded: int

    def __str__(self) -> str:
        """A line; "" where there is nothing to say."""
        if not self.exact and not self.folded:
            return ""
        of = f"of the {count(self.items, 'prompt')} of the suite {self.suite}"
        nearly = f", {self.folded:,} more but for case and punctuation" if self.folded else ""
        here = f"{count(self.exact, 'prompt')} here {'is' if self.exact == 1 else 'are'} {of}"
        return f"{here}{nearly}: a model that learns from them is not evaluated by {self.suite}"


def list_overlaps(snapshot: Snapshot, prompts: pl.DataFrame) -> list[ListOverlap]:
    """Of each registered suite whose list is in the cache; of a workspace of such a suite, none.

    Args:
        prompts: of the workspace, with prompt_id and prompt.
    """
    suite = snapshot.recipe.suite
    if suite is not None and suite.name is not None:
        return []
    folded: list[str] = []
    found = []
    for name, listed in kept_lists(snapshot.workspace.folder):
        known = TrainingPrompts.of(listed)
        folded = folded or [folded_id(one) for one in prompts["prompt"].to_list()]
        exact = [one in known.exact for one in prompts["prompt_id"].to_list()]
        nearly = [one in known.folded for one in folded]
        more = sum(near and not same for near, same in zip(nearly, exact, strict=True))
        found.append(ListOverlap(name, len(known.exact), sum(exact), more))
    return found
