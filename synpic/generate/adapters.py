"""LoRAs are laid over a pipeline's weights, and stay beside them.

They are not fused. A weight in bfloat16 has eight bits, and what training changed of it is often
less than half of the last: added to the weight, it would round to nothing, and the fine-tuned model
would draw as the one it came from. Beside the weights nothing is lost, at the cost of two small
matrix products a layer.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from synpic.errors import CheckpointError, HubUnreachable, ModelError, SynpicError
from synpic.generate.checkpoint import Checkpoint
from synpic.hub.errors import Subject
from synpic.hub.files import download
from synpic.readers.safetensors_header import read_header
from synpic.settings import AdapterSettings, ModelSettings

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
        file: of its weights: by their name layouts are told apart, where both lie in one folder.
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
    names = [f"adapter_{number}" for number in range(len(settings.adapters))]
    for number, adapter in enumerate(settings.adapters):
        there = at(adapter.checkpoint, adapter.revision)
        try:
            with warnings.catch_warnings():
                # That there is more than one is what was asked.
                warnings.filterwarnings("ignore", "Already found a `peft_config`")
                file = adapter_file(adapter, there, pickles)
                found = _fetched(there, file)
                _require_whole(number, found)
                add(pipeline, names[number], found, peft_config(there, file))
        except SynpicError:
            raise
        except Exception as error:
            # peft, diffusers and safetensors raise whatever they like about a file that misfits.
            raise ModelError(
                f"adapters[{number}]: {adapter.checkpoint} cannot be laid over "
                f"{type(pipeline).__name__}: {error}",
                hint="is it a LoRA, and of this very model?",
            ) from error
    scales = [float(adapter.scale) for adapter in settings.adapters]
    if by_pipeline:
        pipeline.set_adapters(names, scales)
    else:
        _switch_on(denoiser_of(pipeline), names, scales)


def denoiser_of(pipeline: Any) -> Any:
    """Its UNet or transformer; None if it has neither."""
    return getattr(pipeline, "unet", None) or getattr(pipeline, "transformer", None)


def _require_whole(number: int, file: Path) -> None:
    """Refuse a file that is cut or whose header is damaged; a library would name no file.

    Raises:
        ModelError: naming the adapter and the file.
    """
    if file.suffix != ".safetensors":
        return
    try:
        read_header(file, error=ModelError, hint="get the file again")
    except ModelError as error:
        raise ModelError(f"adapters[{number}]: {error.message}", hint=error.hint) from error


def _add_by_pipeline(pipeline: Any, name: str, file: Path, _config: dict[str, Any] | None) -> None:
    pipeline.load_lora_weights(
        str(file.parent),
        weight_name=file.name,
        adapter_name=name,
        use_safetensors=file.suffix == ".safetensors",
    )
    if not any(name in added for added in pipeline.get_list_adapters().values()):
        raise ValueError("none of its layers has a name that this model has")


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
    weights = {
        key.removeprefix("base_model.model."): value for key, value in load_file(file).items()
    }
    outcome: Any = set_peft_model_state_dict(model, weights, adapter_name=name)
    missing = [key for key in outcome.missing_keys if f".{name}." in key or key.endswith(name)]
    if missing or outcome.unexpected_keys:
        raise ValueError(f"{len(missing)} of its layers lack weights, or have other names")


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
