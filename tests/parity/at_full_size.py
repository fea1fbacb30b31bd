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
from tests.parity.bert import MED, vocabulary
from tests.parity.inputs import random_weights

SEED = 20


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
