"""A LoRA is applied whole, or not at all.

Libraries drop what fits nothing, and warn at most. Here every tensor of the file is followed: the
library's own conversion of names says which layer it belongs to, and after loading each adapted
layer is compared with it. Conversions that cut or scale tensors, as some for Flux do, are followed
by torch's own record of what was computed from what.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synpic.generate.adapters.names import listed, owner_of, pair_problem

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Misfit", "Wanted", "check_applied", "follow", "read_tensors", "wanted_of"]


class Misfit(ValueError):
    """Why a LoRA cannot be applied whole."""


@dataclass(frozen=True)
class Wanted:
    """What the adapted layers of a pipeline are to hold.

    Args:
        tensors: "component.layer.lora_A.weight" → the matrix.
        sources: the same keys → names of the tensors in the file that it is made from.
        alphas: "component.layer" → alpha, where the file has any and the matrices are unchanged;
            the rank for a layer without one.
    """

    tensors: Mapping[str, Tensor]
    sources: Mapping[str, frozenset[str]]
    alphas: Mapping[str, float]


def read_tensors(file: Path) -> dict[str, Tensor]:
    """Every tensor of a LoRA's file.

    Raises:
        Misfit: it holds other things, tensors that are not finite, or has lost some.
    """
    import torch
    from safetensors.torch import load_file

    found: Any
    if file.suffix == ".safetensors":
        found = load_file(file)
    else:
        found = torch.load(file, map_location="cpu", weights_only=True)
    if not isinstance(found, dict) or not all(
        isinstance(one, torch.Tensor) for one in found.values()
    ):
        raise Misfit(f"{file.name} is not a dictionary of tensors")
    problem = pair_problem({name: tensor.shape for name, tensor in found.items()})
    if problem is not None:
        raise Misfit(problem)
    for name, tensor in found.items():
        if not tensor.is_floating_point() and owner_of(name) is None:
            raise Misfit(f"{name} is of {tensor.dtype}, and not of floating-point numbers")
        if not tensor.isfinite().all():
            raise Misfit(f"{name} holds a number that is not finite")
    return found


def follow(pipeline: Any, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The library's conversion of a file's names into "component.layer.lora_A.weight".

    Args:
        pipeline: of diffusers, that loads LoRAs itself.

    Raises:
        Misfit: names are in no layout that diffusers reads.
    """
    from diffusers.loaders import lora_pipeline
    from diffusers.utils import state_dict_utils
    from transformers import PreTrainedModel

    names: Any = state_dict_utils
    is_xl = isinstance(pipeline, lora_pipeline.StableDiffusionXLLoraLoaderMixin)
    options = {"unet_config": pipeline.unet.config} if is_xl else {}
    converted = pipeline.lora_state_dict(dict(tensors), **options)
    if isinstance(converted, tuple):
        converted = converted[0]
    found: dict[str, Tensor] = {}
    for component, part in _parts(pipeline).items():
        own = {
            key.removeprefix(f"{component}."): tensor
            for key, tensor in converted.items()
            if key.startswith(f"{component}.")
        }
        if own and isinstance(part, PreTrainedModel):
            own = names.convert_state_dict_to_peft(names.convert_state_dict_to_diffusers(own))
            if not hasattr(part, "text_model"):
                own = {key.removeprefix("text_model."): tensor for key, tensor in own.items()}
        elif own and "lora_A" not in next(iter(own)):
            own = names.convert_unet_state_dict_to_peft(own)
        found |= {f"{component}.{key}": tensor for key, tensor in own.items()}
    return found


def wanted_of(pipeline: Any, tensors: Mapping[str, Tensor], convert: Any) -> Wanted:
    """Which layers the tensors of a file are for.

    Args:
        convert: names of the file → names in the pipeline, of a dictionary of tensors.

    Raises:
        Misfit: not every tensor is for a layer, or one has a shape that the layer does not take.
    """
    import torch

    with torch.inference_mode(False), torch.enable_grad():
        leaves = {
            name: tensor.detach().requires_grad_(tensor.is_floating_point())
            for name, tensor in tensors.items()
        }
        names = {id(leaf): name for name, leaf in leaves.items()}
        # Copies, which a conversion may change in place.
        made = convert(pipeline, {name: leaf.clone() for name, leaf in leaves.items()})
        sources = {_spelt(key): _leaves_of(tensor, names) for key, tensor in made.items()}
    placed = {_spelt(key): tensor.detach() for key, tensor in made.items()}
    parts = _parts(pipeline)
    placed = {key: tensor for key, tensor in placed.items() if _layer(parts, key) is not None}
    used = {name for key in placed for name in sources[key]}
    unused = [
        name
        for name in tensors
        if name not in used
        and not ((stem := owner_of(name)) and any(one.startswith(f"{stem}.") for one in used))
    ]
    if unused:
        raise Misfit(
            f"{len(unused)} of its {len(tensors)} tensors fit nothing there: {listed(unused)}"
        )
    misfits = [
        f"{listed(sorted(sources[key]))} {list(tensor.shape)}, {takes} expected"
        for key, tensor in placed.items()
        if (takes := _shape_problem(_layer(parts, key), key, tensor)) is not None
    ]
    if misfits:
        raise Misfit(
            f"size mismatch of {len(misfits)} of its {len(tensors)} tensors: {listed(misfits)}"
        )
    return Wanted(placed, sources, _alphas(tensors, placed, sources))


def check_applied(pipeline: Any, name: str, wanted: Wanted) -> None:
    """Compare every layer that the adapter ``name`` has adapted with the file, and set its alpha.

    diffusers keeps one alpha for all of a UNet's attention, where a file has several, and takes the
    commonest for a layer that has none.

    Raises:
        Misfit: a layer has other matrices, or none; or a tensor went nowhere.
    """
    import torch

    held = _held(pipeline, name)
    count = len(wanted.tensors)
    for what, keys in (
        ("fit nothing there", wanted.tensors.keys() - held.keys()),
        ("are lacking", held.keys() - wanted.tensors.keys()),
    ):
        if keys:
            named = sorted({one for key in keys for one in wanted.sources.get(key, [key])})
            raise Misfit(f"{len(keys)} of its {count} tensors {what}: {listed(named)}")
    other = [
        key
        for key, tensor in held.items()
        if tensor.is_meta or not torch.equal(tensor, wanted.tensors[key].to(tensor.dtype))
    ]
    if other:
        raise Misfit(f"{len(other)} of its {count} tensors were not loaded: {listed(other)}")
    beyond = [key for key, tensor in held.items() if not tensor.isfinite().all()]
    if beyond:
        raise Misfit(f"{len(beyond)} of its {count} tensors overflow the dtype: {listed(beyond)}")
    parts = _parts(pipeline)
    for layer, alpha in wanted.alphas.items():
        component, _, path = layer.partition(".")
        parts[component].get_submodule(path).lora_alpha[name] = alpha


def _alphas(
    tensors: Mapping[str, Tensor],
    placed: Mapping[str, Tensor],
    sources: Mapping[str, frozenset[str]],
) -> dict[str, float]:
    import torch

    found: dict[str, float] = {}
    stems = {stem: name for name in tensors if (stem := owner_of(name)) is not None}
    changed = set()
    for key, tensor in placed.items():
        layer, part = _split(key)
        if not stems or part.startswith("lokr_"):
            continue  # the conversion puts a LoKr's alpha into its matrices
        for source in sources[key]:
            alpha = next((stems[s] for s in _stems(source) if s in stems), None)
            if alpha is not None:
                found[layer] = tensors[alpha].item()
                if not torch.equal(tensor, tensors[source]):
                    changed.add(layer)  # the conversion has put alpha into the matrices
            elif part.startswith("lora_A"):
                found[layer] = float(len(tensor))
    return {layer: alpha for layer, alpha in found.items() if layer not in changed}


def _stems(name: str) -> list[str]:
    pieces = name.split(".")
    return [".".join(pieces[:end]) for end in range(len(pieces) - 1, 0, -1)]


def _leaves_of(tensor: Tensor, names: Mapping[int, str]) -> frozenset[str]:
    """Names of the tensors that ``tensor`` was computed from."""
    found, seen, todo = set(), set(), [tensor.grad_fn]
    while todo:
        node: Any = todo.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        leaf = getattr(node, "variable", None)
        if leaf is not None:
            found.add(names[id(leaf)])
        todo += [before for before, _ in node.next_functions]
    return frozenset(found)


def _parts(pipeline: Any) -> dict[str, Any]:
    import torch

    return {
        name: part
        for name, part in pipeline.components.items()
        if isinstance(part, torch.nn.Module)
    }


def _held(pipeline: Any, name: str) -> dict[str, Tensor]:
    """What the layers hold of the adapter ``name``, keyed as :class:`Wanted`."""
    from peft import get_peft_model_state_dict

    found: dict[str, Tensor] = {}
    for component, part in _parts(pipeline).items():
        if name in (getattr(part, "peft_config", None) or {}):
            own = get_peft_model_state_dict(part, adapter_name=name, save_embedding_layers=False)
            found |= {_spelt(f"{component}.{key}"): tensor for key, tensor in own.items()}
    return found


def _spelt(key: str) -> str:
    """A key as peft writes it: a magnitude is a parameter of the layer to some of its versions."""
    return key.removesuffix(".weight") if ".lora_magnitude_vector" in key else key


def _split(key: str) -> tuple[str, str]:
    """ "component.layer" and "lora_A.weight"."""
    found = re.fullmatch(r"(.+?)\.((?:lora|lokr)_\w+(?:\.\w+)?)", key)
    return (found[1], found[2]) if found else (key.rpartition(".")[0], key.rpartition(".")[2])


def _layer(parts: Mapping[str, Any], key: str) -> Any:
    """The layer that a key is for; None if there is no such layer with a weight."""
    name, matrix = _split(key)
    component, _, path = name.partition(".")
    try:
        part = parts[component]
        if matrix.startswith("lokr_") and hasattr(part, "fuse_qkv_projections"):
            # For a LoKr of the three together, diffusers fuses them as it loads it.
            path = re.sub(r"\.to_qkv$", ".to_q", path)
            path = re.sub(r"\.to_added_qkv$", ".add_q_proj", path)
        layer = part.get_submodule(path)
    except (KeyError, AttributeError):
        return None
    return layer if getattr(layer, "weight", None) is not None else None


def _shape_problem(layer: Any, key: str, tensor: Tensor) -> list[int] | None:
    """The shape that ``layer`` takes, if ``tensor`` has another; its rank may be any."""
    import torch

    base = getattr(layer, "base_layer", layer)
    if not isinstance(base, torch.nn.Linear | torch.nn.Conv2d):
        return None
    weight, shape, part = list(base.weight.shape), list(tensor.shape), _split(key)[1]
    if isinstance(base, torch.nn.Linear):  # in four bits its weight is packed
        weight = [base.out_features, base.in_features]
    if part.startswith("lora_A"):
        takes = [shape[0] if shape else 1, *weight[1:]]
    elif part == "lora_B.weight":
        takes = [weight[0], shape[1] if len(shape) > 1 else 1, *[1] * (len(weight) - 2)]
    elif part == "lora_B.bias" or (part == "lora_magnitude_vector" and len(weight) == 2):
        takes = [weight[0]]
    else:
        return None
    return takes if takes != shape else None
