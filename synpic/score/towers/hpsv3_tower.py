"""The two parts of HPSv3: Qwen2-VL without its language head, and a head that rates one token."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from synpic.errors import MissingExtra
from synpic.score.weights import account_for, fill, fill_parts, reading

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["QUANTIZATIONS", "quantization_config", "rated_tower", "shapes"]

LEFTOVERS = {"lm_head.weight": "the head that names the next token, without use here"}

QUANTIZATIONS = ("none", "8bit", "4bit")

IN_FULL = ("visual",)
"""What keeps its dtype under quantization: a twelfth of all weights."""


def rated_tower(
    config: Any,
    tensors: Mapping[str, Tensor],
    source: object,
    dtype: torch.dtype,
    device: str,
    quantization: str,
) -> tuple[Any, Any]:
    """Tower and head on ``device``, from the authors' file.

    Args:
        config: a ``Qwen2VLConfig`` of which ``vocab_size`` is the tokenizer's.
        tensors: under the names of the file, which are those of transformers 4.
        source: where they are from, for messages.
        dtype: of the tower; the head is in float32.
        quantization: of :data:`QUANTIZATIONS`.

    Raises:
        RewardError: a weight too many, too few, or of another shape, by name.
        MissingExtra: quantization without bitsandbytes.
    """
    parts = _built(config)
    if quantization == "none":
        fill_parts(parts, tensors, source, dtype, _in_the_file, LEFTOVERS)
        parts.to(device)
        return parts["tower"], parts["head"]
    wanted = shapes(config).keys()
    account_for(wanted - tensors.keys(), tensors.keys() - wanted, source, LEFTOVERS)
    ours = {
        part: {key: tensors[_in_the_file(part, key)] for key in module.state_dict()}
        for part, module in parts.items()
    }
    fill(parts["head"], ours["head"], source)
    tower = _quantized(config, ours["tower"], source, dtype, device, quantization)
    return tower, parts["head"].to(device)


def shapes(config: Any) -> dict[str, torch.Size]:
    """What the authors' file holds, less what has no use here: name → shape."""
    return {
        _in_the_file(part, key): value.shape
        for part, module in _built(config).items()
        for key, value in module.state_dict().items()
    }


def quantization_config(quantization: str, dtype: torch.dtype) -> Any:
    """Quantization as transformers takes it: NF4 with products in ``dtype``, or LLM.int8().

    Raises:
        MissingExtra: bitsandbytes is not installed.
    """
    from transformers import BitsAndBytesConfig

    if find_spec("bitsandbytes") is None:
        raise MissingExtra(
            f'quantization = "{quantization}" needs bitsandbytes', hint="pip install 'synpic[8bit]'"
        )
    how: dict[str, Any] = {"load_in_8bit": True}
    if quantization == "4bit":
        how = {
            "load_in_4bit": True,
            "bnb_4bit_quant_type": "nf4",
            "bnb_4bit_compute_dtype": dtype,
        }
    return BitsAndBytesConfig(llm_int8_skip_modules=list(IN_FULL), **how)  # type: ignore[no-untyped-call]


def _quantized(
    config: Any,
    tensors: dict[str, Tensor],
    source: object,
    dtype: torch.dtype,
    device: str,
    quantization: str,
) -> Any:
    from transformers import Qwen2VLModel

    told = quantization_config(quantization, dtype)
    kind: Any = Qwen2VLModel
    with reading(str(source), None):
        tower, loading = kind.from_pretrained(
            None,
            config=config,
            state_dict=tensors,
            dtype=dtype,
            quantization_config=told,
            device_map={"": device},
            output_loading_info=True,
        )
    account_for(loading["missing_keys"], loading["unexpected_keys"], source, {})
    return tower.eval()


def _built(config: Any) -> torch.nn.ModuleDict:
    """``tower`` and ``head``, without weights.

    The head is ``Float[Tensor, "n width"]`` → ``Float[Tensor, "n 2"]``. In the authors' sequence
    two layers bend and one drops out, which have no weights.
    """
    from accelerate import init_empty_weights
    from torch import nn
    from transformers import Qwen2VLModel

    with init_empty_weights(include_buffers=False):
        head = nn.Sequential(
            nn.Linear(config.text_config.hidden_size, 1024),
            nn.ReLU(),
            nn.Dropout(0.05),
            nn.Linear(1024, 16),
            nn.ReLU(),
            nn.Linear(16, 2),
        )
        return nn.ModuleDict({"tower": Qwen2VLModel(config), "head": head}).eval()


def _in_the_file(part: str, key: str) -> str:
    if part == "head":
        return f"rm_head.{key}"
    of_text = key.removeprefix("language_model.")
    return key if of_text == key else f"model.{of_text}"
