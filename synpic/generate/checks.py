"""What can be known of a model without its weights: whether it is there, and takes its settings.

Names of files, small JSON and signatures of classes say it in seconds; weights would take minutes.
``synpic validate`` shows everything that is found, and opening a model refuses the first of it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from synpic import checkpoints
from synpic.errors import HubUnreachable, ModelError, SynpicError, did_you_mean
from synpic.generate.adapters import adapter_file, peft_config
from synpic.generate.components import component_problems
from synpic.generate.files import file_problems
from synpic.generate.model import Model
from synpic.generate.placement import check_placement
from synpic.generate.schedulers import make_scheduler
from synpic.generate.sides import side_problem
from synpic.generate.slots import class_of
from synpic.generate.subject import Subject, inspect_checkpoint
from synpic.registry import FAMILIES
from synpic.settings import ModelSettings
from synpic.workspace import Workspace

__all__ = ["call_problems", "check_model", "find_problems"]

_OURS = {"prompt", "generator", "output_type", "num_images_per_prompt", "return_dict"}
"""Arguments of a pipeline's call that no recipe sets."""

_DISPENSABLE = {"StableDiffusion3Pipeline": ("text_encoder_3", "tokenizer_3")}
"""Pipeline → components that it draws without, to its makers' knowledge."""

_ANY = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)

_KEYS = {
    "num_inference_steps": "steps",
    "prior_num_inference_steps": "steps",
    "guidance_scale": "guidance",
    "prior_guidance_scale": "guidance",
    "negative_prompt": "negative_prompt",
    "width": "sizes",
    "height": "sizes",
    "prompt": "checkpoint",
    "generator": "checkpoint",
}
"""Argument of a pipeline's call → the recipe's key for it."""


def check_model(workspace: Workspace, model: Model) -> list[SynpicError]:
    """What is wrong with ``model``, as far as it can be told without reading its weights.

    Returns:
        Errors that name keys of the recipe; a ``HubUnreachable`` for what could not be looked at.
        Of a family that says nothing (it has no ``problems``), none.
    """
    family = FAMILIES.load(model.family)
    problems = getattr(family, "problems", None)
    if problems is None:
        return []
    try:
        location, commit = checkpoints.load_from(workspace, model.checkpoint)
        found = problems(model.sources.located(workspace, model.settings), location, commit)
    except SynpicError as error:
        found = [error]
    return [_named(model.name, error) for error in found]


def _named(name: str, error: SynpicError) -> SynpicError:
    """``error`` with the model's ``name`` in it; what is said of a repository stands as it is."""
    if isinstance(error, HubUnreachable):
        return error
    to_key = "." if isinstance(error, ModelError) else ": "
    return type(error)(f"models.{name}{to_key}{error.message}", hint=error.hint)


def find_problems(
    family: Any, settings: ModelSettings, location: str, commit: str | None
) -> list[SynpicError]:
    """What is wrong with a checkpoint and its settings: errors whose messages begin with a key.

    Args:
        family: class of the family.
        settings: complete, and its weights located.
        location, commit: of the checkpoint.
    """
    try:
        subject = inspect_checkpoint(family, settings, location, commit)
    except SynpicError as error:
        return [error]
    found: list[SynpicError] = []
    for check in _CHECKS:
        try:
            found += check(subject)
        except SynpicError as error:
            found.append(error)
    unanswered = [error for error in found if isinstance(error, HubUnreachable)]
    return [error for error in found if error not in unanswered[1:]]


def call_problems(family: Any, settings: ModelSettings, pipeline: Any) -> Iterator[ModelError]:
    """Settings that the call of the class ``pipeline`` does not take."""
    for key in sorted(_OURS & settings.call.keys()):
        yield ModelError(f"call.{key}: synpic sets this itself", hint="leave it out")
    # **kwargs is no excuse: diffusers' pipelines look in it for deprecated names only.
    parameters = inspect.signature(pipeline.__call__).parameters
    side = 8 if settings.sizes else None
    told: set[str] = set()
    given = ["prompt", "generator", *family.call_arguments(settings, side, side)]
    for name, parameter in list(parameters.items())[1:]:
        if (
            parameter.default is parameter.empty
            and parameter.kind not in _ANY
            and name not in given
        ):
            yield ModelError(
                f"checkpoint: {pipeline.__name__} does not draw from a prompt alone: it wants "
                f"{name}",
                hint="name a text-to-image checkpoint; for Stable Cascade, its family as well",
            )
    for name in given:
        key = f"call.{name}" if name in settings.call else _KEYS.get(name, name)
        if name in parameters or key in told:
            continue
        told.add(key)
        yield ModelError(
            f"{key}: {pipeline.__name__} takes no {name}.{did_you_mean(name, parameters)}",
            hint="leave that setting out, or name another family or checkpoint",
        )


def _placement(subject: Subject) -> Iterator[SynpicError]:
    index = {name: [slot.library, slot.kind] for name, slot in subject.slots.items()}
    check_placement(subject.settings, index)
    if "vqgan" in subject.slots:  # of a class that diffusers does not show
        kind = class_of(subject.slots["vqgan"])
        for key, method in (("vae_slicing", "enable_slicing"), ("vae_tiling", "enable_tiling")):
            if getattr(subject.settings, key) and not hasattr(kind, method):
                yield ModelError(f"{key}: {kind.__name__} takes none", hint=f"leave out {key}")


def _call(subject: Subject) -> Iterator[SynpicError]:
    if subject.pipeline is not None:
        yield from call_problems(subject.family, subject.settings, subject.pipeline)


def _scheduler(subject: Subject) -> Iterator[SynpicError]:
    settings = subject.settings
    slot = subject.slots.get(subject.family.scheduler_slot)
    if slot is None or (settings.scheduler is None and not settings.scheduler_options):
        return
    kind = class_of(slot)
    config = slot.contents.json(f"{slot.folder}/scheduler_config.json")
    if kind is not None and config is not None:
        make_scheduler(settings, kind.from_config(config))
    yield from ()


def _sizes(subject: Subject) -> Iterator[SynpicError]:
    if subject.pipeline is None:
        return
    for size in dict.fromkeys(subject.settings.sizes or ()):
        problem = side_problem(subject.pipeline.__name__, size, subject.settings, subject.slots)
        if problem is not None:
            yield problem


def _prior(subject: Subject) -> Iterator[SynpicError]:
    if subject.family.takes_prior and "prior_prior" not in subject.slots:
        yield ModelError(
            f"prior: {subject.checkpoint.location} is the second stage of a Stable Cascade, and "
            "there is no first",
            hint='set prior = "stabilityai/stable-cascade-prior", or to the folder of yours',
        )


def _without(subject: Subject) -> Iterator[SynpicError]:
    if subject.pipeline is None:
        return
    name = subject.pipeline.__name__
    allowed = _DISPENSABLE.get(name, ())
    for part in subject.settings.without:
        if part not in allowed:
            yield ModelError(
                f"without: {name} does not draw without {part}.{did_you_mean(part, allowed)}",
                hint=f"it draws without {' and '.join(allowed)}" if allowed else "leave it out",
            )


def _adapters(subject: Subject) -> Iterator[SynpicError]:
    settings, pipeline = subject.settings, subject.pipeline
    takes = pipeline is None or hasattr(pipeline, "load_lora_weights")
    for number, adapter in enumerate(settings.adapters):
        key = f"adapters[{number}]"
        try:
            adapter_file(adapter, "pickled weights" in settings.allow)
            by_peft = peft_config(adapter) is not None
        except ModelError as error:
            yield ModelError(f"{key}: {error.message}", hint=error.hint)
            continue
        if by_peft and takes and pipeline is not None:
            yield ModelError(
                f"{key}: {adapter.checkpoint} is in peft's layout, and {pipeline.__name__} takes "
                "diffusers' own",
                hint="save it with pipeline.save_lora_weights(folder, …)",
            )
        if not takes and not ({"unet", "transformer"} & subject.slots.keys()):
            yield ModelError(f"{key}: {pipeline.__name__} takes no LoRA", hint="leave it out")
        elif not takes and not by_peft:
            yield ModelError(
                f"{key}: {pipeline.__name__} takes a LoRA in peft's layout only, and "
                f"{adapter.checkpoint} has no adapter_config.json",
                hint="name a folder that peft's save_pretrained or `synpic train` wrote",
            )


_CHECKS: tuple[Callable[[Subject], Iterator[SynpicError]], ...] = (
    _call,
    _scheduler,
    _sizes,
    _prior,
    _without,
    component_problems,
    _adapters,
    file_problems,
    _placement,
)
