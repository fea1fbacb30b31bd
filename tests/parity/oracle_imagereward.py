"""Makes tests/parity/fixtures/imagereward: what the package image-reward says of a few pictures.

    PYTHON -m tests.parity.oracle_imagereward tests/parity/fixtures/imagereward

PYTHON is of the environment of requirements.txt. The model is upstream's own, with smaller towers
and random weights kept in 8 bits, and a tokenizer of a few words.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import torch

from tests.parity.inputs import PROMPTS, pack, picture, random_weights
from tests.parity.upstream import image_reward, image_reward_scores, versions

VISION = {"img_size": 32, "patch_size": 8, "embed_dim": 48, "depth": 2, "num_heads": 3}

# fmt: off
VOCABULARY = [
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "!", "&", ",", ";", "<", ">", "/", "“", "”",
    "[", "]", "_", "a", "b", "and", "the", "of", "in", "on", "with", "new", "line", "oil", "red",
    "blue", "green", "circle", "cat", "crab", "cafe", "quote", "mark", "background", "painting",
    "that", "means", "some", "en", "end", "de", "amp", "text", "tok", "token", "tokens",
    "##s", "##t", "##a", "##e", "##c", "##x", "##thing",
]
# fmt: on

MED = {
    "vocab_size": len(VOCABULARY) + 2,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 40,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "pad_token_id": 0,
    "type_vocab_size": 2,
    "attention_probs_dropout_prob": 0.1,
    "hidden_dropout_prob": 0.1,
    "initializer_range": 0.02,
    "model_type": "bert",
    "encoder_width": 48,
    "add_cross_attention": True,
}

SHAPES = [(32, 32), (44, 40), (40, 47), (31, 90), (200, 75), (9, 14)]
"""As large as the model reads, larger, smaller, wide and tall; odd margins to crop."""

POSITIONS = "blip.text_encoder.embeddings.position_ids"


def main(out: Path) -> None:
    """Write the fixture."""
    (out / "images").mkdir(parents=True, exist_ok=True)
    described = out / "med_config.json"
    described.write_text(json.dumps(MED, indent=1) + "\n")
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = Path(folder, "bert-base-uncased")
        tokenizer.mkdir()
        (tokenizer / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
        state = image_reward(None, described, tokenizer, VISION).state_dict()
        positions = state.pop(POSITIONS)
        shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
        kept = pack(random_weights(shapes, seed=7), out / "weights.safetensors")
        file = Path(folder, "whole.pt")
        torch.save({**kept, POSITIONS: positions}, file)
        model = image_reward(file, described, tokenizer, VISION)
        assert model.blip.tokenizer.enc_token_id == MED["vocab_size"] - 1

        pairs = []
        for number, (width, height) in enumerate(SHAPES):
            name = f"{width}x{height}.png"
            image = picture(number, width, height)
            image.save(out / "images" / name)
            pairs += [(name, PROMPTS[(number + step) % len(PROMPTS)], image) for step in (0, 1, 3)]
        scores = image_reward_scores(model, [(prompt, image) for _, prompt, image in pairs])
    expected = {
        "versions": versions(),
        "vision": VISION,
        "vocabulary": VOCABULARY,
        "scores": [
            {"image": name, "prompt": prompt, "score": score}
            for (name, prompt, _), score in zip(pairs, scores, strict=True)
        ],
    }
    (out / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
