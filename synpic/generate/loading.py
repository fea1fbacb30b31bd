"""Weights are loaded whole, or not at all.

What a file of weights lacks, the libraries fill with random numbers, and say so in a warning: the
model would draw, and draw other images each time it is opened, all under one fingerprint.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from synpic.errors import ModelError, SynpicError
from synpic.generate.checkpoint import class_of
from synpic.generate.checks.subject import Subject

__all__ = ["load_components", "only_whole"]


def load_components(subject: Subject, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The components that the recipe takes from elsewhere, by the pipeline's names for them.

    Args:
        arguments: of ``from_pretrained``: ``dtype`` and ``use_safetensors``.

    Raises:
        ModelError: one cannot be opened.
    """
    import torch

    made: dict[str, Any] = {}
    for name, component in subject.replaced.items():
        there, kind = component.checkpoint, class_of(component)
        options: dict[str, Any] = {"revision": there.commit}
        if component.folder:
            options["subfolder"] = component.folder
        if issubclass(kind, torch.nn.Module):
            variant = subject.settings.components[name].variant
            options |= {"variant": variant, "dtype": arguments["dtype"]}
            options["use_safetensors"] = arguments["use_safetensors"]
        try:
            with there.naming_errors():
                made[name] = kind.from_pretrained(there.location, **options)
        except SynpicError:
            raise
        except Exception as error:
            # As of a whole pipeline: the libraries' errors have no ancestor but this one.
            raise ModelError(
                f"{component.key}: {there.location} cannot be opened: {error}",
                hint="check the checkpoint, its `variant`, and that it has safetensors weights",
            ) from error
    return made


@contextmanager
def only_whole() -> Iterator[None]:
    """While it lasts, a model whose files lack a parameter is not loaded: a ``ValueError``.

    Pipelines load their parts themselves, and have no option for this.
    """
    import diffusers
    import transformers

    kinds: tuple[Any, ...] = (diffusers.ModelMixin, transformers.PreTrainedModel)
    before = [vars(kind)["from_pretrained"] for kind in kinds]
    for kind, method in zip(kinds, before, strict=True):
        kind.from_pretrained = classmethod(_strict(method.__func__))
    try:
        yield
    finally:
        for kind, method in zip(kinds, before, strict=True):
            kind.from_pretrained = method


def _strict(load: Callable[..., Any]) -> Callable[..., Any]:
    def loaded(cls: Any, place: Any, *args: Any, **options: Any) -> Any:
        asked = options.pop("output_loading_info", False)
        model, told = load(cls, place, *args, output_loading_info=True, **options)
        # What else can be missing is computed and not learned, as positions are.
        learned = {name for name, _ in model.named_parameters()}
        missing = sorted(learned.intersection(told["missing_keys"]))
        if missing:
            more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
            raise ValueError(
                f"the weights of {cls.__name__} in {place} are not whole: "
                f"{', '.join(missing[:3])}{more} missing"
            )
        return (model, told) if asked else model

    return loaded
