"""CLIPScore on tiny random models, saved and opened as a user's, against transformers' own pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from synpic.errors import RewardError
from synpic.score.clip_score import ClipScore
from synpic.shapes.pipelines import build_clip

PROMPTS = ["a red circle", "three green stars on a black background", "a red circle"]


@pytest.fixture(scope="module")
def images() -> list[Image.Image]:
    rng = np.random.default_rng(0)
    sizes = [(32, 32), (48, 40), (31, 90)]
    return [Image.fromarray(rng.integers(0, 256, (h, w, 3), np.uint8)) for w, h in sizes]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clip")
    torch.manual_seed(0)
    for part in build_clip():
        part.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def siglip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import SiglipConfig, SiglipImageProcessorPil, SiglipModel

    folder = tmp_path_factory.mktemp("siglip")
    torch.manual_seed(0)
    _, tokenizer, _ = build_clip()
    small: dict[str, Any] = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }
    text = {"vocab_size": len(tokenizer), "max_position_embeddings": 16, **small}
    vision = {"image_size": 32, "patch_size": 8, **small}
    SiglipModel(SiglipConfig(text_config=text, vision_config=vision)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    SiglipImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_is_the_cosine_that_transformers_computes(
    kind: str, images: list[Image.Image], request: pytest.FixtureRequest
) -> None:
    from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

    folder = request.getfixturevalue(kind)
    scores = ClipScore(str(folder), None, "cpu").score(PROMPTS, images)

    model = AutoModel.from_pretrained(folder).eval()
    processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
    tokens = AutoTokenizer.from_pretrained(folder)(
        PROMPTS, padding="max_length", max_length=16, return_tensors="pt"
    )
    with torch.no_grad():
        out = model(
            input_ids=tokens.input_ids,
            pixel_values=processor(images=images, return_tensors="pt").pixel_values,
        )
    # The forward pass scales the cosine: by exp(logit_scale), and a SigLIP adds its bias.
    logits = out.logits_per_image.diagonal() - getattr(model, "logit_bias", torch.zeros(1))
    expected = (logits / model.logit_scale.exp()).tolist()
    assert scores == pytest.approx(expected, abs=1e-5)
    assert len({round(score, 4) for score in scores}) == 3


def test_what_shares_the_batch_changes_nothing(clip: Path, images: list[Image.Image]) -> None:
    reward = ClipScore(str(clip), None, "cpu")
    together = reward.score(PROMPTS, images)
    alone = [reward.score([p], [i])[0] for p, i in zip(PROMPTS, images, strict=True)]
    assert together == pytest.approx(alone, abs=1e-6)


def test_what_is_longer_than_the_tower_reads_is_cut_off(
    clip: Path, images: list[Image.Image]
) -> None:
    reward = ClipScore(str(clip), None, "cpu")
    long = "a red circle " * 500
    one, other = reward.score([long, long + "and a star"], [images[0]] * 2)
    assert one == pytest.approx(other, abs=1e-6)


def test_weights_that_are_missing_or_foreign_are_named(clip: Path, tmp_path: Path) -> None:
    for file in clip.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    tensors = load_file(clip / "model.safetensors")
    tensors["visual_projection.wait"] = tensors.pop("visual_projection.weight")
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(RewardError, match=r"lacks weights: visual_projection\.weight"):
        ClipScore(str(tmp_path), None, "cpu")

    tensors["visual_projection.weight"] = tensors["visual_projection.wait"].clone()
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(RewardError, match=r"foreign weights: visual_projection\.wait"):
        ClipScore(str(tmp_path), None, "cpu")


def test_another_kind_of_model_is_refused(tmp_path: Path) -> None:
    from transformers import T5Config, T5EncoderModel

    config = T5Config(vocab_size=8, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2)
    T5EncoderModel(config).save_pretrained(tmp_path)
    with pytest.raises(RewardError, match="neither a CLIP nor a SigLIP"):
        ClipScore(str(tmp_path), None, "cpu")
