"""Makes tests/parity/fixtures/hpsv3.json: what the package hpsv3 1.0.0 says of a few pictures.

    PYTHON tests/parity/oracle_hpsv3.py tests/parity/fixtures/hpsv3.json

PYTHON is of an environment of its own, with transformers 4.45.2, which the package pins:

    uv venv parity-hpsv3
    uv pip install --python parity-hpsv3 transformers==4.45.2 torch torchvision accelerate requests
    uv pip install --python parity-hpsv3 --no-deps hpsv3==1.0.0

The authors' class of the model and of inference run as they stand; what they import for training
alone is replaced by empty modules. The model is small (tests/score/tiny_hpsv3.py), its weights
random, its numbers float32. Kept are numbers alone: scores under an instruction of ours, and under
theirs.
"""

from __future__ import annotations

import json
import sys
import tempfile
import types
from importlib.machinery import ModuleSpec
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.parity.inputs import named_weight, picture
from tests.score import tiny_hpsv3 as tiny

REWARD = "<|Reward|>"


class _Anything(types.ModuleType):
    """A module that has whatever is asked for."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


def authors() -> tuple[Any, Any]:
    """The modules of the model and of inference, without the packages that train."""
    for name in (
        "pandas",
        "datasets",
        "matplotlib",
        "matplotlib.pyplot",
        "matplotlib.patches",
        "torch.utils.tensorboard",
        "peft",
        "trl",
        "hpsv3.train",
        "hpsv3.utils.training_utils",
        "hpsv3.utils.parser",
    ):
        sys.modules[name] = _Anything(name)
        sys.modules[name].__spec__ = ModuleSpec(name, None)
    # The package's own __init__ imports all of it.
    found = find_spec("hpsv3")
    assert found is not None
    assert found.submodule_search_locations is not None
    package = types.ModuleType("hpsv3")
    package.__path__ = list(found.submodule_search_locations)
    sys.modules["hpsv3"] = package
    from hpsv3 import inference
    from hpsv3.model import qwen2vl_trainer

    return qwen2vl_trainer, inference


def opened(trainer: Any, inference: Any, folder: Path) -> Any:
    """The authors' inferencer, as its constructor makes one, with a small model."""
    from transformers import AutoProcessor, Qwen2VLConfig

    processor = AutoProcessor.from_pretrained(folder, padding_side="right")
    processor.tokenizer.add_special_tokens({"additional_special_tokens": [REWARD]})
    model = trainer.Qwen2VLRewardModelBT(
        Qwen2VLConfig.from_pretrained(folder),
        output_dim=2,
        reward_token="special",
        special_token_ids=processor.tokenizer.convert_tokens_to_ids([REWARD]),
        rm_head_type="ranknet",
        rm_head_kwargs=None,
    )
    model.resize_token_embeddings(len(processor.tokenizer))
    state = {
        name: named_weight(name, tuple(value.shape)) for name, value in model.state_dict().items()
    }
    model.load_state_dict(state, strict=True)
    model.config.pad_token_id = processor.tokenizer.pad_token_id
    made = object.__new__(inference.HPSv3RewardInferencer)
    made.model, made.processor = model.eval(), processor
    made.device, made.use_special_tokens = "cpu", True
    return made, {name: list(value.shape) for name, value in state.items()}


def main(out: Path) -> None:
    """Score every picture, all of them in one batch, and each of them alone."""
    trainer, inference = authors()
    pictures = [picture(seed, *size) for seed, (_, *size) in enumerate(tiny.PAIRS)]
    prompts = [prompt for prompt, *_ in tiny.PAIRS]
    theirs = inference.INSTRUCTION, inference.prompt_with_special_token
    told: dict[str, Any] = {
        "hpsv3": version("hpsv3"),
        "transformers": version("transformers"),
        "torch": version("torch"),
    }
    with tempfile.TemporaryDirectory() as scratch, torch.no_grad():
        made, shapes = opened(trainer, inference, tiny.save_processor(Path(scratch)))
        for of, texts in {"made-up": (tiny.INSTRUCTION, tiny.ENDING), "theirs": theirs}.items():
            inference.INSTRUCTION, inference.prompt_with_special_token = texts
            batch = made.prepare_batch(pictures, prompts)
            positions, _ = made.model.get_rope_index(
                batch["input_ids"], batch["image_grid_thw"], None, batch["attention_mask"]
            )
            told[of] = {
                "together": made.reward(pictures, prompts).tolist(),
                "alone": [
                    made.reward([image], [prompt])[0].tolist()
                    for image, prompt in zip(pictures, prompts, strict=True)
                ],
                # Not what their package does; what the model was made for.
                "mrope": made.model(return_dict=True, position_ids=positions, **batch)[
                    "logits"
                ].tolist(),
            }
        told["tensors"] = shapes
    out.write_text(json.dumps(told, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
