"""Files of weights, by their names: there, all of them, of the variant, and no pickles."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from synpic.errors import ModelError
from synpic.generate.checkpoint import WEIGHTS, Component, is_variant
from synpic.generate.checks.subject import InspectedModel
from synpic.generate.facts.lookup import component_facts

__all__ = ["check_weights", "weight_problems"]

_VARIANT = re.compile(r"/[a-z_]+\.([\w]+?)(?:-\d{5}-of-\d{5})?\.(?:safetensors|bin)$")
_SHARD = re.compile(r"-(\d{5})-of-(\d{5})")
_PLAIN = re.compile(r"(?:diffusion_pytorch_)?model(?:-\d{5}-of-\d{5})?\.safetensors$")


_NONE = 'leave out `variant`, or write variant = "" beside a registered `model`'


def check_weights(subject: InspectedModel) -> Iterator[ModelError]:
    """Whether the weights that the checkpoint itself is to give are there, of the variant asked."""
    settings = subject.settings
    left = {*settings.components, *settings.without, "safety_checker"}
    variant = settings.variant
    if variant is not None:
        stages = [subject.checkpoint] + ([subject.prior[0]] if subject.prior else [])
        for checkpoint in stages:
            weights = [name for name in checkpoint.file_names() if name.endswith(WEIGHTS)]
            if weights and not checkpoint.has_variant(variant):
                known = sorted({found[1] for name in weights if (found := _VARIANT.search(name))})
                yield ModelError(
                    f"variant: {checkpoint.location} has no files of variant={variant}",
                    hint=f"it has `variant` {', '.join(known)}" if known else _NONE,
                )
                return
    for name, component in subject.components.items():
        if name not in left:
            yield from weight_problems(name, component, variant, settings.allow)


def weight_problems(
    name: str, component: Component, variant: str | None, allow: Sequence[str]
) -> Iterator[ModelError]:
    """Whether the weights of one component are there, all of them, and no pickles."""
    if not _has_weights(component):
        return
    key, place = component.key, component.place
    inside = component.checkpoint.inside(component.folder)
    if not inside and component.checkpoint.has("config.json"):
        return  # a component of its own, at the root, as diffusers would take it
    if not inside:
        yield ModelError(f"{key}: {place} is missing, and so is {name}", hint="get it again")
        return
    safe = [file for file in inside if _PLAIN.fullmatch(file)]
    if variant is not None:
        varied = [f for f in inside if f.endswith(".safetensors") and is_variant(f, variant)]
        safe = varied or safe
    if not safe and any(file.endswith(".bin") for file in inside):
        if "pickled weights" not in allow:
            yield ModelError(
                f"{key}: {place} has no safetensors: its weights are pickled",
                hint="take another revision or `variant`, with safetensors; or write "
                'allow = ["pickled weights"], if you trust its makers',
            )
    elif not safe:
        others = [file for file in inside if file.endswith(WEIGHTS)]
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


def _has_weights(component: Component) -> bool:
    kind = component_facts(component.library, component.kind)
    return kind is not None and kind.weights
