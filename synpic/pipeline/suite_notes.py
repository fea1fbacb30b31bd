"""What ``synpic validate`` says of a recipe's suite."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import polars as pl

from synpic.errors import SynpicError
from synpic.generate.image_model import complete
from synpic.prompts.suites import OpenedSuite, open_suite
from synpic.prompts.suites.matched import require_items
from synpic.readers.display import count
from synpic.score.judges.official_quirks import QUIRKS
from synpic.workspace import Snapshot

__all__ = ["suite_notes"]


def suite_notes(snapshot: Snapshot, prompts: pl.DataFrame | None) -> list[str]:
    """Lines on the suite of a recipe; none where it has none, or its lists cannot be read.

    Args:
        prompts: of the recipe; None where they cannot be read.

    Raises:
        EvaluationError: no image of those that exist has an item.
    """
    settings = snapshot.recipe.suite
    if settings is None or prompts is None:
        return []
    opened = open_suite(settings, snapshot)
    items = len(opened.items)
    name, notes = opened.suite.name, []
    if items < len(opened.content.items):
        of = count(len(opened.content.items), "item")
        notes.append(f"suite {name}: {items:,} of {of}; its results are partial")
    notes += [f"suite {name}: {remark}" for remark in opened.content.remarks]
    if snapshot.recipe.ingest is not None:
        notes += _matched(opened, prompts)
    notes += _departures(opened, snapshot)
    notes += _half_official(snapshot, name)
    judges = list(opened.suite.judges)
    if judges and not snapshot.recipe.judges:
        notes.append(
            f"suite {name} is judged by `{judges[0]}`, and there is no [judges.NAME]: images are "
            "drawn, but not judged"
        )
    return notes


def _half_official(snapshot: Snapshot, suite: str) -> Iterator[str]:
    """A line for each judge that counts without faults where lists are read with them."""
    settings = snapshot.recipe.suite
    rules = {rule for one in QUIRKS for rule in one.rules}
    for judge, written in snapshot.recipe.judges.items():
        official = written.options.get("quirks") == "official"
        if settings is None or written.options.get("rule") not in rules:
            continue
        if settings.quirks is not None and not official:
            yield (
                f"suite {suite}: its lists are read with official quirks, and judges.{judge} "
                'counts without: add quirks = "official" to its options'
            )


def _matched(opened: OpenedSuite, prompts: pl.DataFrame) -> Iterable[str]:
    rows = opened.table().select(["prompt_id"]).column("prompt_id").to_pylist()
    there = prompts["prompt_id"].to_list()
    require_items(there, rows, opened.suite.name)
    found, others = len(set(rows) & set(there)), len(set(there) - set(rows))
    if found < len(rows) or others:
        of = f"images of {found:,} of {count(len(rows), 'item')}"
        is_none = (
            f"{count(others, 'prompt')} of the images {'is' if others == 1 else 'are'} no item"
        )
        yield f"suite {opened.suite.name}: {of}; {is_none} of it"


def _departures(opened: OpenedSuite, snapshot: Snapshot) -> Iterator[str]:
    """A line for each model that is not drawn as the protocol says."""
    for model, written in snapshot.recipe.models.items():
        try:
            settings = complete(model, written, snapshot.workspace.folder)
        except SynpicError:
            continue  # It is a problem already.
        differences = opened.suite.protocol.differences(settings)
        if differences:
            yield (
                f"models.{model} departs from the protocol of {opened.suite.name}: "
                f"{', '.join(differences)}"
            )
