"""Which components a pipeline gets: those left out, those from elsewhere, and the first stage's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from synpic.errors import ModelError, did_you_mean
from synpic.generate.checkpoint import Component
from synpic.generate.checks.subject import InspectedModel
from synpic.generate.checks.weights import weight_problems
from synpic.generate.facts.lookup import component_facts

__all__ = ["check_components", "check_prior", "check_without"]

_DISPENSABLE = {"StableDiffusion3Pipeline": ("text_encoder_3", "tokenizer_3")}
"""Pipeline → components that it draws without, to its makers' knowledge."""

_READERS = ("token", "vocab", "spiece", "sentencepiece", "processor")
"""Of the files that tokenizers and processors are made of, one has such a word in its name."""

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


def check_prior(subject: InspectedModel) -> Iterator[ModelError]:
    """Whether a pipeline of two stages has its first."""
    if subject.family.takes_prior and "prior_prior" not in subject.components:
        yield ModelError(
            f"prior: {subject.checkpoint.location} is the second stage of a Stable Cascade, and "
            "there is no first",
            hint='set prior = "stabilityai/stable-cascade-prior", or to the folder of yours',
        )


def check_without(subject: InspectedModel) -> Iterator[ModelError]:
    """Whether the pipeline draws without what ``without`` leaves out."""
    if subject.pipeline is None:
        return
    name = subject.pipeline.name
    allowed = _DISPENSABLE.get(name, ())
    for part in subject.settings.without:
        if part not in allowed:
            yield ModelError(
                f"without: {name} does not draw without {part}.{did_you_mean(part, allowed)}",
                hint=f"it draws without {' and '.join(allowed)}" if allowed else "leave it out",
            )
        elif part.startswith("tokenizer") and _stays(subject, encoder := _encoder_of(part)):
            yield ModelError(
                f"without: {encoder} cannot read without {part}", hint=f"leave out {encoder} too"
            )


def _encoder_of(tokenizer: str) -> str:
    return tokenizer.replace("tokenizer", "text_encoder")


def _stays(subject: InspectedModel, name: str) -> bool:
    own = subject.components.get(name)
    return name not in subject.settings.without and own is not None and own.kind is not None


def check_components(subject: InspectedModel) -> Iterator[ModelError]:
    """What is wrong with the components that a recipe takes from elsewhere."""
    for name, asked in subject.settings.components.items():
        key = f"components.{name}"
        own = subject.components.get(name)
        if name in subject.settings.without:
            yield ModelError(f"{key}: `without` leaves it out", hint="leave out one of them")
        elif own is None:
            known = ", ".join(sorted(subject.components))
            yield ModelError(
                f"{key}: the pipeline has no such component."
                f"{did_you_mean(name, subject.components)}",
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
            other = subject.replaced[name]
            misfit = _misfit(own, other)
            if misfit is not None:
                yield misfit
            else:
                yield from weight_problems(name, other, asked.variant, subject.settings.allow)


def _misfit(own: Component, other: Component) -> ModelError | None:
    """Why ``other`` cannot stand for ``own``: another kind, or another shape."""
    kind = component_facts(own.library, own.kind)
    if kind is None:
        return ModelError(
            f"{other.key}: the checkpoint does without it, so nothing says what it would be",
            hint="start from a checkpoint that has one",
        )
    if not kind.configured:
        # A tokenizer or processor: whether it fits, only from_pretrained finds out.
        inside = other.checkpoint.inside(other.folder)
        if any(word in file for file in inside for word in _READERS):
            return None
        return ModelError(
            f"{other.key}: {other.place} holds no {kind.name}",
            hint="name its folder with `subfolder`",
        )
    config = other.json("config.json")
    if config is None:
        names = other.checkpoint.file_names()
        folders = {name.split("/")[0] for name in names if name.endswith("/config.json")}
        return ModelError(
            f"{other.key}: {other.place} has no config.json",
            hint=f"name its folder with `subfolder`: {', '.join(sorted(folders))}"
            if folders
            else "name a component's folder, or a pipeline that has one",
        )
    if kind.model_type is not None:
        wanted, found = kind.model_type, config.get("model_type")
        both = isinstance(config.get("text_config"), dict)
        same = found == wanted or both
        made = [str(name) for name in config.get("architectures") or ()]
        if made and not both and _lacks_projection(kind.name, made):
            wanted, found, same = kind.name, made[0], False
    else:
        wanted, found = kind.name, config.get("_class_name")
        same = found == wanted or found in _LATER.get(wanted, ())
    if not same:
        return ModelError(
            f"{other.key}: {other.place} is a {found}, and a {wanted} belongs there",
            hint="name another checkpoint, or another component",
        )
    ours = own.json("config.json") or {}
    for name in _SHAPE:
        if name in ours and name in config and ours[name] != config[name]:
            return ModelError(
                f"{other.key}: {other.place} does not fit: its {name} is {config[name]}, the "
                f"checkpoint's own {ours[name]}",
                hint="take one that was fine-tuned from the same model",
            )
    return None


def _lacks_projection(wanted: str, made: Sequence[str]) -> bool:
    """Whether a model of ``wanted`` would lack weights: only one way round do they fit."""
    end = "WithProjection"
    return wanted.endswith(end) and not any(name.endswith(end) for name in made)
