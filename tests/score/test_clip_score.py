"""CLIPScore on tiny random models, saved and opened as a user's, against the libraries' own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from research.shapes.pipelines import build_clip
from synpic.errors import RewardError, SynpicError
from synpic.score.clip_score import ClipScore
from tests.hub_server import HubServer
from tests.hub_server.fixtures import hub, online

__all__ = ["hub", "online"]

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


def describe(folder: Path, architecture: dict[str, Any], **shown: Any) -> None:
    """Lay out ``folder`` as open_clip's ``push_to_hf_hub`` lays out a repository."""
    described = {"model_cfg": architecture, "preprocess_cfg": shown}
    (folder / "open_clip_config.json").write_text(json.dumps(described))
    torch.manual_seed(0)
    arguments = {**architecture}
    kind = open_clip.CustomTextCLIP if arguments.pop("custom_text", False) else open_clip.CLIP
    save_file(kind(**arguments).state_dict(), folder / "open_clip_model.safetensors")


TEXT = {"context_length": 12, "width": 16, "heads": 2, "layers": 1}


@pytest.fixture(scope="module")
def laion(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CLIP with open_clip's own tokenizer."""
    folder = tmp_path_factory.mktemp("laion")
    vision = {"image_size": 32, "patch_size": 8, "width": 32, "head_width": 16, "layers": 2}
    architecture = {"embed_dim": 8, "quick_gelu": True, "vision_cfg": vision, "text_cfg": TEXT}
    describe(folder, architecture, size=64, mean=[0.5, 0.4, 0.3], interpolation="bilinear")
    return folder


@pytest.fixture(scope="module")
def timms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SigLIP: a tower of timm, images squashed, and a tokenizer that lies beside the weights."""
    folder = tmp_path_factory.mktemp("timms")
    _, tokenizer, _ = build_clip()
    tokenizer.save_pretrained(folder)
    architecture = {
        "embed_dim": 64,
        "init_logit_bias": -10,
        "custom_text": True,
        "vision_cfg": {
            "image_size": 160,
            "timm_model_name": "test_vit",
            "timm_model_pretrained": True,  # a download, if it were heeded
            "timm_pool": "token",
            "timm_proj": "none",
        },
        "text_cfg": {
            **TEXT,
            "vocab_size": len(tokenizer),
            "hf_tokenizer_name": "timm/none",
            "tokenizer_kwargs": {"clean": "canonicalize"},
            "no_causal_mask": True,
            "proj_bias": True,
            "pool_type": "last",
        },
    }
    made = {**architecture, "vision_cfg": {**architecture["vision_cfg"]}}
    made["vision_cfg"]["timm_model_pretrained"] = False
    describe(folder, made, resize_mode="squash", mean=[0.5] * 3, std=[0.5] * 3)
    described = json.loads((folder / "open_clip_config.json").read_text())
    described["model_cfg"] = architecture
    (folder / "open_clip_config.json").write_text(json.dumps(described))
    # timm's own description, which is none of transformers'.
    (folder / "config.json").write_text('{"architecture": "test_vit"}')
    return folder


@pytest.mark.parametrize("kind", ["laion", "timms"])
def test_is_the_cosine_that_open_clip_computes(
    kind: str, images: list[Image.Image], request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(kind)
    prompts = [*PROMPTS[:2], "A, LONG... prompt! " * 20]
    reward = ClipScore(str(folder), None, "cpu")
    scores = reward.score(prompts, images)

    name = f"local-dir:{folder}"
    model, _, transform = open_clip.create_model_and_transforms(name)
    with torch.no_grad():
        seen, read, *_ = model.eval()(
            torch.stack([transform(image) for image in images]),
            open_clip.get_tokenizer(name)(prompts),
        )
    assert scores == pytest.approx((seen * read).sum(-1).tolist(), abs=1e-5)
    assert len({round(score, 3) for score in scores}) == 3
    alone = [reward.score([p], [i])[0] for p, i in zip(prompts, images, strict=True)]
    assert scores == pytest.approx(alone, abs=1e-5)


def test_a_repository_of_both_layouts_is_opened_by_transformers(
    clip: Path, laion: Path, tmp_path: Path, images: list[Image.Image]
) -> None:
    for folder in (laion, clip):
        for file in folder.iterdir():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    both = ClipScore(str(tmp_path), None, "cpu").score(PROMPTS, images)
    assert both == ClipScore(str(clip), None, "cpu").score(PROMPTS, images)


def test_weights_that_an_older_open_clip_wrote_are_the_same_weights(
    laion: Path, tmp_path: Path, images: list[Image.Image]
) -> None:
    (tmp_path / "open_clip_config.json").write_bytes((laion / "open_clip_config.json").read_bytes())
    tensors = load_file(laion / "open_clip_model.safetensors")
    scale = {"logit_scale": tensors["logit_scale"].reshape(1)}  # no cosine knows it
    renamed = {f"module.{key}": value for key, value in (tensors | scale).items()}
    save_file(renamed, tmp_path / "open_clip_model.safetensors")
    before, after = (ClipScore(str(folder), None, "cpu") for folder in (laion, tmp_path))
    assert after.score(PROMPTS, images) == before.score(PROMPTS, images)


def test_open_clips_weights_may_be_a_state_dict_of_torch_and_must_fit(
    laion: Path, tmp_path: Path, images: list[Image.Image]
) -> None:
    (tmp_path / "open_clip_config.json").write_bytes((laion / "open_clip_config.json").read_bytes())
    tensors = load_file(laion / "open_clip_model.safetensors")
    weights = tmp_path / "open_clip_pytorch_model.bin"
    torch.save(tensors, weights)
    scores = ClipScore(str(tmp_path), None, "cpu").score(PROMPTS, images)
    assert scores == ClipScore(str(laion), None, "cpu").score(PROMPTS, images)

    tensors["visual.wait"] = tensors.pop("visual.proj")
    torch.save(tensors, weights)
    with pytest.raises(RewardError, match=r"lacks weights: visual\.proj"):
        ClipScore(str(tmp_path), None, "cpu")
    # open_clip itself would stretch these to fit.
    tensors["visual.proj"] = tensors.pop("visual.wait")
    tensors["positional_embedding"] = tensors["positional_embedding"][:-1]
    torch.save(tensors, weights)
    with pytest.raises(RewardError, match=r"positional_embedding is \(11, 16\), \(12, 16\)"):
        ClipScore(str(tmp_path), None, "cpu")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"multimodal_cfg": {}}, "a CoCa"),
        ({"text_cfg": {"hf_model_name": "roberta-base"}}, "its text tower is roberta-base"),
        ({"wings": 2}, r"cannot build this: .*wings"),
        ({"text_cfg": 3}, "does not describe an open_clip model"),
        ({"text_cfg": {**TEXT, "hf_tokenizer_name": "a/b"}}, "by the tokenizer of a/b, and does"),
    ],
)
def test_what_open_clip_cannot_build_from_this_alone_is_refused(
    change: dict[str, Any], message: str, laion: Path, tmp_path: Path
) -> None:
    described = json.loads((laion / "open_clip_config.json").read_text())
    described["model_cfg"] |= change
    (tmp_path / "open_clip_config.json").write_text(json.dumps(described))
    (tmp_path / "open_clip_model.safetensors").write_bytes(
        (laion / "open_clip_model.safetensors").read_bytes()
    )
    with pytest.raises(SynpicError, match=message):
        ClipScore(str(tmp_path), None, "cpu")


@pytest.mark.parametrize("kind", ["clip", "siglip", "laion", "timms"])
def test_half_precision_is_near(
    kind: str, images: list[Image.Image], request: pytest.FixtureRequest
) -> None:
    folder = str(request.getfixturevalue(kind))
    exact = ClipScore(folder, None, "cpu")
    half = ClipScore(folder, None, "cpu", dtype="bfloat16")
    scores = half.score(PROMPTS, images)
    assert scores == pytest.approx(exact.score(PROMPTS, images), abs=0.03)
    assert scores != exact.score(PROMPTS, images)
    assert half.preprocessing == exact.preprocessing


def test_preprocessing_tells_checkpoints_apart(
    clip: Path, siglip: Path, laion: Path, timms: Path
) -> None:
    folders = (clip, siglip, laion, timms)
    assert len({ClipScore(str(folder), None, "cpu").preprocessing for folder in folders}) == 4


def test_an_open_clip_repository_is_read_at_its_commit(
    timms: Path,
    images: list[Image.Image],
    hub: HubServer,
    online: Callable[..., Path],
    tmp_path: Path,
) -> None:
    files = {file.name: file.read_bytes() for file in timms.iterdir()}
    hub.create("maker/timms", kind="model")
    old = hub.commit("maker/timms", files).oid
    tensors = load_file(timms / "open_clip_model.safetensors")
    tensors["text.text_projection.weight"] = -tensors["text.text_projection.weight"]
    save_file(tensors, tmp_path / "weights")
    changed = {"open_clip_model.safetensors": (tmp_path / "weights").read_bytes()}
    hub.commit("maker/timms", {**changed, "tokenizer.json": None})
    online(hub, None, tmp_path / "home")
    scores = ClipScore("maker/timms", old, "cpu").score(PROMPTS, images)
    assert scores == ClipScore(str(timms), None, "cpu").score(PROMPTS, images)


def test_a_siglip_reads_lower_case_whatever_its_tokenizer_makes_of_it(
    siglip: Path, images: list[Image.Image], tmp_path: Path
) -> None:
    for file in siglip.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    for name, change in (
        ("tokenizer.json", {"normalizer": None}),
        # transformers' CLIPTokenizer would put the normalizer back.
        ("tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast"}),
    ):
        told = json.loads((tmp_path / name).read_text())
        (tmp_path / name).write_text(json.dumps({**told, **change}))
    reward = ClipScore(str(tmp_path), None, "cpu")
    shouted, said = reward.score(["A Red CIRCLE", "a red circle"], images[:1] * 2)
    assert shouted == said
