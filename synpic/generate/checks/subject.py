"""A model that is looked at before its weights are read: what its checkpoints say of themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from synpic.errors import ModelError
from synpic.generate.checkpoint import (
    INDEX,
    Checkpoint,
    Component,
    components_of,
    read_index,
)
from synpic.generate.facts.lookup import pipeline_facts
from synpic.generate.facts.table import PipelineFacts
from synpic.recipe.settings import ModelSettings

__all__ = ["InspectedModel", "inspect_checkpoint"]


@dataclass(frozen=True)
class InspectedModel:
    """A model that is looked at.

    It gives the same checkpoint each time it is asked for it, so that a repository's files
    are listed once in a look.

    Args:
        family: class of the family.
        settings: complete, and its weights located.
        index: the checkpoint's model_index.json.
        prior: the checkpoint of a first stage that is another, and its index; None where it is not.
        pipeline: its class in diffusers; None for one that the checkpoint brings as code.
        components: the pipeline's, as the checkpoint and the prior give them.
    """

    family: Any
    settings: ModelSettings
    checkpoint: Checkpoint
    index: Mapping[str, Any]
    prior: tuple[Checkpoint, Mapping[str, Any]] | None
    pipeline: PipelineFacts | None
    components: Mapping[str, Component]
    _seen: dict[tuple[str, str | None], Checkpoint] = field(default_factory=dict, repr=False)

    def at(self, location: str, commit: str | None) -> Checkpoint:
        """The checkpoint at ``location``."""
        return self._seen.setdefault((location, commit), Checkpoint(location, commit))

    @cached_property
    def replaced(self) -> dict[str, Component]:
        """Of ``components`` those that the recipe takes from elsewhere, as they lie there."""
        found = {}
        for name, asked in self.settings.components.items():
            own = self.components.get(name)
            if own is None:
                continue
            there = self.at(asked.checkpoint, asked.revision)
            folder = there.place_of(name) if asked.subfolder is None else asked.subfolder.strip("/")
            found[name] = Component(there, folder, own.library, own.kind, f"components.{name}")
        return found


def inspect_checkpoint(
    family: Any, settings: ModelSettings, location: str, commit: str | None
) -> InspectedModel:
    """Read what a checkpoint says of itself.

    Raises:
        HubUnreachable: the Hub did not answer.
        ModelError: it is no pipeline, is another family's, or wants more trust than it is given.
    """
    checkpoint = Checkpoint(location, commit)
    seen = {(location, commit): checkpoint}
    index = read_index(checkpoint)
    found = index.get("_class_name")
    components = components_of(checkpoint, index)
    _check_family(family, found, location)
    prior = None
    if settings.prior is not None:
        if not family.takes_prior:
            raise ModelError(
                "prior: only the family stable_cascade has one",
                hint="leave it out, or name that family",
            )
        place = (settings.prior, settings.prior_revision)
        first = seen.setdefault(place, Checkpoint(*place))
        prior = (first, read_index(first, "prior"))
        inner = {n: own for n, own in components.items() if not n.startswith("prior_")}
        components = inner | components_of(*prior, "prior", "prior_")
    if "remote code" not in settings.allow:
        _check_code(checkpoint, found, components)
    pipeline = None
    if isinstance(found, str):
        named = found if family.pipeline_class == "DiffusionPipeline" else family.pipeline_class
        pipeline = pipeline_facts(named)
        if pipeline is None:
            raise ModelError(
                f"checkpoint: {location} is a {found:.80} (key _class_name of {INDEX}), and "
                "diffusers has no such pipeline",
                hint="a newer diffusers may have it: pip install -U diffusers",
            )
        if not family.takes_prior:
            _check_connected(checkpoint, pipeline)
    return InspectedModel(family, settings, checkpoint, index, prior, pipeline, components, seen)


def _check_family(family: Any, found: object, location: str) -> None:
    # diffusers would open a neighbour's checkpoint as far as the parts' names agree.
    wanted = (family.pipeline_class, *family.relatives)
    if family.pipeline_class != "DiffusionPipeline" and found not in wanted:
        raise ModelError(
            f"family: {location} is a {_spelt(found):.80} (key _class_name of {INDEX}), and this "
            f"family opens {' or '.join(wanted)}",
            hint='name the family of that checkpoint; "auto" opens any',
        )


def _check_connected(checkpoint: Checkpoint, pipeline: PipelineFacts) -> None:
    """Refuse what would open another repository, that its card names, at whatever commit it is."""
    if not pipeline.connected:
        return
    if pipeline.name == "StableCascadeCombinedPipeline":
        raise ModelError(
            f"family: {checkpoint.location} is a Stable Cascade, which this family does not open",
            hint='write family = "stable_cascade"',
        )
    if checkpoint.has("README.md"):
        raise ModelError(
            f"checkpoint: {checkpoint.location} is of several stages, and diffusers would open "
            "those that its README.md names, at no commit that is known",
            hint="name a folder that holds all stages, and no README.md",
        )


def _spelt(found: object) -> str:
    return str(found[-1]) if isinstance(found, list) and found else str(found)


def _check_code(checkpoint: Checkpoint, found: object, components: Mapping[str, Component]) -> None:
    where, of = checkpoint, None
    if isinstance(found, list):
        of = f"its pipeline ({_spelt(found)})"
    for name, component in components.items():
        if of is None and component.checkpoint.has(f"{component.folder}/{component.library}.py"):
            where, of = component.checkpoint, f"its {name} ({component.library}.{component.kind})"
    if of is not None:
        raise ModelError(
            f"allow: {where.location} brings code of its own, for {of}",
            hint='write allow = ["remote code"] if you trust its author: it runs as you',
        )
    for name, component in components.items():
        if not name.isidentifier() or not _is_known(component):
            raise ModelError(
                f"checkpoint: {component.checkpoint.location} has a component {name!r:.100} of "
                f"class {component.library}.{component.kind}, which is not of diffusers or "
                "transformers",
                hint='do not trust that checkpoint; if you know why, write allow = ["remote code"]',
            )


def _is_known(component: Component) -> bool:
    library = component.library
    if library in (None, "diffusers", "transformers") or component.kind == "PaellaVQModel":
        return True
    # A folder of diffusers' pipelines, found without importing any.
    spec = find_spec("diffusers")
    roots = [Path(root) / "pipelines" for root in (spec and spec.submodule_search_locations) or ()]
    places = [place for root in roots for place in (root, root / "deprecated")]
    return library.isidentifier() and any((place / library).is_dir() for place in places)
