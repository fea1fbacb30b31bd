"""What is known of diffusers' classes: a pipeline's call, a component's weights.

``diffusers-<version>.json`` beside this module is a :class:`FactsTable`.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal

from pydantic import Field

from synpic.readers.json_models import Record

__all__ = [
    "METHODS",
    "WEIGHTLESS",
    "ComponentFacts",
    "FactsTable",
    "PipelineFacts",
    "TimestepFacts",
    "diffusers_version",
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
