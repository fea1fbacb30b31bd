"""What of a workspace's suite decides how its numbers are counted, and how they are reported."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from synpic.errors import SynpicError
from synpic.evaluate.compare_models import Overall
from synpic.pipeline.inventory import Inventory
from synpic.prompts.suites import Protocol, find_suite, stored_suite
from synpic.recipe.suite import SuiteSettings
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
        without_interval: tags with too few combinations for an interval; their units are prompts,
            so that overall knows how much they vary at least.
        quirks: faults of its makers' program with which its lists are read, a line each.
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
    without_interval: frozenset[str]
    quirks: Sequence[str] = ()

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        names = ("name", "version", "items", "whole", "images", "protocol")
        return {name: getattr(self, name) for name in names} | {"quirks": list(self.quirks)}


def suite_facts(inventory: Inventory, models: Iterable[str], images: int) -> SuiteFacts | None:
    """The suite of a workspace; None where its prompts are none.

    Args:
        models: that are compared.
        images: of a prompt that there are, of the model that has most.

    Raises:
        CorruptPart: ``suite.parquet`` is damaged.
    """
    settings = inventory.recipe.suite
    stored = None if settings is None else stored_suite(inventory.workspace)
    if settings is None or stored is None:
        return None
    # The makers of a suite of one's own fix nothing.
    protocol = None if settings.name is None else stored.protocol
    asked = read_suite(inventory.workspace).items
    tags = {prompt: one.tag for prompt, one in asked.items()}
    clusters = {
        prompt: str(json.loads(one.spec).get("cluster", prompt)) for prompt, one in asked.items()
    }
    few = _few_units(tags, clusters)
    return SuiteFacts(
        stored.name,
        stored.version,
        items=stored.table.num_rows,
        whole=stored.whole,
        images=images,
        protocol=protocol.text if protocol else "",
        differences={
            model: _differences(inventory, protocol, model, images, stored.images)
            for model in models
        },
        overall=_OVERALL[stored.aggregated],
        tags=tags,
        units={
            prompt: prompt if tags[prompt] in few else unit for prompt, unit in clusters.items()
        },
        without_interval=few,
        quirks=_quirks(settings, inventory),
    )


def _quirks(settings: SuiteSettings, inventory: Inventory) -> tuple[str, ...]:
    if settings.quirks is None or settings.name is None:
        return ()
    try:
        return find_suite(settings.name, inventory.workspace.folder).quirks
    except SynpicError:  # its package is away
        return (f'quirks = "{settings.quirks}"',)


def _few_units(tags: Mapping[str, str], units: Mapping[str, str]) -> frozenset[str]:
    """Tags in which several items are of one unit, and units are too few for an interval."""
    prompts = Counter(tags.values())
    units_of = Counter(tag for tag, _ in {(tags[prompt], unit) for prompt, unit in units.items()})
    return frozenset(
        tag for tag, found in units_of.items() if found < _FEWEST and found < prompts[tag]
    )


_OVERALL: Mapping[str, Overall] = {"tags": "tags", "prompts": "prompts", "images": "items"}


def _differences(
    inventory: Inventory, protocol: Protocol | None, model: str, images: int, asked: int
) -> list[str]:
    """How else than by the protocol the images of ``model`` were drawn, a line each."""
    if model in inventory.recipe.models:
        return protocol.differences(inventory.wanted_settings(model)) if protocol else []
    found = ["its images existed already, and how they were drawn is not known"]
    return found if images == asked else [*found, f"{images} images a prompt (protocol: {asked})"]
