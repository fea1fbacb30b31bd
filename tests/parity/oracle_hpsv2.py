"""Makes tests/parity/fixtures/hpsv2: what the package hpsv2 says of a few pictures.

    PYTHON -m tests.parity.oracle_hpsv2 tests/parity/fixtures/hpsv2

PYTHON is of the environment of requirements.txt. The model is upstream's own, smaller than
ViT-H-14, with random weights kept in 8 bits; of the table of tokens, rows that prompts use.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

from tests.parity.inputs import PROMPTS, pack, picture, random_weights
from tests.parity.upstream import hpsv2_model, hpsv2_scores, versions

ARCHITECTURE = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 48, "head_width": 16, "patch_size": 8},
    "text_cfg": {
        "context_length": 77,
        "vocab_size": 49408,
        "width": 32,
        "heads": 2,
        "layers": 2,
    },
}

SHAPES = [(32, 32), (48, 40), (31, 90), (200, 75), (9, 14), (33, 31), (64, 3)]
"""As large as the model reads, larger, smaller, wide and tall; odd margins on either side."""

TABLE = "token_embedding.weight"


def main(out: Path) -> None:
    """Write the fixture."""
    model = hpsv2_model(json.loads(json.dumps(ARCHITECTURE)))
    from hpsv2.src.open_clip import get_tokenizer

    used = get_tokenizer("ViT-H-14")(list(PROMPTS)).unique()
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    weights = random_weights({**shapes, TABLE: (len(used), shapes[TABLE][1])}, seed=5)
    (out / "images").mkdir(parents=True, exist_ok=True)
    kept = pack(weights, out / "weights.safetensors")
    table = torch.zeros(shapes[TABLE])
    table[used] = kept[TABLE]

    pairs = []
    for number, (width, height) in enumerate(SHAPES):
        name = f"{width}x{height}.png"
        image = picture(number, width, height)
        image.save(out / "images" / name)
        pairs += [(name, PROMPTS[(number + step) % len(PROMPTS)], image) for step in (0, 1, 3)]
    file = out / "whole.pt"
    torch.save({"state_dict": {**kept, TABLE: table}}, file)
    scores = hpsv2_scores(file, [(prompt, image) for _, prompt, image in pairs])
    file.unlink()
    expected = {
        "versions": versions(),
        "architecture": ARCHITECTURE,
        "tokens": used.tolist(),
        "scores": [
            {"image": name, "prompt": prompt, "score": score}
            for (name, prompt, _), score in zip(pairs, scores, strict=True)
        ],
    }
    (out / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
