"""Makes tests/parity/fixtures/aesthetic: what upstream's own code says of a few pictures.

    python tests/parity/oracle_aesthetic.py UPSTREAM OUT

Run outside the product's environment, where OpenAI's ``clip`` is installed. UPSTREAM is a checkout
of github.com/christophschuhmann/improved-aesthetic-predictor; its ``MLP`` and ``normalized`` are
taken out of simple_inference.py, which as a whole is a script for one GPU. The tower is ``clip``'s
own class, smaller than ViT-L/14, with random weights; they are kept in float16, and the oracle
reads what is kept.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import clip.clip
import clip.model
import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

SIZE, PATCH, WIDTH, LAYERS, HEADS, FEATURES = 32, 8, 16, 2, 2, 12
# 44 × 40 and 40 × 47 leave an odd margin to crop, where rounding shows.
SHAPES = [(32, 32), (44, 40), (40, 47), (31, 90), (120, 45), (9, 14)]


def upstreams(folder: Path) -> dict[str, Any]:
    """``MLP`` and ``normalized`` of simple_inference.py."""
    tree = ast.parse((folder / "simple_inference.py").read_text())
    wanted = [node for node in tree.body if getattr(node, "name", None) in ("MLP", "normalized")]
    pl = SimpleNamespace(LightningModule=nn.Module)
    found: dict[str, Any] = {"nn": nn, "np": np, "pl": pl}
    exec(compile(ast.Module(wanted, []), "simple_inference.py", "exec"), found)
    return found


def picture(rng: np.random.RandomState, width: int, height: int) -> Image.Image:
    """Blots of colour."""
    coarse = rng.randint(0, 256, (6, 6, 3)).astype(np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def as_transformers(tower: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tower's weights under the names of transformers' CLIPVisionModelWithProjection."""
    whole = {
        "conv1.weight": "embeddings.patch_embedding.weight",
        "class_embedding": "embeddings.class_embedding",
        "positional_embedding": "embeddings.position_embedding.weight",
    }
    pieces = {
        "transformer.resblocks": "encoder.layers",
        "ln_pre": "pre_layrnorm",
        "ln_post": "post_layernorm",
        "ln_1": "layer_norm1",
        "ln_2": "layer_norm2",
        "attn.out_proj": "self_attn.out_proj",
        "mlp.c_fc": "mlp.fc1",
        "mlp.c_proj": "mlp.fc2",
    }
    named = {"visual_projection.weight": tower["proj"].T.contiguous()}
    for name, tensor in tower.items():
        if name == "proj":
            continue
        if "in_proj_" in name:
            start, kind = name.replace("transformer.resblocks", "encoder.layers").split(
                "attn.in_proj_"
            )
            for part, rows in zip("qkv", tensor.chunk(3), strict=True):
                named[f"vision_model.{start}self_attn.{part}_proj.{kind}"] = rows.contiguous()
            continue
        new = whole.get(name, name)
        for old, ours in pieces.items():
            new = new.replace(old, ours)
        named[f"vision_model.{new}"] = tensor
    return named


def main(upstream: Path, out: Path) -> None:
    """Write the fixture."""
    torch.manual_seed(0)
    theirs = upstreams(upstream)
    tower = clip.model.VisionTransformer(SIZE, PATCH, WIDTH, LAYERS, HEADS, FEATURES).eval()
    head = theirs["MLP"](FEATURES).eval()
    for module, spread in ((tower, 1.5), (head, 3.0)):
        for name, parameter in module.named_parameters():
            if "ln_" not in name:
                parameter.data.mul_(spread)
            parameter.data = parameter.data.half().float()

    for folder in ("clip", "head", "images"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    half = {name: tensor.half() for name, tensor in as_transformers(tower.state_dict()).items()}
    save_file(half, out / "clip" / "model.safetensors", metadata={"format": "pt"})
    config = {
        "model_type": "clip_vision_model",
        "hidden_act": "quick_gelu",
        "hidden_size": WIDTH,
        "image_size": SIZE,
        "intermediate_size": 4 * WIDTH,
        "num_attention_heads": HEADS,
        "num_hidden_layers": LAYERS,
        "patch_size": PATCH,
        "projection_dim": FEATURES,
    }
    (out / "clip" / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    half = {name: tensor.half() for name, tensor in head.state_dict().items()}
    save_file(half, out / "head" / "aesthetic-model.safetensors")

    transform = clip.clip._transform(SIZE)
    rng = np.random.RandomState(0)
    scores = {}
    for width, height in SHAPES:
        name = f"{width}x{height}.png"
        picture(rng, width, height).save(out / "images" / name)
        with torch.no_grad():
            shown = transform(Image.open(out / "images" / name)).unsqueeze(0)
            feature = theirs["normalized"](tower(shown).numpy())
            scores[name] = head(torch.from_numpy(feature)).item()
    commit = subprocess.run(
        ["git", "-C", str(upstream), "rev-parse", "HEAD"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    expected = {
        "upstream": f"christophschuhmann/improved-aesthetic-predictor@{commit}",
        "versions": {
            name: version(name) for name in ("torch", "torchvision", "clip-anytorch", "pillow")
        },
        "scores": scores,
    }
    (out / "expected.json").write_text(json.dumps(expected, indent=2) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
