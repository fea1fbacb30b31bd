"""Files of weights, told by their names: there, all of them, of the variant, and no pickles."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from synpic.errors import ModelError
from synpic.generate.contents import Contents
from synpic.generate.slots import Slot, class_of
from synpic.generate.subject import Subject

__all__ = ["file_problems", "weight_problems"]


def file_problems(subject: Subject) -> Iterator[ModelError]:
    """Whether the weights that the checkpoint itself is to give are there, of the variant asked."""
    settings = subject.settings
    left = {*settings.components, *settings.without, "safety_checker"}
    slots = {name: slot for name, slot in subject.slots.items() if name not in left}
    slots = {name: slot for name, slot in slots.items() if _has_weights(slot)}
    variant = settings.variant
    if variant is not None:
        for contents in _checkpoints_of(subject):
            weights = [name for name in contents.names if name.endswith(_WEIGHTS)]
            if weights and not any(_is_variant(name, variant) for name in weights):
                known = sorted({found[1] for name in weights if (found := _VARIANT.search(name))})
                yield ModelError(
                    f"variant: {contents.location} has no files of variant={variant}",
                    hint=f"it has `variant` {', '.join(known)}" if known else "leave out `variant`",
                )
                return
    for name, slot in slots.items():
        key = "prior" if slot.contents.location == settings.prior else "checkpoint"
        yield from weight_problems(name, slot, variant, settings.allow, key)


def _checkpoints_of(subject: Subject) -> Iterator[Contents]:
    yield subject.checkpoint
    if subject.settings.prior is not None:
        yield Contents(subject.settings.prior, subject.settings.prior_revision)


def _has_weights(slot: Slot) -> bool:
    import torch

    kind = class_of(slot)
    return isinstance(kind, type) and issubclass(kind, torch.nn.Module)


_WEIGHTS = (".safetensors", ".bin")
_VARIANT = re.compile(r"/[a-z_]+\.([\w]+?)(?:-\d{5}-of-\d{5})?\.(?:safetensors|bin)$")
_SHARD = re.compile(r"-(\d{5})-of-(\d{5})")


def _is_variant(name: str, variant: str) -> bool:
    return f".{variant}." in name or f".{variant}-" in name


def weight_problems(
    name: str, slot: Slot, variant: str | None, allow: Sequence[str], key: str
) -> Iterator[ModelError]:
    """Whether the weights of one component are there, all of them, and no pickles."""
    if not _has_weights(slot):
        return
    place = f"{slot.contents.location}/{slot.folder}" if slot.folder else slot.contents.location
    inside = slot.contents.inside(slot.folder)
    if not inside and slot.contents.has("config.json"):
        return  # a component of its own, at the root, as diffusers would take it
    if not inside:
        yield ModelError(f"{key}: {place} is missing, and so is {name}", hint="get it again")
        return
    plain = re.compile(r"(?:diffusion_pytorch_)?model(?:-\d{5}-of-\d{5})?\.safetensors$")
    safe = [file for file in inside if plain.fullmatch(file)]
    if variant is not None:
        varied = [f for f in inside if f.endswith(".safetensors") and _is_variant(f, variant)]
        safe = varied or safe
    if not safe and any(file.endswith(".bin") for file in inside):
        if "pickled weights" not in allow:
            yield ModelError(
                f"{key}: {place} has no safetensors: its weights are pickled",
                hint="take another revision or `variant`, with safetensors; or write "
                'allow = ["pickled weights"], if you trust its makers',
            )
    elif not safe:
        others = [file for file in inside if file.endswith(_WEIGHTS)]
        yield ModelError(
            f"{key}: {place} has no weights by the name of model.safetensors or "
            "diffusion_pytorch_model.safetensors",
            hint=f"it has {', '.join(others)}; say which with `variant`" if others else None,
        )
    shards = [(found, file) for file in safe if (found := _SHARD.search(file))]
    for found, _ in shards[:1]:
        lacking = int(found[2]) - len({shard[1] for shard, _ in shards})
        if lacking > 0:
            yield ModelError(
                f"{key}: {place} lacks {lacking} of its {int(found[2])} files of weights",
                hint="get it again",
            )
