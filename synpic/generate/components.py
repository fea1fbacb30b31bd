"""Components of a pipeline from other checkpoints: found, seen to fit, and loaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from synpic.errors import ModelError, did_you_mean
from synpic.generate.contents import Contents
from synpic.generate.files import weight_problems
from synpic.generate.slots import Slot, class_of
from synpic.generate.subject import Subject
from synpic.settings import ComponentSettings, ModelSettings

__all__ = ["component_folder", "component_problems", "load_components"]


def component_folder(name: str, asked: ComponentSettings, contents: Contents) -> str:
    """Where in ``contents`` the component called ``name`` lies; "" for the root."""
    if asked.subfolder is not None:
        return asked.subfolder.strip("/")
    return name if contents.holds(name) else ""


def load_components(
    settings: ModelSettings, slots: Mapping[str, Slot], arguments: Mapping[str, Any]
) -> dict[str, Any]:
    """The components that the recipe takes from elsewhere, by the pipeline's names for them.

    Args:
        slots: of the checkpoint: they say of which class a component is.
        arguments: of ``from_pretrained``: ``dtype`` and ``use_safetensors``.

    Raises:
        ModelError: one cannot be opened.
    """
    import torch

    made: dict[str, Any] = {}
    for name, asked in settings.components.items():
        contents = Contents(asked.checkpoint, asked.revision)
        kind = class_of(slots[name])
        options: dict[str, Any] = {"revision": asked.revision}
        if folder := component_folder(name, asked, contents):
            options["subfolder"] = folder
        if issubclass(kind, torch.nn.Module):
            options |= {"variant": asked.variant, "dtype": arguments["dtype"]}
            options["use_safetensors"] = arguments["use_safetensors"]
        try:
            made[name] = kind.from_pretrained(asked.checkpoint, **options)
        except Exception as error:
            # As of a whole pipeline: the libraries' errors have no ancestor but this one.
            raise ModelError(
                f"components.{name}: {asked.checkpoint} cannot be opened: {error}",
                hint="check the checkpoint, its `variant`, and that it has safetensors weights",
            ) from error
    return made


def component_problems(subject: Subject) -> Iterator[ModelError]:
    """What is wrong with the components that a recipe takes from elsewhere."""
    for name, asked in subject.settings.components.items():
        key = f"components.{name}"
        slot = subject.slots.get(name)
        if name in subject.settings.without:
            yield ModelError(f"{key}: `without` leaves it out", hint="leave out one of them")
        elif slot is None:
            known = ", ".join(sorted(subject.slots))
            yield ModelError(
                f"{key}: the pipeline has no such component.{did_you_mean(name, subject.slots)}",
                hint=f"it has: {known}",
            )
        elif name.endswith("scheduler"):
            yield ModelError(
                f"{key}: a scheduler has no weights",
                hint="use `scheduler` and `scheduler_options`",
            )
        elif name == "safety_checker":
            yield ModelError(
                f"{key}: a safety checker would paint images black",
                hint="[safety] marks images as flagged",
            )
        else:
            contents = Contents(asked.checkpoint, asked.revision)
            folder = component_folder(name, asked, contents)
            misfit = _misfit(key, slot, contents, folder)
            if misfit is not None:
                yield misfit
            else:
                files = Slot(contents, folder, slot.library, slot.kind)
                allow = subject.settings.allow
                yield from weight_problems(name, files, asked.variant, allow, key)


def _misfit(key: str, slot: Slot, contents: Contents, folder: str) -> ModelError | None:
    """Why what lies in ``folder`` cannot stand in ``slot``: another kind, or another shape."""
    kind = class_of(slot)
    if kind is None:
        return ModelError(
            f"{key}: the checkpoint does without it, so nothing says what it would be",
            hint="start from a checkpoint that has one",
        )
    place = f"{contents.location}/{folder}" if folder else contents.location
    config_class = getattr(kind, "config_class", None)
    if config_class is None and not hasattr(kind, "load_config"):
        return None  # a tokenizer: from_pretrained finds out
    config = contents.json(f"{folder}/config.json" if folder else "config.json")
    if config is None:
        inside = {name.split("/")[0] for name in contents.names if name.endswith("/config.json")}
        return ModelError(
            f"{key}: {place} has no config.json",
            hint=f"name its folder with `subfolder`: {', '.join(sorted(inside))}"
            if inside
            else "name a component's folder, or a pipeline that has one",
        )
    if config_class is not None:
        wanted, found = config_class.model_type, config.get("model_type")
        same = found == wanted or isinstance(config.get("text_config"), dict)
    else:
        wanted, found = kind.__name__, config.get("_class_name")
        same = found == wanted or found in _LATER.get(wanted, ())
    if not same:
        return ModelError(
            f"{key}: {place} is a {found}, and a {wanted} belongs there",
            hint="name another checkpoint, or another component",
        )
    own = slot.contents.json(f"{slot.folder}/config.json") or {}
    for name in _SHAPE:
        if name in own and name in config and own[name] != config[name]:
            return ModelError(
                f"{key}: {place} does not fit: its {name} is {config[name]}, the checkpoint's own "
                f"{own[name]}",
                hint="take one that was fine-tuned from the same model",
            )
    return None


_LATER = {"Transformer2DModel": ("PixArtTransformer2DModel", "DiTTransformer2DModel")}
"""Class → those that diffusers has since made of it; checkpoints name either."""

_SHAPE = (
    "in_channels",
    "cross_attention_dim",
    "addition_embed_type",
    "joint_attention_dim",
    "pooled_projection_dim",
    "caption_channels",
    "latent_channels",
    "hidden_size",
    "d_model",
)
"""What two components have in common of which one can stand for the other."""
