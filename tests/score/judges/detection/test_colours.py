"""Colours by a small CLIP, against open_clip's pass over the same weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from torch.nn.functional import normalize
from transformers import CLIPConfig, CLIPModel

from research.shapes.pipelines import build_clip
from synpic.errors import RewardError
from synpic.score.judges.detection.colours import ColourReader, cut_out
from synpic.score.judges.detection.instances import SeenObject
from synpic.score.judges.geneval import COLOURS

NAMES = ["dog", "tv remote", "dog", "dog"]


def save_clip(folder: Path, activation: str = "quick_gelu") -> None:
    """A small CLIP as OpenAI's repository has it, with random weights."""
    torch.manual_seed(0)
    clip, tokenizer, processor = build_clip()
    described = clip.config.to_dict()
    for part in ("text_config", "vision_config"):
        described[part]["hidden_act"] = activation
    described["text_config"]["max_position_embeddings"] = tokenizer.model_max_length = 77
    made = CLIPModel(CLIPConfig(**described))
    for name, tensor in made.named_parameters():
        # Features of texts and images apart, so that colours are too.
        tensor.data += (0.5 if "embedding" in name else 0.15) * torch.randn_like(tensor)
    made.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    processor.save_pretrained(folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("clip")
    save_clip(made)
    return made


@pytest.fixture(scope="module")
def crops() -> list[Image.Image]:
    rng = np.random.default_rng(0)
    sizes = [(40, 30), (32, 64), (17, 90), (33, 33)] * 2
    return [
        Image.fromarray(rng.integers(0, 256, (4, 4, 3), np.uint8)).resize(size) for size in sizes
    ]


def opened(folder: Path) -> ColourReader:
    return ColourReader(str(folder), None, "cpu", torch.float32)


class OpenClip:
    """open_clip's model with the weights of transformers', and the functions of clip_benchmark."""

    def __init__(self, folder: Path, quick_gelu: bool = True) -> None:
        from transformers import AutoTokenizer

        theirs: Any = CLIPModel.from_pretrained(folder)
        text, vision = theirs.config.text_config, theirs.config.vision_config
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.length = text.max_position_embeddings
        self.size = vision.image_size
        self.model = open_clip.CLIP(
            embed_dim=theirs.config.projection_dim,
            quick_gelu=quick_gelu,
            vision_cfg={
                "image_size": vision.image_size,
                "patch_size": vision.patch_size,
                "width": vision.hidden_size,
                "head_width": vision.hidden_size // vision.num_attention_heads,
                "layers": vision.num_hidden_layers,
            },
            text_cfg={
                "context_length": self.length,
                "vocab_size": text.vocab_size,
                "width": text.hidden_size,
                "heads": text.num_attention_heads,
                "layers": text.num_hidden_layers,
            },
        ).eval()
        self.model.load_state_dict(dict(renamed(theirs.state_dict(), self.model.state_dict())))

    def read(self, texts: list[str]) -> torch.Tensor:
        ids = self.tokenizer(
            texts,
            padding="max_length",
            truncation=True,
            max_length=self.length,
            return_tensors="pt",
        ).input_ids
        features: torch.Tensor = self.model.encode_text(ids)
        return features

    def colour(self, crop: Image.Image, name: str) -> str:
        transform = open_clip.image_transform(self.size, is_train=False)
        with torch.no_grad():
            columns = []
            for colour in COLOURS:
                texts = [f"a photo of a {colour} {name}", f"a photo of a {colour}-colored {name}"]
                features = normalize(self.read([*texts, f"a photo of a {colour} object"]), dim=-1)
                mean = features.mean(dim=0)
                columns.append(mean / mean.norm())
            image = normalize(self.model.encode_image(transform(crop)[None]), dim=-1)
            logits = 100.0 * image @ torch.stack(columns, dim=1)
        return COLOURS[int(logits.argmax(1))]


def renamed(theirs: dict[str, torch.Tensor], ours: dict[str, torch.Tensor]) -> Any:
    """transformers' tensors by open_clip's names."""
    rules = (
        ("visual.conv1.weight", "vision_model.embeddings.patch_embedding.weight"),
        ("visual.class_embedding", "vision_model.embeddings.class_embedding"),
        ("visual.positional_embedding", "vision_model.embeddings.position_embedding.weight"),
        ("visual.ln_pre", "vision_model.pre_layrnorm"),
        ("visual.ln_post", "vision_model.post_layernorm"),
        ("visual.transformer.resblocks", "vision_model.encoder.layers"),
        ("transformer.resblocks", "text_model.encoder.layers"),
        ("token_embedding", "text_model.embeddings.token_embedding"),
        ("ln_final", "text_model.final_layer_norm"),
        (".ln_1", ".layer_norm1"),
        (".ln_2", ".layer_norm2"),
        (".mlp.c_fc", ".mlp.fc1"),
        (".mlp.c_proj", ".mlp.fc2"),
        (".attn.out_proj", ".self_attn.out_proj"),
    )
    for key in ours:
        name = key
        if key == "positional_embedding":
            name = "text_model.embeddings.position_embedding.weight"
        elif key in ("visual.proj", "text_projection"):
            name = "visual_projection.weight" if "visual" in key else "text_projection.weight"
        else:
            for old, new in rules:
                name = name.replace(old, new)
        if "attn.in_proj_" in name:
            before, kind = name.split("attn.in_proj_")
            parts = [f"{before}self_attn.{letter}_proj.{kind}" for letter in "qkv"]
            yield key, torch.cat([theirs[part] for part in parts])
        elif name.endswith("_projection.weight"):
            yield key, theirs[name].T
        else:
            yield key, theirs[name]


def test_is_the_colour_that_open_clip_reads(folder: Path, crops: list[Image.Image]) -> None:
    names = NAMES * 2
    theirs = OpenClip(folder)
    expected = [theirs.colour(crop, name) for crop, name in zip(crops, names, strict=True)]
    reader = opened(folder)
    assert reader.read(crops, names) == expected
    assert [reader.read([crops[at]], [names[at]])[0] for at in (1, 6)] == [expected[1], expected[6]]
    assert len(set(expected)) > 1
    assert reader.read([], []) == []


def test_with_gelu_it_is_another_model(folder: Path, crops: list[Image.Image]) -> None:
    quick, plain = OpenClip(folder), OpenClip(folder, quick_gelu=False)
    with torch.no_grad():
        texts = ["a photo of a red dog"]
        ours = opened(folder)._towers.read(texts)
        assert torch.allclose(ours, quick.read(texts), atol=1e-4)
        assert float((ours - plain.read(texts)).abs().max()) > 1e-2


def test_a_clip_with_gelu_is_refused(tmp_path: Path) -> None:
    save_clip(tmp_path, "gelu")
    with pytest.raises(
        RewardError, match=r"text_config\.hidden_act is 'gelu', expected 'quick_gelu'"
    ):
        opened(tmp_path)


def test_what_is_shown_of_an_object() -> None:
    """The worked crop: what is outside the mask is grey, and the rest is cut off."""
    mask = np.zeros((8, 8), bool)
    mask[2:4, 2:6] = True
    seen = SeenObject("cup", (2.0, 2.0, 6.0, 5.0), 0.9, mask)
    crop = np.asarray(cut_out(Image.new("RGB", (8, 8), "white"), seen))
    assert crop.shape == (3, 4, 3)
    assert (crop[:2] == 255).all()
    assert (crop[2] == 153).all()
