"""The parts of a pipeline that have weights, opened one by one, and each of them whole.

Pipelines open their parts themselves, and have no option to refuse what is not whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from synpic.errors import ModelError, SynpicError
from synpic.generate.checkpoint import Component, class_of, is_variant
from synpic.generate.checks.subject import InspectedModel
from synpic.readers.pretrained import open_whole

__all__ = ["load_components", "load_own"]


def load_components(subject: InspectedModel, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The components that the recipe takes from elsewhere, by the pipeline's names for them.

    Args:
        arguments: of ``from_pretrained``: ``dtype`` and ``use_safetensors``.

    Raises:
        ModelError: one cannot be opened, or lacks weights.
    """
    made: dict[str, Any] = {}
    for name, component in subject.replaced.items():
        there, kind = component.checkpoint, class_of(component)
        options: dict[str, Any] = {"revision": there.commit}
        if component.folder:
            options["subfolder"] = component.folder
        open_it: Callable[..., Any] = kind.from_pretrained
        if _has_weights(kind):
            options |= {key: arguments[key] for key in ("dtype", "use_safetensors")}
            options["variant"] = subject.settings.components[name].variant
            source = f"{component.key}: {component.place}"
            open_it = partial(open_whole, kind, error=ModelError, source=source)
        try:
            with there.naming_errors():
                made[name] = open_it(there.location, **options)
        except SynpicError:
            raise
        except Exception as error:
            # As of a whole pipeline: the libraries' errors have no ancestor but this one.
            raise ModelError(
                f"{component.key}: {there.location} cannot be opened: {error}",
                hint="check the checkpoint, its `variant`, and that it has safetensors weights",
            ) from error
    return made


def load_own(
    pipeline: Any,
    components: Mapping[str, Component],
    left: Mapping[str, Any],
    variant: str | None,
    arguments: Mapping[str, Any],
) -> dict[str, Any]:
    """The components with weights that a checkpoint gives itself, by its names for them.

    Those whose class the checkpoint brings as code are left to the pipeline.

    Args:
        pipeline: the class that opens the checkpoint.
        components: all of one checkpoint.
        left: those that are not to be opened → what the pipeline gets instead.
        variant: of the files, where a component has such.
        arguments: of ``from_pretrained``; ``dtype`` may be a dtype for each component.

    Raises:
        ModelError: one lacks weights.
    """
    opened = {
        name: component
        for name, component in components.items()
        if name not in left and _has_weights(class_of(component))
    }
    if not opened:
        return {}
    checkpoint = next(iter(opened.values())).checkpoint
    folder = checkpoint.local_folder()
    if folder is None:
        options = {key: value for key, value in arguments.items() if key != "dtype"}
        options |= {"revision": checkpoint.commit, "variant": variant, **left}
        folder = Path(pipeline.download(checkpoint.location, **options))
    made = {}
    for name, component in opened.items():
        place = folder / component.folder if (folder / component.folder).is_dir() else folder
        options = {"use_safetensors": arguments["use_safetensors"]}
        if variant is not None and any(is_variant(one.name, variant) for one in place.iterdir()):
            options["variant"] = variant
        dtype = arguments.get("dtype")
        if isinstance(dtype, dict):
            dtype = dtype.get(name, dtype["default"])
        if dtype is not None:
            options["dtype"] = dtype
        source = f"{component.key}: {component.place}"
        kind = class_of(component)
        made[name] = open_whole(kind, str(place), error=ModelError, source=source, **options)
    return made


def _has_weights(kind: Any) -> bool:
    import torch

    return isinstance(kind, type) and issubclass(kind, torch.nn.Module)
