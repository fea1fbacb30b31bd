"""Makes tests/parity/fixtures/vlm_yes.json: what t2v_metrics 3.1 says of a few pictures.

    python tests/parity/oracle_vlm_yes.py UPSTREAM OUT

UPSTREAM is a clone of github.com/linzhiqiu/t2v_metrics at 6ecb74f9. Run with synpic's packages and
qwen-vl-utils 0.0.14. Upstream's class runs as it stands, but for the table of its models, whose
checkpoints are small models of random weights here (``tests/score/tiny_vlms.py``), in float32, and
for its packages' ``__init__``, which import every model.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import tempfile
import types
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.parity.inputs import picture
from tests.score.tiny_vlms import save_vlm

PROMPTS = ["a red circle", "three green stars and a blue square on a black background", "café 🚀"]
QUESTIONS = [
    ('Does this figure show "{}"? Please answer Yes or No.', "Yes"),
    ("Is it so that it shows {}?", "No"),
]
SIZES = [(64, 48), (96, 32), (50, 70), (120, 37)]
QWENS = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl")


def load(upstream: Path) -> Any:
    """Upstream's module of Qwen3-VL, and what it imports, without the packages around them."""
    root = upstream / "t2v_metrics" / "models"
    for name, path in (
        ("up", root),
        ("up.models", root),
        ("up.models.vqa", root / "vqascore_models"),
    ):
        package = types.ModuleType(name)
        package.__path__ = [str(path)]
        sys.modules[name] = package
    for name, path in (
        ("up.constants", root.parent / "constants.py"),
        ("up.models.model", root / "model.py"),
        ("up.models.vqa.vqa_model", root / "vqascore_models" / "vqa_model.py"),
        ("up.models.vqa.qwen3vl_model", root / "vqascore_models" / "qwen3vl_model.py"),
    ):
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules["up.models.vqa.qwen3vl_model"]


def main(upstream: Path, out: Path) -> None:
    """Ask every question of every picture."""
    module, found = load(upstream), []
    with tempfile.TemporaryDirectory() as scratch:
        paths = []
        for seed, size in enumerate(SIZES):
            paths.append(str(Path(scratch) / f"{seed}.png"))
            picture(seed, *size).save(paths[-1])
        for kind in QWENS:
            folder = str(save_vlm(kind, Path(scratch) / kind))
            module.QWEN3_VL_MODELS[kind] = {
                "tokenizer": {"path": folder},
                "model": {
                    "path": folder,
                    "torch_dtype": torch.float32,
                    "attn_implementation": "sdpa",
                },
            }
            model = module.Qwen3VLModel(kind, device="cpu")
            for question, answer in QUESTIONS:
                pairs = [(prompt, path) for prompt in PROMPTS for path in paths]
                scores = model.forward(
                    [path for _, path in pairs],
                    [prompt for prompt, _ in pairs],
                    question_template=question,
                    answer_template=answer,
                ).double()
                found.append(
                    {
                        "architecture": kind,
                        "question": question,
                        "answer": answer,
                        "scores": scores.tolist(),
                    }
                )
    told = {
        "t2v_metrics": "6ecb74f9",
        "transformers": version("transformers"),
        "torch": version("torch"),
        "prompts": PROMPTS,
        "sizes": SIZES,
        "found": found,
    }
    out.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
