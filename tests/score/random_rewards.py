"""Checkpoints of random weights for every reward, laid out as their makers published them.

At full size they weigh and cost what the real ones do, and at a reduced one they have the same
parts; what they say of an image is noise.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel

from synpic.score.cyclereward import CycleReward
from synpic.score.hpsv2 import HPSv2
from synpic.score.hpsv3 import Hpsv3
from synpic.score.hpsv3_text import Hpsv3Text
from synpic.score.imagereward import ImageReward
from synpic.score.vlm.ratings import RUBRIC
from tests.generate.tiny import clip_tokenizer
from tests.score import tiny_hpsv3
from tests.score.endpoint_server import let_answer
from tests.score.tiny_got import save_got
from tests.score.tiny_vlms import save_vlm

__all__ = ["FULL", "REDUCED", "RandomReward", "Size", "make"]


@dataclass(frozen=True)
class Tower:
    """A transformer's size."""

    width: int
    layers: int
    heads: int


@dataclass(frozen=True)
class Size:
    """Sizes of all rewards.

    Args:
        h: CLIP-H's two towers, of HPSv2, PickScore and MPS, and the width they share.
        l14: CLIP-L/14's, of the aesthetic predictor and CLIPScore.
        blip: ImageReward's and CycleReward's.
        t5: VQAScore's reader, whose picture tower is ``l14``.
        vlm: the language model of a VLM; at full size HPSv3 has a smaller one.
    """

    h_vision: Tower
    h_text: Tower
    h_joint: int
    h_patch: int
    l_vision: Tower
    l_text: Tower
    l_joint: int
    blip_vision: Tower
    blip_text: Tower
    t5: Tower
    t5_feed: int
    vlm: Tower


FULL = Size(
    h_vision=Tower(1280, 32, 16),
    h_text=Tower(1024, 24, 16),
    h_joint=1024,
    h_patch=14,
    l_vision=Tower(1024, 24, 16),
    l_text=Tower(768, 12, 12),
    l_joint=768,
    blip_vision=Tower(1024, 24, 16),
    blip_text=Tower(768, 12, 12),
    t5=Tower(2048, 24, 32),
    t5_feed=5120,
    vlm=Tower(4096, 36, 32),
)
"""As published; VQAScore's is that of CLIP-FlanT5-xl."""

REDUCED = Size(
    h_vision=Tower(320, 8, 4),
    h_text=Tower(256, 6, 4),
    h_joint=256,
    h_patch=14,
    l_vision=Tower(256, 8, 4),
    l_text=Tower(192, 4, 3),
    l_joint=192,
    blip_vision=Tower(256, 8, 4),
    blip_text=Tower(192, 4, 3),
    t5=Tower(256, 4, 4),
    t5_feed=640,
    vlm=Tower(256, 6, 4),
)
"""A quarter of the width and depth."""


@dataclass(frozen=True)
class RandomReward:
    """What a recipe says to score with it.

    Args:
        reward: the registered name.
        checkpoint: its folder.
        options: where its companions are.
    """

    reward: str
    checkpoint: Path
    options: Mapping[str, str] = field(default_factory=dict)

    def table(self, name: str, batch_size: int, **options: Any) -> str:
        """A table of a recipe."""
        given = {**self.options, **options}
        inline = ", ".join(f"{key} = {json.dumps(value)}" for key, value in given.items())
        return (
            f"[rewards.{name}]\nreward = {json.dumps(self.reward)}\nbatch_size = {batch_size}\n"
            f"checkpoint = {json.dumps(str(self.checkpoint))}\noptions = {{ {inline} }}\n\n"
        )


def make(name: str, root: Path, size: Size) -> RandomReward:
    """The reward called ``name``, with its folders below ``root``."""
    torch.manual_seed(0)
    return _MAKERS[name](root, size)


def _clip(folder: Path, vision: Tower, text: Tower, joint: int, edge: int = 224) -> Path:
    """A CLIP of transformers with its processor; what is there already is used."""
    if (folder / "config.json").exists():
        return folder
    tokenizer = clip_tokenizer()
    config = CLIPConfig(
        projection_dim=joint,
        vision_config={
            "hidden_size": vision.width,
            "intermediate_size": 4 * vision.width,
            "num_hidden_layers": vision.layers,
            "num_attention_heads": vision.heads,
            "image_size": edge,
            "patch_size": 14,
            "hidden_act": "gelu",
            "projection_dim": joint,
        },
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": text.width,
            "intermediate_size": 4 * text.width,
            "num_hidden_layers": text.layers,
            "num_attention_heads": text.heads,
            "hidden_act": "gelu",
            "bos_token_id": 512,
            "eos_token_id": 513,
            "pad_token_id": 513,
            "projection_dim": joint,
        },
    )
    CLIPModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    CLIPImageProcessorPil(
        size={"shortest_edge": edge}, crop_size={"height": edge, "width": edge}
    ).save_pretrained(folder)
    return folder


def _clip_h(root: Path, size: Size) -> Path:
    return _clip(root / "clip-h", size.h_vision, size.h_text, size.h_joint)


def _clip_l(root: Path, size: Size, edge: int = 224) -> Path:
    return _clip(root / f"clip-l-{edge}", size.l_vision, size.l_text, size.l_joint, edge)


def _clip_score(root: Path, size: Size) -> RandomReward:
    return RandomReward("clip_score", _clip_l(root, size))


def _pickscore(root: Path, size: Size) -> RandomReward:
    folder = _clip_h(root, size)
    return RandomReward("pickscore", folder, {"processor": str(folder)})


def _aesthetic(root: Path, size: Size) -> RandomReward:
    clip, folder = _clip_l(root, size), root / "aesthetic"
    folder.mkdir(exist_ok=True)
    save_file(_mlp("layers", size.l_joint), folder / "model.safetensors")
    return RandomReward("aesthetic", folder, {"clip": str(clip)})


def _mlp(prefix: str, width: int) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = {}
    for place, out in zip((0, 2, 4, 6, 7), (1024, 128, 64, 16, 1), strict=True):
        found[f"{prefix}.{place}.weight"] = torch.randn(out, width) / width**0.5
        found[f"{prefix}.{place}.bias"] = torch.zeros(out)
        width = out
    return found


def _mps(root: Path, size: Size) -> RandomReward:
    clip, folder = _clip_h(root, size), root / "mps"
    folder.mkdir(exist_ok=True)
    width, head, inner = size.h_joint, 64, 4 * size.h_joint
    queries = 16 * head if size is FULL else width
    shapes = {
        "0.fn.norm.weight": (width,),
        "0.fn.norm.bias": (width,),
        "0.fn.to_q.weight": (queries, width),
        "0.fn.to_kv.weight": (2 * head, width),
        "0.fn.to_out.weight": (width, queries),
        "0.fn.ff.0.weight": (2 * inner, width),
        "0.fn.ff.2.weight": (width, inner),
        "1.fn.norm.weight": (width,),
        "1.fn.norm.bias": (width,),
        "1.fn.rotary_emb.inv_freq": (head // 2,),
        "1.fn.fused_attn_ff_proj.weight": (queries + 2 * head + 2 * inner, width),
        "1.fn.attn_out.weight": (width, queries),
        "1.fn.ff_out.1.weight": (width, inner),
    }
    tower: Any = CLIPModel.from_pretrained(clip)
    tensors = {f"model.{key}": value for key, value in tower.state_dict().items()}
    for layer in range(4):
        for key, shape in shapes.items():
            tensors[f"cross_model.layers.{layer}.{key}"] = torch.randn(shape) / shape[-1] ** 0.5
    save_file(
        {key: value.contiguous() for key, value in tensors.items()}, folder / "model.safetensors"
    )
    return RandomReward("mps", folder, {"processor": str(clip)})


def _hpsv2(root: Path, size: Size) -> RandomReward:
    import open_clip

    folder = root / "hpsv2"
    folder.mkdir(exist_ok=True)
    architecture: dict[str, Any] = {
        "embed_dim": size.h_joint,
        "vision_cfg": {
            "image_size": 224,
            "layers": size.h_vision.layers,
            "width": size.h_vision.width,
            "head_width": size.h_vision.width // size.h_vision.heads,
            "patch_size": size.h_patch,
        },
        "text_cfg": {
            "context_length": 77,
            "vocab_size": 49408,
            "width": size.h_text.width,
            "heads": size.h_text.heads,
            "layers": size.h_text.layers,
        },
    }
    model = open_clip.CLIP(**architecture)
    save_file(model.state_dict(), folder / "HPS_v2.1_compressed.safetensors")
    # The published file says nothing of its architecture: the class does.
    HPSv2._architecture = staticmethod(lambda: architecture)  # type: ignore[method-assign]
    return RandomReward("hpsv2", folder)


def _hpsv3(root: Path, size: Size) -> RandomReward:
    from transformers import Qwen2VLConfig

    from synpic.score.towers import hpsv3_tower

    text = Tower(3584, 28, 28) if size is FULL else size.vlm
    words = tiny_hpsv3.save_processor(
        root / "qwen2-vl",
        width=text.width,
        layers=text.layers,
        heads=text.heads,
        vision=1280 if size is FULL else 64,
    )
    folder = root / "hpsv3"
    folder.mkdir(exist_ok=True)
    config: Any = Qwen2VLConfig.from_pretrained(words)
    config.text_config.vocab_size = tiny_hpsv3.TOKENS
    save_file(
        {name: _random(shape) for name, shape in hpsv3_tower.shapes(config).items()},
        folder / tiny_hpsv3.WEIGHTS,
    )
    # The authors' text is not here.
    text_around = Hpsv3Text(tiny_hpsv3.INSTRUCTION, tiny_hpsv3.ENDING)
    Hpsv3._instruction = staticmethod(lambda: text_around)  # type: ignore[method-assign]
    return RandomReward("hpsv3", folder, {"processor": str(words)})


def _imagereward(root: Path, size: Size) -> RandomReward:
    from synpic.score.towers.rating_head import rating_head

    folder = root / "imagereward"
    folder.mkdir(exist_ok=True)
    described = {**CycleReward._text, **_blip_text(size)}
    (folder / "med_config.json").write_text(json.dumps(described))
    ImageReward._vision = {**ImageReward._vision, **_blip_vision(size)}
    head = rating_head(size.blip_text.width)
    _save_blip(folder / "ImageReward.safetensors", ImageReward._vision, described, head)
    return RandomReward("imagereward", folder, {"tokenizer": _bert(root)})


def _cyclereward(root: Path, size: Size) -> RandomReward:
    from synpic.score.towers.rating_head import bending_head

    folder = root / "cyclereward"
    folder.mkdir(exist_ok=True)
    CycleReward._vision = {**CycleReward._vision, **_blip_vision(size)}
    CycleReward._text = {**CycleReward._text, **_blip_text(size)}
    head = bending_head(size.blip_text.width)
    _save_blip(folder / "model.safetensors", CycleReward._vision, CycleReward._text, head)
    return RandomReward("cyclereward", folder, {"tokenizer": _bert(root)})


def _blip_vision(size: Size) -> dict[str, Any]:
    return {
        "hidden_size": size.blip_vision.width,
        "intermediate_size": 4 * size.blip_vision.width,
        "num_hidden_layers": size.blip_vision.layers,
        "num_attention_heads": size.blip_vision.heads,
    }


def _blip_text(size: Size) -> dict[str, Any]:
    return {
        "hidden_size": size.blip_text.width,
        "intermediate_size": 4 * size.blip_text.width,
        "num_hidden_layers": size.blip_text.layers,
        "num_attention_heads": size.blip_text.heads,
    }


def _save_blip(path: Path, vision: Mapping[str, Any], text: Mapping[str, Any], head: Any) -> None:
    from synpic.score.towers.blip import blip_parts, in_blip_file

    tensors = {
        in_blip_file(part, key): _random(value.shape)
        for part, module in blip_parts(vision, text, head).items()
        for key, value in module.state_dict().items()
    }
    save_file(tensors, path)


def _bert(root: Path) -> str:
    """A folder of BERT's tokenizer, which knows letters."""
    words = root / "bert"
    words.mkdir(exist_ok=True)
    letters = "abcdefghijklmnopqrstuvwxyz0123456789.,'-"
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters]
    vocabulary += [f"##{letter}" for letter in letters]
    vocabulary += [f"[unused{n}]" for n in range(30522 - len(vocabulary))]
    (words / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    (words / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "BertTokenizer", "do_lower_case": True})
    )
    return str(words)


def _qwen(size: Size) -> dict[str, int]:
    """The language model of a Qwen, by the names of its configuration."""
    return {
        "hidden_size": size.vlm.width,
        "intermediate_size": 3 * size.vlm.width,
        "num_hidden_layers": size.vlm.layers,
        "num_attention_heads": size.vlm.heads,
        "num_key_value_heads": max(1, size.vlm.heads // 4),
    }


def _ocr(root: Path, size: Size) -> RandomReward:
    return RandomReward("ocr", save_got(root / "got"))


def _vlm_yes(root: Path, size: Size) -> RandomReward:
    return RandomReward("vlm_yes", save_vlm("qwen3_vl", root / "vlm", **_qwen(size)))


def _vlm_rating(root: Path, size: Size) -> RandomReward:
    # Of random weights any token may be the likeliest: let it be a rating.
    folder = save_vlm("qwen3_vl", root / "rating", **_qwen(size))
    return RandomReward("vlm_rating", let_answer(folder, "12345", 20, question=RUBRIC))


def _vqascore(root: Path, size: Size) -> RandomReward:
    from synpic.score import clip_t5
    from synpic.score.clip_t5_names import in_the_file
    from synpic.score.t5_tokens import T5Tokens

    vision, folder, words = _clip_l(root, size, 336), root / "vqascore", root / "t5"
    for path in (folder, words):
        path.mkdir(exist_ok=True)
    _spiece(words / "spiece.model", 32_000 if size is FULL else 400)
    tokens = len(T5Tokens(str(words), None))
    config = {
        "d_model": size.t5.width,
        "d_kv": size.t5.width // size.t5.heads,
        "d_ff": size.t5_feed,
        "num_layers": size.t5.layers,
        "num_decoder_layers": size.t5.layers,
        "num_heads": size.t5.heads,
        "relative_attention_num_buckets": 32,
        "relative_attention_max_distance": 128,
        "layer_norm_epsilon": 1e-6,
        "feed_forward_proj": "gated-gelu",
        "mm_vision_select_layer": -2,
        "mm_projector_type": "mlp2x_gelu",
        "mm_vision_select_feature": "patch",
        "tie_word_embeddings": False,
    }
    (folder / "config.json").write_text(json.dumps(config))
    described: Any = CLIPConfig.from_pretrained(vision).vision_config
    parts = clip_t5._built(config, described, tokens, with_tower=False)
    tensors = {
        in_the_file(part, key): _random(value.shape)
        for part, module in parts.items()
        for key, value in module.state_dict().items()
    }
    save_file(tensors, folder / "model.safetensors")
    return RandomReward("vqascore", folder, {"tokenizer": str(words), "vision": str(vision)})


def _vqascore_xl(root: Path, size: Size) -> RandomReward:
    return replace(_vqascore(root, size), reward="vqascore_xl")


def _spiece(path: Path, pieces: int) -> None:
    """A ``spiece.model`` of made-up words."""
    import numpy as np
    import sentencepiece

    rng = np.random.default_rng(0)
    letters = list("abcdefghijklmnopqrstuvwxyz")
    words = ["".join(rng.choice(letters, rng.integers(3, 9))) for _ in range(pieces)]
    sentences = [" ".join(rng.choice(words, 8)) + "." for _ in range(2 * pieces)]
    with path.open("wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(sentences),
            model_writer=file,
            vocab_size=pieces,
            hard_vocab_limit=False,
            pad_id=0,
            eos_id=1,
            unk_id=2,
            bos_id=-1,
            minloglevel=2,
        )


def _random(shape: torch.Size) -> torch.Tensor:
    return torch.randn(shape) / (shape[-1] ** 0.5 if len(shape) > 1 else 10)


_MAKERS: dict[str, Callable[[Path, Size], RandomReward]] = {
    "clip_score": _clip_score,
    "aesthetic": _aesthetic,
    "cyclereward": _cyclereward,
    "hpsv2": _hpsv2,
    "hpsv3": _hpsv3,
    "imagereward": _imagereward,
    "mps": _mps,
    "pickscore": _pickscore,
    "vlm_rating": _vlm_rating,
    "ocr": _ocr,
    "vlm_yes": _vlm_yes,
    "vqascore": _vqascore,
    "vqascore_xl": _vqascore_xl,
}
