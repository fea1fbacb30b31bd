"""Makes tests/parity/fixtures/pickscore: what the README's own code says of a few pictures.

    python tests/parity/oracle_pickscore.py UPSTREAM OUT

Run outside the product's environment, with transformers 4.27.3, which upstream asks for (torch
2.2.2 and numpy < 2 go with it). UPSTREAM is a checkout of github.com/yuvalkirstain/PickScore; the
code under "Inference with PickScore" in its README is run as it stands, but for the names of the
two repositories and of the device. The CLIP is transformers' own class, smaller than ViT-H/14, with
random weights; they are kept in float16, and the oracle reads what is kept. The files beside them
are as such repositories have had them since 2022.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from transformers import CLIPConfig, CLIPModel
from transformers.models.clip.tokenization_clip import bytes_to_unicode

SIZE, PATCH = 40, 8
# 44 × 41 and 41 × 47 leave an odd margin to crop, where rounding shows.
SHAPES = [(40, 40), (44, 41), (41, 47), (31, 90), (120, 45), (9, 14)]
PROMPTS = [
    "a red circle",
    "A  Photo of THREE green stars, on a black background!",
    "café — 東京 🚀 naïve",
    "",
    "a very long tale of a red circle " * 12,
    "a very long tale of a red circle " * 12 + "and a star",
]
MERGES = ["r e", "re d</w>", "c i", "ci r", "c l", "cl e</w>", "s t", "a r", "st ar", "o f</w>"]


def save_inputs(folder: Path) -> int:
    """Tokenizer and image processor, as CLIP-H's repository has them; the number of tokens."""
    pieces = list(bytes_to_unicode().values())
    vocabulary = [*pieces, *(piece + "</w>" for piece in pieces)]
    vocabulary += [merge.replace(" ", "") for merge in MERGES]
    vocabulary += ["<|startoftext|>", "<|endoftext|>"]
    numbers = {piece: number for number, piece in enumerate(vocabulary)}
    special = {
        "bos_token": "<|startoftext|>",
        "eos_token": "<|endoftext|>",
        "pad_token": "<|endoftext|>",
        "unk_token": "<|endoftext|>",
    }
    tokenizer = {**special, "model_max_length": 77, "tokenizer_class": "CLIPTokenizer"}
    processor = {
        "crop_size": SIZE,
        "do_center_crop": True,
        "do_normalize": True,
        "do_resize": True,
        "feature_extractor_type": "CLIPFeatureExtractor",
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
        "processor_class": "CLIPProcessor",
        "resample": 3,
        "size": SIZE,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *MERGES]) + "\n")
    write_json(folder / "special_tokens_map.json", special)
    write_json(folder / "tokenizer_config.json", tokenizer)
    write_json(folder / "preprocessor_config.json", processor)
    (folder / "vocab.json").write_text(json.dumps(numbers, ensure_ascii=False) + "\n")
    return len(vocabulary)


def save_clip(folder: Path, tokens: int, features: int) -> None:
    """A small CLIP with random weights, none of them 0 or 1."""
    sizes = {"hidden_size": 24, "intermediate_size": 32, "num_attention_heads": 2}
    text = {"vocab_size": tokens, "num_hidden_layers": 2, "hidden_act": "gelu", **sizes}
    vision = {"image_size": SIZE, "patch_size": PATCH, "num_hidden_layers": 2, "hidden_act": "gelu"}
    config = CLIPConfig(
        text_config=text, vision_config={**vision, **sizes}, projection_dim=features
    )
    clip = CLIPModel(config)
    blur(clip, 0.12)
    clip.logit_scale.data.fill_(4.6052)
    config.save_pretrained(folder)
    save_file(halved(clip), folder / "model.safetensors", metadata={"format": "pt"})


def halved(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Its weights in float16; the numbers of positions stay whole."""
    return {
        name: tensor.half() if tensor.is_floating_point() else tensor
        for name, tensor in module.state_dict().items()
    }


def blur(module: torch.nn.Module, spread: float) -> None:
    """Noise on everything, so that nothing is without consequence."""
    for tensor in module.parameters():
        tensor.data += spread * torch.randn_like(tensor)


def save_pictures(folder: Path) -> list[Image.Image]:
    """Blots of colour, as files and as they are read again."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.RandomState(0)
    pictures = []
    for width, height in SHAPES:
        coarse = Image.fromarray(rng.randint(0, 256, (6, 6, 3)).astype(np.uint8))
        path = folder / f"{width}x{height}.png"
        coarse.resize((width, height), Image.Resampling.BICUBIC).save(path)
        pictures.append(Image.open(path))
    return pictures


def write_json(path: Path, value: Any) -> None:
    """As people read it."""
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def origin(repository: str, upstream: Path, *packages: str) -> dict[str, Any]:
    """What the numbers are from."""
    command = ["git", "-C", str(upstream), "rev-parse", "HEAD"]
    commit = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    return {
        "upstream": f"{repository}@{commit}",
        "versions": {name: version(name) for name in ("torch", "transformers", *packages)},
    }


def readme_code(upstream: Path, start: str, end: str) -> str:
    """The first block of Python in the README that has ``start``, up to ``end``."""
    blocks = re.findall(r"```python\n(.*?)```", (upstream / "README.md").read_text(), re.DOTALL)
    return next(block for block in blocks if start in block).split(end)[0]


class Softmaxed:
    """``torch.softmax``, which remembers what it was given: the README shows no more than it."""

    def __init__(self) -> None:
        self.given = torch.empty(0)
        self._softmax = torch.softmax

    def __call__(self, scores: torch.Tensor, dim: int) -> torch.Tensor:
        """What ``torch.softmax`` gives."""
        self.given = scores
        return self._softmax(scores, dim=dim)


def main(upstream: Path, out: Path) -> None:
    """Write the fixture."""
    torch.manual_seed(0)
    tokens = save_inputs(out / "processor")
    save_clip(out / "clip", tokens, 24)
    pictures = save_pictures(out / "images")

    code = readme_code(upstream, "calc_probs", "pil_images =")
    for theirs, ours in (
        ('"cuda"', '"cpu"'),
        ('"laion/CLIP-ViT-H-14-laion2B-s32B-b79K"', repr(str(out / "processor"))),
        ('"yuvalkirstain/PickScore_v1"', repr(str(out / "clip"))),
    ):
        assert code.count(theirs) == 1, theirs
        code = code.replace(theirs, ours)
    torch.softmax = softmaxed = Softmaxed()  # type: ignore[assignment]
    names: dict[str, Any] = {}
    exec(compile(code, "README.md", "exec"), names)

    scores = []
    for prompt in PROMPTS:
        names["calc_probs"](prompt, pictures)
        scores.append(softmaxed.given.tolist())
    expected = {
        **origin("yuvalkirstain/PickScore", upstream, "tokenizers", "numpy", "pillow"),
        "images": [Path(picture.filename).name for picture in pictures],
        "prompts": PROMPTS,
        "scores": scores,
    }
    write_json(out / "expected.json", expected)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
