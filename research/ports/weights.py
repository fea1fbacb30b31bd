"""Random weights in the layouts in which the packages and synpic read them, from one seed.

The towers are the published architectures with fewer and narrower layers; they read pictures of 224
pixels, as the published ones do. Where a package writes a width into its code, that width is kept.
Folders have the names of the Hub's repositories: a package that runs in this folder finds them.
"""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from open_clip.tokenizer import bytes_to_unicode
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import CLIPConfig, CLIPModel

from synpic.score.towers.blip import VISION, blip_parts, in_blip_file
from synpic.score.towers.rating_head import bending_head, rating_head
from tests.parity.bert import MED, vocabulary
from tests.parity.inputs import named_weight, random_weights
from tests.score import tiny_hpsv3

__all__ = [
    "AESTHETIC",
    "BLIP_TOWER",
    "CLIP_H",
    "CLIP_L",
    "HPSV2",
    "LOGIT_SCALE",
    "PICKSCORE",
    "make",
]

CLIP_H = "laion/CLIP-ViT-H-14-laion2B-s32B-b79K"
CLIP_L = "openai/clip-vit-large-patch14"
PICKSCORE = "yuvalkirstain/PickScore_v1"
AESTHETIC = "aesthetic"
VOCABULARY = 49408
LOGIT_SCALE = 4.6052
"""Its exponential, 100, is the greatest that CLIP allows; published ones are near it."""

BLIP_TOWER = {**VISION, "num_hidden_layers": 2}
"""ViT-L/16 with two layers."""

FIXTURES = Path(__file__).parents[2] / "tests" / "parity" / "fixtures"
HEAD = "sac+logos+ava1-l14-linearMSE.pth"

HPSV2: dict[str, Any] = {
    "embed_dim": 48,
    "vision_cfg": {"image_size": 224, "layers": 2, "width": 64, "head_width": 16, "patch_size": 14},
    "text_cfg": {
        "context_length": 77,
        "vocab_size": VOCABULARY,
        "width": 64,
        "heads": 4,
        "layers": 2,
    },
}
"""open_clip's ViT-H-14, narrower."""


def make(kind: str, root: Path) -> None:
    """Write what rewards of ``kind`` need below ``root``, where it is not there yet."""
    done = root / f".{kind}"
    if not done.exists():
        _MAKERS[kind](root)
        done.touch()


def _tokenizer(folder: Path) -> None:
    """CLIP's own tokenizer from the byte pairs that open_clip ships, and the image processor."""
    folder.mkdir(parents=True, exist_ok=True)
    spec = find_spec("open_clip")
    assert spec is not None
    assert spec.origin is not None
    pairs = Path(spec.origin).parent / "bpe_simple_vocab_16e6.txt.gz"
    merges = gzip.decompress(pairs.read_bytes()).decode().split("\n")[1 : VOCABULARY - 512 - 1]
    pieces = list(bytes_to_unicode().values())
    words = [*pieces, *(f"{one}</w>" for one in pieces), *(m.replace(" ", "") for m in merges)]
    words += ["<|startoftext|>", "<|endoftext|>"]
    special = {
        "bos_token": "<|startoftext|>",
        "eos_token": "<|endoftext|>",
        "pad_token": "<|endoftext|>",
        "unk_token": "<|endoftext|>",
    }
    processor = {
        "crop_size": 224,
        "do_center_crop": True,
        "do_normalize": True,
        "do_resize": True,
        "feature_extractor_type": "CLIPFeatureExtractor",
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
        "processor_class": "CLIPProcessor",
        "resample": 3,
        "size": 224,
    }
    tokenizer = {**special, "model_max_length": 77, "tokenizer_class": "CLIPTokenizer"}
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n")
    (folder / "vocab.json").write_text(
        json.dumps({word: number for number, word in enumerate(words)}, ensure_ascii=False)
    )
    for name, value in (
        ("special_tokens_map.json", special),
        ("tokenizer_config.json", tokenizer),
        ("preprocessor_config.json", processor),
    ):
        (folder / name).write_text(json.dumps(value))


def _shapes(module: nn.Module) -> dict[str, tuple[int, ...]]:
    return {
        name: tuple(tensor.shape)
        for name, tensor in module.state_dict().items()
        if tensor.is_floating_point()
    }


def _clip(folder: Path, act: str, projection: int, seed: int) -> dict[str, Tensor]:
    """A CLIP of transformers with tokenizer and image processor; returns its weights."""
    _tokenizer(folder)
    sizes = {"num_hidden_layers": 2, "hidden_act": act, "num_attention_heads": 2}
    text = {"vocab_size": VOCABULARY, "hidden_size": 128, "intermediate_size": 512}
    vision = {
        "image_size": 224,
        "patch_size": 14,
        "hidden_size": 128,
        "intermediate_size": 512,
    }
    config = CLIPConfig(
        text_config={**text, **sizes, "projection_dim": projection},
        vision_config={**vision, **sizes, "projection_dim": projection},
        projection_dim=projection,
    )
    config.architectures = ["CLIPModel"]
    made = random_weights(_shapes(CLIPModel(config)), seed)
    # As published: OpenAI's are kept in float16, and its loader rounds to that.
    made = {name: tensor.half().float() for name, tensor in made.items()}
    made["logit_scale"] = torch.tensor(LOGIT_SCALE)
    config.save_pretrained(folder)
    save_file(made, folder / "model.safetensors", {"format": "pt"})
    return made


def _clip_h(root: Path) -> None:
    _clip(root / CLIP_H, "gelu", 1024, 11)
    _clip(root / PICKSCORE, "gelu", 1024, 12)


def _clip_l(root: Path) -> None:
    made = _clip(root / CLIP_L, "quick_gelu", 768, 13)
    torch.save(_in_openai_names(made), root / "ViT-L-14.pt")
    (root / AESTHETIC).mkdir(exist_ok=True)
    head = random_weights(_shapes(rating_head(768)), 14)
    torch.save(head, root / AESTHETIC / HEAD)


def _in_openai_names(made: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A CLIP's weights under the names of github.com/openai/CLIP."""
    found: dict[str, Tensor] = {
        "logit_scale": made["logit_scale"],
        "text_projection": made["text_projection.weight"].T.contiguous(),
        "visual.proj": made["visual_projection.weight"].T.contiguous(),
        "positional_embedding": made["text_model.embeddings.position_embedding.weight"],
        "token_embedding.weight": made["text_model.embeddings.token_embedding.weight"],
        "visual.class_embedding": made["vision_model.embeddings.class_embedding"],
        "visual.positional_embedding": made["vision_model.embeddings.position_embedding.weight"],
        "visual.conv1.weight": made["vision_model.embeddings.patch_embedding.weight"],
    }
    norms = {
        "ln_final": "text_model.final_layer_norm",
        "visual.ln_pre": "vision_model.pre_layrnorm",
        "visual.ln_post": "vision_model.post_layernorm",
    }
    inner = {
        "ln_1": "layer_norm1",
        "ln_2": "layer_norm2",
        "mlp.c_fc": "mlp.fc1",
        "mlp.c_proj": "mlp.fc2",
        "attn.out_proj": "self_attn.out_proj",
    }
    for tower, start in (("text_model", ""), ("vision_model", "visual.")):
        for layer in range(2):
            theirs = f"{tower}.encoder.layers.{layer}"
            ours = f"{start}transformer.resblocks.{layer}"
            norms |= {f"{ours}.{a}": f"{theirs}.{b}" for a, b in inner.items()}
            for kind in ("weight", "bias"):
                found[f"{ours}.attn.in_proj_{kind}"] = torch.cat(
                    [made[f"{theirs}.self_attn.{part}_proj.{kind}"] for part in "qkv"]
                )
    for a, b in norms.items():
        found |= {f"{a}.{kind}": made[f"{b}.{kind}"] for kind in ("weight", "bias")}
    return found


def _hpsv2(root: Path) -> None:
    from open_clip import CLIP

    (root / "hpsv2").mkdir(exist_ok=True)
    made = random_weights(_shapes(CLIP(**HPSV2)), 15)
    made["logit_scale"] = torch.tensor(LOGIT_SCALE)
    torch.save({"state_dict": made}, root / "hpsv2" / "HPS_v2.1_compressed.pt")
    (root / "hpsv2" / "model.json").write_text(json.dumps(HPSV2))


def _open_clip_l(root: Path) -> None:
    """The weights of ``openai/clip-vit-large-patch14`` as open_clip's repositories hold them."""
    make("clip_l", root)
    made = torch.load(root / "ViT-L-14.pt", weights_only=True)
    folder = root / "timm/vit_large_patch14_clip_224.openai"
    folder.mkdir(parents=True, exist_ok=True)
    save_file(made, folder / "open_clip_model.safetensors")
    tower = {"layers": 2, "width": 128}
    described = {
        "embed_dim": 768,
        "quick_gelu": True,
        "vision_cfg": {**tower, "image_size": 224, "patch_size": 14},
        "text_cfg": {**tower, "context_length": 77, "vocab_size": VOCABULARY, "heads": 2},
    }
    (root / "ViT-L-14.json").write_text(json.dumps(described))


def _blip(root: Path) -> None:
    """ImageReward and CycleReward: widths as published, as packages name them; two layers."""
    words = vocabulary(int(str(MED["vocab_size"])) - 2)
    for name in ("bert-base-uncased", "AI-ModelScope/bert-base-uncased"):
        (root / name).mkdir(parents=True, exist_ok=True)
        (root / name / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    described = {**MED, "num_hidden_layers": BLIP_TOWER["num_hidden_layers"]}
    positions = {"blip.text_encoder.embeddings.position_ids": torch.arange(512)[None]}
    for seed, name, file, head in (
        (16, "imagereward", "ImageReward.pt", rating_head),
        (17, "cyclereward", "CycleReward-Combo.pth", bending_head),
    ):
        (root / name).mkdir(exist_ok=True)
        (root / name / "med_config.json").write_text(json.dumps(described))
        parts = blip_parts(BLIP_TOWER, described, head(768))
        shapes = {
            in_blip_file(part, key): shape
            for part, module in parts.items()
            for key, shape in _shapes(module).items()
        }
        torch.save({**random_weights(shapes, seed), **positions}, root / name / file)


def _mps(root: Path) -> None:
    """As the Hub's file and ModelScope's name them; one layer of the head, in its own width."""
    clip = _clip(root / CLIP_H, "gelu", 1024, 11)
    # So that words of a prompt differ in how near they are to the condition.
    clip["text_model.embeddings.token_embedding.weight"] *= 20
    clip["text_projection.weight"][1:] *= 0.05
    clip["text_model.final_layer_norm.bias"] += 0.5 * clip["text_projection.weight"][0, :128]
    width, heads, inner = 1024, 64, 4096
    layer = "cross_model.layers.0"
    shapes: dict[str, tuple[int, ...]] = {
        f"{layer}.0.fn.norm.weight": (width,),
        f"{layer}.0.fn.to_q.weight": (width, width),
        f"{layer}.0.fn.to_kv.weight": (2 * heads, width),
        f"{layer}.0.fn.to_out.weight": (width, width),
        f"{layer}.0.fn.ff.0.weight": (2 * inner, width),
        f"{layer}.0.fn.ff.2.weight": (width, inner),
        f"{layer}.1.fn.norm.weight": (width,),
        f"{layer}.1.fn.fused_attn_ff_proj.weight": (width + 2 * heads + 2 * inner, width),
        f"{layer}.1.fn.attn_out.weight": (width, width),
        f"{layer}.1.fn.ff_out.1.weight": (width, inner),
    }
    head = random_weights(shapes, 18)
    for place in (0, 1):
        head[f"{layer}.{place}.fn.norm.bias"] = torch.zeros(width)
    head[f"{layer}.1.fn.rotary_emb.inv_freq"] = 1 / 10000 ** (torch.arange(0, heads, 2) / heads)
    named = {**{f"model.{key}": value for key, value in clip.items()}, **head}
    for name, start in (("RE-N-Y/mpsv1", "mps."), ("AI-ModelScope/MPS", "")):
        (root / name).mkdir(parents=True, exist_ok=True)
        made = {start + key: value.contiguous() for key, value in named.items()}
        if start:
            save_file(made, root / name / "model.safetensors")
        else:
            torch.save(made, root / name / "MPS_overall_state_dict.pt")
    shutil.copy(root / CLIP_H / "config.json", root / "AI-ModelScope" / "MPS")


def _hpsv3(root: Path) -> None:
    """The small Qwen2-VL whose numbers the authors' class gave (tests/parity/oracle_hpsv3.py)."""
    tiny_hpsv3.save_processor(root / "qwen2-vl")
    (root / "hpsv3").mkdir(exist_ok=True)
    shapes = json.loads((FIXTURES / "hpsv3.json").read_text())["tensors"]
    made = {name: named_weight(name, tuple(shape)) for name, shape in shapes.items()}
    save_file(made, root / "hpsv3" / tiny_hpsv3.WEIGHTS)


_MAKERS: dict[str, Callable[[Path], None]] = {
    "clip_h": _clip_h,
    "clip_l": _clip_l,
    "hpsv2": _hpsv2,
    "open_clip_l": _open_clip_l,
    "blip": _blip,
    "mps": _mps,
    "hpsv3": _hpsv3,
}
