"""A model that is looked at before its weights are read: what its checkpoint says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from synpic.errors import ModelError
from synpic.generate.contents import Contents
from synpic.generate.slots import Slot, class_of_pipeline, read_index, slots_of
from synpic.settings import ModelSettings

__all__ = ["Subject", "inspect_checkpoint"]


@dataclass(frozen=True)
class Subject:
    """A model that is looked at.

    Args:
        family: class of the family.
        settings: complete, and its weights located.
        pipeline: class of diffusers; None for one that the checkpoint brings as code.
        slots: the pipeline's components.
    """

    family: Any
    settings: ModelSettings
    checkpoint: Contents
    pipeline: Any
    slots: Mapping[str, Slot]


def inspect_checkpoint(
    family: Any, settings: ModelSettings, location: str, commit: str | None
) -> Subject:
    """Read what a checkpoint says of itself.

    Raises:
        HubUnreachable: the Hub did not answer.
        ModelError: it is no pipeline, is another family's, or wants more trust than it is given.
    """
    import diffusers

    diffusers.utils.logging.set_verbosity_error()
    contents = Contents(location, commit)
    index = read_index(contents)
    found = index.get("_class_name")
    slots = slots_of(contents, index)
    _check_family(family, found, location)
    if settings.prior is not None:
        if not family.takes_prior:
            raise ModelError(
                "prior: only the family stable_cascade has one",
                hint="leave it out, or name that family",
            )
        prior = Contents(settings.prior, settings.prior_revision)
        inner = {n: s for n, s in slots.items() if not n.startswith("prior_")}
        slots = inner | slots_of(prior, read_index(prior, "prior"), "prior_")
    if "remote code" not in settings.allow:
        _check_code(contents, found, slots)
    pipeline = None
    if isinstance(found, str):
        named = found if family.pipeline_class == "DiffusionPipeline" else family.pipeline_class
        pipeline = class_of_pipeline(named)
        if pipeline is None:
            raise ModelError(
                f"checkpoint: {location} is a {found}, and diffusers has no such pipeline",
                hint="a newer diffusers may have it: pip install -U diffusers",
            )
    return Subject(family, settings, contents, pipeline, slots)


def _check_family(family: Any, found: object, location: str) -> None:
    # diffusers would open a neighbour's checkpoint as far as the parts' names agree.
    wanted = (family.pipeline_class, *family.relatives)
    if family.pipeline_class != "DiffusionPipeline" and found not in wanted:
        raise ModelError(
            f"family: {location} is a {_spelt(found)}, and this family opens {' or '.join(wanted)}",
            hint='name the family of that checkpoint; "auto" opens any',
        )


def _spelt(found: object) -> str:
    return str(found[-1]) if isinstance(found, list) and found else str(found)


def _check_code(contents: Contents, found: object, slots: Mapping[str, Slot]) -> None:
    of = None
    if isinstance(found, list):
        of = f"its pipeline ({_spelt(found)})"
    for name, slot in slots.items():
        if slot.contents.has(f"{slot.folder}/{slot.library}.py"):
            of = of or f"its {name} ({slot.library}.{slot.kind})"
    if of is not None:
        raise ModelError(
            f"allow: {contents.location} brings code of its own, for {of}",
            hint='write allow = ["remote code"] if you trust whoever wrote it: it runs as you',
        )
