"""LoRAs are laid over a pipeline's weights, and stay beside them.

They are not fused. A weight in bfloat16 has eight bits, and what training changed of it is often
less than half of the last: added to the weight, it would round to nothing, and the fine-tuned model
would draw as the one it came from. Beside the weights nothing is lost, at the cost of two small
matrix products a layer.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synpic.errors import CheckpointError, HubUnreachable, ModelError, SynpicError
from synpic.generate.adapters.fit import check_applied, follow, read_tensors, wanted_of
from synpic.generate.adapters.names import listed
from synpic.generate.checkpoint import Checkpoint
from synpic.hub.errors import Subject
from synpic.hub.files import download
from synpic.readers.safetensors_header import read_header
from synpic.recipe.settings import AdapterSettings, ModelSettings

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["adapter_file", "add_adapters", "denoiser_of", "peft_config"]

_DIFFUSERS = "pytorch_lora_weights.safetensors"
_PEFT = "adapter_model.safetensors"
_PEFT_CONFIG = "adapter_config.json"
_PICKLES = (".bin", ".pt", ".pth", ".ckpt")


def adapter_file(adapter: AdapterSettings, there: Checkpoint, pickles: bool) -> str:
    """The name of an adapter's weights in its folder or repository.

    Args:
        there: its folder or repository.
        pickles: whether they may be.

    Raises:
        HubUnreachable: the Hub did not answer.
        ModelError: there are none, or several and the recipe says not which.
    """
    place = adapter.checkpoint
    if Path(place).is_file():
        return Path(place).name
    if adapter.file is not None:
        if not adapter.file.endswith(".safetensors") and not pickles:
            raise ModelError(
                f"{adapter.file} of {place} is no safetensors file",
                hint='name another; or write allow = ["pickled weights"], if you trust its makers',
            )
        try:
            if adapter.file in there.file_names():
                return adapter.file
        except HubUnreachable:
            return adapter.file  # loading will tell
        raise ModelError(f"{place} has no file {adapter.file}", hint=_listing(there))
    try:
        inside = there.inside("")
    except HubUnreachable:
        inside = [name for name in (_DIFFUSERS, _PEFT) if there.cached(name)]
        if not inside:
            raise
    found = [name for name in inside if name.endswith(".safetensors")]
    for known in (_DIFFUSERS, _PEFT):
        if known in found:
            return known
    if len(found) == 1:
        return found[0]
    if found:
        raise ModelError(
            f"{place} holds several safetensors files", hint=f"name one with `file`: {_some(found)}"
        )
    if any(name.endswith(_PICKLES) for name in inside):
        raise ModelError(
            f"{place} has pickled weights only",
            hint='name one with `file` and write allow = ["pickled weights"], if you trust its '
            "makers",
        )
    raise ModelError(f"{place} has no safetensors file", hint=_listing(there))


def peft_config(there: Checkpoint, file: str) -> dict[str, Any] | None:
    """The configuration of an adapter in peft's layout; None for one in another.

    Args:
        there: its folder or repository.
        file: of its weights: its name tells which layout it has, where both lie in one folder.
    """
    folder, _, name = file.rpartition("/")
    if name != _PEFT or Path(there.location).is_file():
        return None
    return there.json(f"{folder}/{_PEFT_CONFIG}" if folder else _PEFT_CONFIG)


def add_adapters(
    pipeline: Any, settings: ModelSettings, at: Callable[[str, str | None], Checkpoint]
) -> None:
    """Lay the recipe's adapters over ``pipeline``, in their order, each with its scale.

    Args:
        at: location and commit → checkpoint.

    Raises:
        ModelError: one does not fit.
    """
    if not settings.adapters:
        return
    pickles = "pickled weights" in settings.allow
    by_pipeline = hasattr(pipeline, "load_lora_weights")
    add = _add_by_pipeline if by_pipeline else _add_by_peft
    convert = follow if by_pipeline else _follow_peft
    names = [f"adapter_{number}" for number in range(len(settings.adapters))]
    for number, adapter in enumerate(settings.adapters):
        there = at(adapter.checkpoint, adapter.revision)
        try:
            with warnings.catch_warnings():
                # That there is more than one is what was asked.
                warnings.filterwarnings("ignore", "Already found a `peft_config`")
                file = adapter_file(adapter, there, pickles)
                found = _fetched(there, file)
                if found.suffix == ".safetensors":  # a library would not name it
                    read_header(found, error=ModelError, hint="get the file again")
                wanted = wanted_of(pipeline, read_tensors(found), convert)
                add(pipeline, names[number], found, peft_config(there, file))
                check_applied(pipeline, names[number], wanted)
        except ModelError as error:
            raise ModelError(f"adapters[{number}]: {error.message}", hint=error.hint) from error
        except SynpicError:
            raise
        except Exception as error:
            # peft, diffusers and safetensors raise whatever they like about a file that misfits.
            raise ModelError(
                f"adapters[{number}]: {adapter.checkpoint} cannot be laid over "
                f"{type(pipeline).__name__}: {_words_of(error)}",
                hint="is it a LoRA, and of this very model? One that is applied in part would draw "
                "the images of neither model",
            ) from error
    scales = [float(adapter.scale) for adapter in settings.adapters]
    if by_pipeline:
        pipeline.set_adapters(names, scales)
    else:
        _switch_on(denoiser_of(pipeline), names, scales)


def denoiser_of(pipeline: Any) -> Any:
    """Its UNet or transformer; None if it has neither."""
    return getattr(pipeline, "unet", None) or getattr(pipeline, "transformer", None)


def _add_by_pipeline(pipeline: Any, name: str, file: Path, _config: dict[str, Any] | None) -> None:
    pipeline.load_lora_weights(
        str(file.parent),
        weight_name=file.name,
        adapter_name=name,
        use_safetensors=file.suffix == ".safetensors",
    )


def _add_by_peft(pipeline: Any, name: str, file: Path, values: dict[str, Any] | None) -> None:
    """For pipelines that load no LoRA themselves, as PixArt-Σ's: what peft itself saved."""
    from peft import LoraConfig, inject_adapter_in_model, set_peft_model_state_dict
    from safetensors.torch import load_file

    if values is None:
        raise ValueError(f"it has no {_PEFT_CONFIG}, and this pipeline takes peft's layout only")
    model = denoiser_of(pipeline)
    make: Any = LoraConfig.from_peft_type
    config = make(**{**values, "inference_mode": True})
    inject_adapter_in_model(config, model, adapter_name=name)
    set_peft_model_state_dict(
        model, {_short(key): value for key, value in load_file(file).items()}, adapter_name=name
    )


def _follow_peft(pipeline: Any, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    component = "unet" if getattr(pipeline, "unet", None) is not None else "transformer"
    return {f"{component}.{_short(key)}": tensor for key, tensor in tensors.items()}


def _short(key: str) -> str:
    return key.removeprefix("base_model.model.")


def _words_of(error: Exception) -> str:
    """What an error says, in a line: torch names every tensor that misfits, thousands of them."""
    if isinstance(error, KeyError):
        return f"there is no {error}"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = listed(lines or [type(error).__name__])
    return text if len(text) <= 1000 else f"{text[:1000]} …"


def _fetched(there: Checkpoint, file: str) -> Path:
    """The file of weights, on this machine."""
    if Path(there.location).is_file():
        return Path(there.location)
    folder = there.local_folder()
    if folder is not None:
        return folder / file
    found = download(Subject(there.location, there.commit), file)
    if found is None:
        raise CheckpointError(
            f"{there.location} lacks a file that is needed: {file}",
            hint="name the repository or folder that holds the adapter",
        )
    return found


def _switch_on(model: Any, names: list[str], scales: list[float]) -> None:
    from peft.tuners.tuners_utils import BaseTunerLayer

    layers: list[Any] = [part for part in model.modules() if isinstance(part, BaseTunerLayer)]
    for layer in layers:
        layer.set_adapter(names)
        for name, scale in zip(names, scales, strict=True):
            layer.set_scale(name, scale)


def _listing(there: Checkpoint) -> str:
    return f"it holds: {_some(there.inside(''))}"


def _some(names: list[str]) -> str:
    return ", ".join(names[:8]) + (" …" if len(names) > 8 else "") if names else "nothing"
