"""Facts of diffusers' classes, known without importing them.

Whether a pipeline takes a setting is seen in the signature of its call, and whether a component has
weights by its class. To import them takes as much as ten seconds of a CPU: torch, diffusers, and
for every pipeline the models that it is made of. The facts of one version of diffusers lie in a
table beside this module, ``diffusers-<version>.json``, written by
:mod:`synpic.generate.facts.by_import`. Of another version, and of what no table has, classes are
imported and looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from synpic.errors import ModelError
from synpic.generate.facts import by_import
from synpic.generate.facts.table import (
    WEIGHTLESS,
    ComponentFacts,
    FactsTable,
    PipelineFacts,
    diffusers_version,
)
from synpic.readers.json_models import read_json

__all__ = ["component_facts", "pipeline_facts"]


def pipeline_facts(name: object) -> PipelineFacts | None:
    """The facts of the pipeline class called ``name``; None if diffusers has no such."""
    if not isinstance(name, str):
        return None
    name = name.removeprefix("Flax")  # as diffusers does: what Flax saved, torch opens
    found = _pipelines().get(name)
    if found is not None:
        return found
    return by_import.of_pipeline_called(name)


def component_facts(library: str | None, kind: str | None) -> ComponentFacts | None:
    """The facts of a component's class; None if neither diffusers nor transformers has it.

    Args:
        library, kind: as a checkpoint's model_index.json names the class.
    """
    if library is None or kind is None:
        return None
    # Checkpoints say of this one that it is in places where it no longer is.
    place = "diffusers" if kind == "PaellaVQModel" else library
    found = _components().get(f"{place}.{kind}")
    if found is None and kind.endswith(WEIGHTLESS):
        found = ComponentFacts(name=kind)
    if found is not None:
        return found
    return by_import.of_component_called(library, kind)


@cache
def _table() -> FactsTable:
    """The table of the diffusers that is installed; an empty one where there is none."""
    installed = diffusers_version()
    file = files("synpic.generate.facts") / f"diffusers-{installed}.json"
    if not file.is_file():
        return FactsTable(diffusers=installed)
    return read_json(
        FactsTable, file.read_bytes(), str(file), error=ModelError, hint="install synpic again"
    )


@cache
def _pipelines() -> Mapping[str, PipelineFacts]:
    return {facts.name: facts for facts in _table().pipelines}


@cache
def _components() -> Mapping[str, ComponentFacts]:
    return _table().components
