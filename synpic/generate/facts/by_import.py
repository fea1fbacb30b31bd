"""The facts of diffusers' classes, found by importing them: where no table has them.

    python -m synpic.generate.facts.by_import

writes the table of the diffusers that is installed into the folder of this module. It holds every
pipeline that draws from a prompt alone, and every class that these say they are made of. Run it
when a new version of diffusers is to be supported (``make facts``); a test holds the table to the
installed classes.
"""

from __future__ import annotations

import inspect
import json
import logging
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from synpic.generate.checkpoint import class_named, class_of_pipeline
from synpic.generate.facts.calls import timestep_facts
from synpic.generate.facts.table import (
    METHODS,
    WEIGHTLESS,
    ComponentFacts,
    FactsTable,
    PipelineFacts,
    diffusers_version,
)

__all__ = ["of_component", "of_component_called", "of_pipeline", "of_pipeline_called", "table"]

_ANY = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_LIBRARIES = ("diffusers", "transformers")


@cache
def of_pipeline_called(name: str) -> PipelineFacts | None:
    """The facts of the class called ``name``; None if diffusers has no such pipeline."""
    kind = class_of_pipeline(name)
    return None if kind is None else of_pipeline(kind)


@cache
def of_component_called(library: str, kind: str) -> ComponentFacts | None:
    """The facts of a component's class, as a model_index.json names it; None if there is none."""
    found = class_named(library, kind)
    return of_component(found) if isinstance(found, type) else None


def of_pipeline(kind: Any) -> PipelineFacts:
    """The facts of a pipeline class."""
    call = kind.__call__
    parameters: list[inspect.Parameter] = []
    if inspect.isfunction(call):  # an abstract one has none
        parameters = list(inspect.signature(call).parameters.values())[1:]
    # **kwargs is no parameter: diffusers' pipelines look in it for deprecated names only.
    named = [one for one in parameters if one.kind not in _ANY]
    return PipelineFacts(
        name=kind.__name__,
        takes=[one.name for one in named],
        wants=[one.name for one in named if one.default is one.empty],
        lora=hasattr(kind, "load_lora_weights"),
        connected=bool(getattr(kind, "_load_connected_pipes", False)),
        timesteps=timestep_facts(call) if parameters else None,
    )


def of_component(kind: type) -> ComponentFacts:
    """The facts of a component's class."""
    import torch

    config: Any = getattr(kind, "config_class", None)
    return ComponentFacts(
        name=kind.__name__,
        weights=issubclass(kind, torch.nn.Module),
        configured=config is not None or hasattr(kind, "load_config"),
        model_type=None if config is None else config.model_type,
        methods=[method for method in METHODS if hasattr(kind, method)],
    )


def table() -> FactsTable:
    """What is known of the diffusers that is installed."""
    import diffusers

    pipelines: dict[str, PipelineFacts] = {}
    components: dict[str, ComponentFacts] = {}
    for name in sorted(one for one in dir(diffusers) if one.endswith("Pipeline")):
        kind = class_of_pipeline(name)
        if kind is None:
            continue
        facts = of_pipeline(kind)
        if facts.name == name and facts.wants in ([], ["prompt"]) and "prompt" in facts.takes:
            pipelines[name] = facts
            components |= {
                f"{part.__module__.split('.')[0]}.{part.__name__}": of_component(part)
                for part in _parts(kind)
            }
    return FactsTable(
        diffusers=diffusers_version(),
        pipelines=list(pipelines.values()),
        components=dict(sorted(components.items())),
    )


def _parts(pipeline: Any) -> Iterator[type]:
    """Classes of a pipeline's components, as far as its constructor names them."""
    for kinds in pipeline._get_signature_types().values():
        for kind in kinds:
            if not isinstance(kind, type) or kind.__name__.endswith(WEIGHTLESS):
                continue
            if kind.__module__.split(".")[0] in _LIBRARIES:
                yield kind


def encode(facts: FactsTable) -> str:
    """``facts`` as the text of a file: a line for each class, so that a change can be read."""

    def line(one: PipelineFacts | ComponentFacts) -> str:
        return json.dumps(one.model_dump(exclude_defaults=True))

    pipelines = ",\n".join(map(line, facts.pipelines))
    components = ",\n".join(
        f"{json.dumps(name)}: {line(one)}" for name, one in facts.components.items()
    )
    return (
        f'{{"diffusers": {json.dumps(facts.diffusers)},\n"pipelines": [\n{pipelines}\n],\n'
        f'"components": {{\n{components}\n}}}}\n'
    )


if __name__ == "__main__":
    logging.disable()  # of packages that some pipelines would like to find
    place = Path(__file__).with_name(f"diffusers-{diffusers_version()}.json")
    place.write_text(encode(table()), encoding="utf-8")
    print(place)
