"""The upstream side of ``make parity``: random weights at full size, and upstream's scores by them.

    PYTHON -m tests.parity.at_full_size REWARD FOLDER

PYTHON is of the environment of requirements.txt. FOLDER holds pairs.json and the pictures that it
names, as compare.py leaves them there; weights are put in its folder ``checkpoint``, a tokenizer
in ``bert-base-uncased`` and upstream's scores in scores.json.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import torch
from PIL import Image

from tests.parity import upstream
from tests.parity.inputs import PROMPTS, random_weights

SEED = 20

MED = {
    "architectures": ["BertModel"],
    "attention_probs_dropout_prob": 0.1,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "hidden_size": 768,
    "initializer_range": 0.02,
    "intermediate_size": 3072,
    "layer_norm_eps": 1e-12,
    "max_position_embeddings": 512,
    "model_type": "bert",
    "num_attention_heads": 12,
    "num_hidden_layers": 12,
    "pad_token_id": 0,
    "type_vocab_size": 2,
    "vocab_size": 30524,
    "encoder_width": 768,
    "add_cross_attention": True,
}
"""The settings of the authors' ``med_config.json``, which cannot be downloaded here."""


def vocabulary(size: int) -> list[str]:
    """As many entries as BERT's, special ones in their places; words of our prompts among them."""
    letters = sorted({sign for sign in "".join(PROMPTS).lower() if not sign.isspace()} | {"e"})
    words = sorted({word.strip(",.!") for word in " ".join(PROMPTS).lower().split()})
    whole = [word for word in words if word.isascii() and word.isalpha() and len(word) > 1]
    special = ["[PAD]", *(f"[unused{n}]" for n in range(99)), "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    # Half of the words are left to be put together from their letters.
    known = [*special, *letters, *(f"##{letter}" for letter in letters), *whole[::2]]
    return [*known, *(f"filler{n}" for n in range(size - len(known)))]


def hpsv2(folder: Path, pairs: list[tuple[str, Image.Image]]) -> list[float]:
    """Scores by ViT-H-14."""
    model = upstream.hpsv2_model()
    file = folder / "checkpoint" / "HPS_v2.1_compressed.pt"
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    torch.save({"state_dict": random_weights(shapes, SEED)}, file)
    return upstream.hpsv2_scores(file, pairs)


def imagereward(folder: Path, pairs: list[tuple[str, Image.Image]]) -> list[float]:
    """Scores by BLIP, ViT-L/16 and BERT-base."""
    described = folder / "checkpoint" / "med_config.json"
    described.write_text(json.dumps(MED))
    tokenizer = folder / "bert-base-uncased"
    tokenizer.mkdir()
    words = vocabulary(MED["vocab_size"] - 2)  # type: ignore[operator]
    (tokenizer / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")

    state = upstream.image_reward(None, described, tokenizer).state_dict()
    shapes = {k: tuple(tensor.shape) for k, tensor in state.items() if tensor.is_floating_point()}
    file = folder / "checkpoint" / "ImageReward.pt"
    torch.save({**state, **random_weights(shapes, SEED)}, file)
    del state
    model = upstream.image_reward(file, described, tokenizer)
    return upstream.image_reward_scores(model, pairs)


def main(reward: str, folder: Path) -> None:
    """Write weights and scores."""
    listed = json.loads((folder / "pairs.json").read_text())
    pairs = [(one["prompt"], Image.open(folder / one["image"])) for one in listed]
    (folder / "checkpoint").mkdir()
    begun = time.monotonic()
    scores = {"hpsv2": hpsv2, "imagereward": imagereward}[reward](folder, pairs)
    said = {
        "scores": scores,
        "seconds": time.monotonic() - begun,
        "versions": upstream.versions(),
    }
    (folder / "scores.json").write_text(json.dumps(said))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
