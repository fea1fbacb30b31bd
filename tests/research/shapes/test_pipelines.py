"""The packaged models: ordinary diffusers folders, whose tokenizers know every word."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from research.shapes.jobs import to_images, to_tensor
from research.shapes.pipelines import CONTEXT, clip_tokenizer, deaf_tokenizer, word_tokenizer
from synpic.registry import MODELS
from synpic.shapes.judge import read, strict
from synpic.shapes.meaning import WORDS, illustrate, parse, wordings
from synpic.shapes.measure import KNOWN, weights
from synpic.shapes.prompts import SPLITS, combinations_of, prompts

NAMES = tuple(KNOWN)
WITH_CLIP = ("mmdit", "mmdit_small", "unet", "clip")


def opened(name: str) -> Any:
    from diffusers import DiffusionPipeline

    pipeline = DiffusionPipeline.from_pretrained(weights(name))
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.mark.parametrize("name", WITH_CLIP)
def test_every_word_is_one_token(name: str) -> None:
    from transformers import CLIPTokenizer

    folder = weights(name) if name == "clip" else weights(name) / "tokenizer"
    tokenizer = CLIPTokenizer.from_pretrained(folder)
    assert tokenizer.model_max_length == CONTEXT
    assert tokenizer.get_vocab() == clip_tokenizer().get_vocab()
    ids = [tokenizer(word).input_ids for word in WORDS]
    assert {len(its) for its in ids} == {3}  # start, word, end
    assert len({its[1] for its in ids}) == len(WORDS)


def test_every_word_is_one_token_of_the_t5() -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(weights("pixart") / "tokenizer")
    assert tokenizer.get_vocab() == word_tokenizer().get_vocab()
    ids = [tokenizer(word).input_ids for word in WORDS]
    assert {len(its) for its in ids} == {2}  # word, end
    assert len({its[0] for its in ids}) == len(WORDS)
    assert tokenizer("a plaid dodecahedron").input_ids[1:] == [2, 2, 1]


def test_the_longest_prompt_fits() -> None:
    longest = max(
        (
            text
            for split in SPLITS
            for combination in combinations_of(split)["position"]
            for text in wordings(combination)
        ),
        key=lambda text: len(text.split()),
    )
    text = f"{longest} on a white background"
    assert len(clip_tokenizer()(text).input_ids) <= CONTEXT


def test_the_deaf_tokenizer_hears_nothing() -> None:
    tokenizer = deaf_tokenizer()
    assert tokenizer(["", "a red circle", "two\nlines"]).input_ids == [[1], [1], [1]]


@pytest.mark.parametrize("name", NAMES)
def test_opens_plainly_and_draws(name: str) -> None:
    import torch

    pipeline = opened(name)
    settings = MODELS.load(f"shapes_{name}").settings
    texts = [text for text, _ in prompts(6, 0, "test")]

    def draw() -> list[Any]:
        return pipeline(
            texts,
            num_inference_steps=10,
            guidance_scale=settings.guidance,
            width=32,
            height=32,
            generator=[torch.Generator().manual_seed(i) for i in range(len(texts))],
            **settings.call,
        ).images

    images = draw()
    assert [image.size for image in images] == [(32, 32)] * len(texts)
    assert sum(read(image).blank for image in images) <= 1
    assert all(read(image).background for image in images)
    again = draw()
    assert all(
        np.array_equal(np.asarray(a), np.asarray(b)) for a, b in zip(images, again, strict=True)
    )


@pytest.mark.parametrize("name", NAMES)
def test_says_how_it_was_trained_and_how_good_it_is(name: str) -> None:
    training = json.loads(weights(f"{name}.training.json").read_text())
    assert training["log"][-1]["step"] == training["steps"]
    figures = json.loads(weights(f"{name}.figures.json").read_text())
    assert figures["split"] == "test"
    assert figures["count"] >= 1200
    low, high = figures["interval"]
    assert low <= figures["strict"] <= high


def test_the_models_are_as_strong_as_they_are_meant_to_be() -> None:
    found = {name: json.loads(weights(f"{name}.figures.json").read_text()) for name in NAMES}
    strict = {name: figures["strict"] for name, figures in found.items()}
    assert strict["mmdit"] >= 0.6
    assert found["mmdit"]["by_task"]["single"]["strict"] >= 0.9
    assert 0.25 <= strict["mmdit_small"] <= 0.5
    assert min(strict.values()) >= 0.1
    assert list(strict) == sorted(strict, key=strict.__getitem__, reverse=True)


def test_the_autoencoder_keeps_what_a_picture_shows() -> None:
    import torch

    vae = opened("mmdit").vae
    rng = np.random.default_rng(0)
    meanings = [parse(text) for text, _ in prompts(60, 0, "test")]
    with torch.no_grad():
        x = to_tensor([illustrate(meaning, rng) for meaning in meanings])
        images = to_images(vae.decode(vae.encode(x).latent_dist.mode()).sample)
    passed = [strict(meaning, image) for meaning, image in zip(meanings, images, strict=True)]
    assert np.mean(passed) > 0.97


def test_all_models_share_the_autoencoder() -> None:
    files = [weights(name) / "vae/diffusion_pytorch_model.safetensors" for name in NAMES]
    assert len({file.read_bytes() for file in files}) == 1


def test_the_weights_are_small() -> None:
    sizes = [file.stat().st_size for file in weights(".").rglob("*") if file.is_file()]
    assert 0 < sum(sizes) <= 40e6
