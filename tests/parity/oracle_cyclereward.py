"""Makes tests/parity/fixtures/cyclereward.json: what CycleReward's own code says of a few pictures.

    PYTHON -m tests.parity.oracle_cyclereward UPSTREAM tests/parity/fixtures/cyclereward.json

PYTHON is of the environment of requirements.txt; UPSTREAM is a clone of
github.com/hjbahng/cyclereward at 36e10773. Upstream's model runs as it stands, with smaller towers,
random weights, and a tokenizer of a few words.
"""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import chdir
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tests.parity.inputs import PROMPTS, named_weight, picture
from tests.parity.oracle_imagereward import MED, POSITIONS, SHAPES, VISION, VOCABULARY
from tests.parity.upstream import restore_transformers, versions

LENGTH = 128
"""Of what is read of a prompt, in tokens."""


def opened(upstream: Path, folder: Path) -> nn.Module:
    """Upstream's model, with the towers of the fixture and random weights.

    Args:
        folder: with ``med_config.json`` and the tokenizer.
    """
    sys.path.insert(0, str(upstream))
    restore_transformers()
    from cyclereward import config, model
    from cyclereward.blip import blip_pretrain, med, vit

    restore_transformers(med)
    # No weights of BLIP are downloaded: all of them are in the file that is loaded next.
    config.cyclereward_args.update(
        blip_path="", image_size=VISION["img_size"], mlp_dim=MED["hidden_size"]
    )
    width = VISION["embed_dim"]
    blip_pretrain.create_vit = lambda *_: (vit.VisionTransformer(**VISION), width)
    with chdir(folder):
        made: nn.Module = model.CycleReward(med_config="med_config.json")
    return made.eval()


def scores(made: Any, pairs: list[tuple[str, Any]]) -> list[float]:
    """As the README asks for them, one picture at a time."""
    return [
        float(made.score(made.preprocess(image).unsqueeze(0), prompt)) for prompt, image in pairs
    ]


def main(upstream: Path, out: Path) -> None:
    """Write the fixture."""
    described = {**MED, "max_position_embeddings": LENGTH}
    with tempfile.TemporaryDirectory() as folder:
        words = Path(folder, "bert-base-uncased")
        words.mkdir()
        (words / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
        Path(folder, "med_config.json").write_text(json.dumps(described))
        made = opened(upstream, Path(folder))
    state = made.state_dict()
    shapes = {name: list(tensor.shape) for name, tensor in state.items() if name != POSITIONS}
    made.load_state_dict({**state, **{n: named_weight(n, tuple(s)) for n, s in shapes.items()}})

    named, pairs = [], []
    for number, (width, height) in enumerate(SHAPES):
        image = picture(number, width, height)
        for step in (0, 1, 3, 4):
            prompt = PROMPTS[(number + step) % len(PROMPTS)]
            named.append({"picture": [number, width, height], "prompt": prompt})
            pairs.append((prompt, image))
    with torch.no_grad():
        found = scores(made, pairs)
        for place, layer in enumerate(made.mlp.layers):
            if isinstance(layer, nn.GELU):
                made.mlp.layers[place] = nn.Identity()
        unbent = scores(made, pairs)
    expected = {
        "cyclereward": "36e10773",
        "versions": versions(),
        "vision": VISION,
        "text": described,
        "vocabulary": VOCABULARY,
        "tensors": shapes,
        "scores": [
            {**one, "score": score, "without GELU": other}
            for one, score, other in zip(named, found, unbent, strict=True)
        ],
    }
    out.write_text(json.dumps(expected, separators=(",", ":"), ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
