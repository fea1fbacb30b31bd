"""What of a workspace's suite decides how its numbers are counted, and how they are reported."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from synpic.errors import SynpicError
from synpic.evaluate.compare_models import Overall
from synpic.pipeline.inventory import Inventory
from synpic.prompts.suites import Suite, find_suite, stored_suite
from synpic.workspace.suite import read_suite

__all__ = ["SuiteFacts", "suite_facts"]

_FEWEST = 10
"""Combinations of a tag, below which an interval over them says nothing."""


@dataclass(frozen=True)
class SuiteFacts:
    """The suite of an evaluation.

    Args:
        name: of the suite.
        version: 64 hex digits of all its items.
        items: that the recipe asks for.
        whole: that the suite has.
        images: of each model, for each prompt.
        protocol: what its makers fix, in a line; "" where they fix nothing.
        differences: of each model, what of its settings is not that protocol.
        overall: how tags become one number.
        tags: prompt id → tag; "" of an item without.
        units: prompt id → what is independent of others: its item, or the combination of things
            that several items ask for in other words.
    """

    name: str
    version: str
    items: int
    whole: int
    images: int
    protocol: str
    differences: Mapping[str, Sequence[str]]
    overall: Overall
    tags: Mapping[str, str]
    units: Mapping[str, str]

    @property
    def without_interval(self) -> frozenset[str]:
        """Tags in which several items are of one unit, and units are too few for an interval."""
        prompts = Counter(self.tags.values())
        found = {(self.tags[prompt], unit) for prompt, unit in self.units.items()}
        units = Counter(tag for tag, _ in found)
        few = {tag for tag, count in units.items() if count < _FEWEST and count < prompts[tag]}
        return frozenset(few)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        names = ("name", "version", "items", "whole", "images", "protocol")
        return {name: getattr(self, name) for name in names}


def suite_facts(inventory: Inventory) -> SuiteFacts | None:
    """The suite of a workspace; None where its prompts are none.

    Raises:
        CorruptPart: ``suite.parquet`` is damaged.
    """
    settings = inventory.recipe.suite
    stored = None if settings is None else stored_suite(inventory.workspace)
    if settings is None or stored is None:
        return None
    asked = read_suite(inventory.workspace).items
    suite = _registered(settings.name, inventory)
    return SuiteFacts(
        stored.name,
        stored.version,
        items=stored.table.num_rows,
        whole=stored.whole,
        images=stored.images,
        protocol=suite.protocol.text if suite else "",
        differences={
            model: suite.protocol.differences(inventory.wanted_settings(model)) if suite else []
            for model in inventory.recipe.models
        },
        overall="tags" if suite and suite.aggregated == "tags" else "items",
        tags={prompt: one.tag for prompt, one in asked.items()},
        units={
            prompt: str(json.loads(one.spec).get("cluster", prompt))
            for prompt, one in asked.items()
        },
    )


def _registered(name: str | None, inventory: Inventory) -> Suite | None:
    """None of a suite of one's own, and of one whose package is away."""
    try:
        return None if name is None else find_suite(name, inventory.workspace.folder)
    except SynpicError:
        return None
