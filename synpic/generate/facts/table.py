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
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from typing import Any, Literal

from pydantic import Field

from synpic.errors import ModelError
from synpic.readers.json_models import Record, read_json

__all__ = [
    "ComponentFacts",
    "FactsTable",
    "PipelineFacts",
    "TimestepFacts",
    "component_facts",
    "diffusers_version",
    "pipeline_facts",
]


class TimestepFacts(Record):
    """How a pipeline asks its scheduler for timesteps.

    Args:
        steps: how many where none are asked for.
        sigmas: whether it gives n sigmas of its own, from 1 down to 1/n: "always", "unless flow"
            (not where the scheduler makes flow sigmas itself), or None.
        mu: whether it gives a shift that grows with the image: "always", "dynamic" (where the
            scheduler has ``use_dynamic_shifting``), or None.
        more: further arguments of the call that it hands on, with their defaults.
    """

    steps: int | None = None
    sigmas: Literal["always", "unless flow"] | None = None
    mu: Literal["always", "dynamic"] | None = None
    more: dict[str, Any] = Field(default_factory=dict)


class PipelineFacts(Record):
    """A pipeline class.

    Args:
        name: of the class.
        takes: parameters of its call, in their order.
        wants: those of them that have no default.
        lora: whether it loads LoRAs.
        connected: whether it opens further repositories that a checkpoint's card names.
        timesteps: how it asks for them; None where that is not known.
    """

    name: str
    takes: list[str]
    wants: list[str] = Field(default_factory=list)
    lora: bool = False
    connected: bool = False
    timesteps: TimestepFacts | None = None


class ComponentFacts(Record):
    """The class of a pipeline's component.

    Args:
        name: of the class.
        weights: whether it has any.
        configured: whether a config.json says what it is.
        model_type: what that file calls it, of a transformers model.
        methods: those of :data:`METHODS` that it has.
    """

    name: str
    weights: bool = False
    configured: bool = False
    model_type: str | None = None
    methods: list[str] = Field(default_factory=list)


METHODS = ("enable_slicing", "enable_tiling")
"""Methods of a VAE that a recipe can ask for."""

WEIGHTLESS = ("Tokenizer", "TokenizerFast", "Processor", "FeatureExtractor", "Scheduler")
"""Ends of the names of classes that have no weights, also of those that no library has any more."""


class FactsTable(Record):
    """What ``diffusers-<version>.json`` holds.

    Args:
        components: by library and name, as ``diffusers.AutoencoderKL``.
    """

    diffusers: str
    pipelines: list[PipelineFacts] = Field(default_factory=list)
    components: dict[str, ComponentFacts] = Field(default_factory=dict)


def diffusers_version() -> str:
    """Of the diffusers that is installed; "unknown" where that is not recorded."""
    try:
        return version("diffusers")
    except PackageNotFoundError:
        return "unknown"


def pipeline_facts(name: object) -> PipelineFacts | None:
    """The facts of the pipeline class called ``name``; None if diffusers has no such."""
    if not isinstance(name, str):
        return None
    name = name.removeprefix("Flax")  # as diffusers does: what Flax saved, torch opens
    found = _pipelines().get(name)
    if found is not None:
        return found
    from synpic.generate.facts import by_import as facts_of_classes

    return facts_of_classes.of_pipeline_called(name)


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
    from synpic.generate.facts import by_import as facts_of_classes

    return facts_of_classes.of_component_called(library, kind)


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
