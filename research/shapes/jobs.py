"""What there is to train: for each model its modules, its loss on a batch, and how it is saved."""

# mypy: disable-error-code="no-untyped-call"
# The constructors of diffusers carry no types.
from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL, DDPMScheduler
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import normalize

from research.shapes.contrast import captioned_pairs, contrastive_loss
from research.shapes.pipelines import build_clip, build_mmdit, build_pixart, build_unet, build_vae
from synpic.recipe.settings import ModelSettings
from synpic.shapes.meaning import illustrate, parse
from synpic.shapes.models import MMDIT, MMDIT_SMALL, PIXART, UNET
from synpic.shapes.prompts import draw, prompts
from synpic.shapes.scene import CANVAS, Scene, random_scene, render

__all__ = ["JOBS", "Job", "captioned", "to_images", "to_tensor"]

TASK_SHARES = {
    "single": 0.06,
    "two": 0.14,
    "counting": 0.2,
    "colours": 0.1,
    "position": 0.3,
    "colour_attribution": 0.2,
}
"""How often each task is trained on: the harder it is, the more often."""

WHITENED_BY = 1024
"""Scenes over which each latent channel is to have mean 0 and variance 1."""

PICTURE_STEPS = 10
"""Of the pictures that show how far a text-to-image model is."""

EMPTY_SHARE = 0.1
"""Share of prompts emptied, for classifier-free guidance."""


@dataclass
class Job:
    """What is trained, and how one batch of it gives a loss."""

    modules: nn.ModuleDict
    loss: Callable[[np.random.Generator, int], Tensor]
    save: Callable[[Path], None]
    pictures: Callable[[], list[Image.Image]]
    batch_size: int
    learning_rate: float
    average: float


def to_tensor(scenes: list[Scene]) -> Tensor:
    """Scenes as the models see them: ``Float[Tensor, "batch 3 32 32"]`` in -1 … 1."""
    pixels = torch.from_numpy(np.stack([render(scene) for scene in scenes]))
    return pixels.permute(0, 3, 1, 2).float() / 127.5 - 1


def random_tasks(rng: np.random.Generator, count: int) -> list[str]:
    """What to train on, by :data:`TASK_SHARES`."""
    tasks = rng.choice(list(TASK_SHARES), size=count, p=list(TASK_SHARES.values()))
    return [str(task) for task in tasks]


def captioned(rng: np.random.Generator, count: int) -> tuple[Tensor, list[str]]:
    """Pictures of the train split and their prompts, some of them emptied."""
    drawn = [draw(rng, task, "train") for task in random_tasks(rng, count)]
    scenes = [illustrate(meaning, rng) for meaning, _ in drawn]
    return to_tensor(scenes), ["" if rng.random() < EMPTY_SHARE else text for _, text in drawn]


def vae_job(_: Path | None) -> Job:
    """Autoencoder: absolute and squared error, and a trace of KL; no adversary is needed."""
    vae = build_vae()
    with torch.no_grad():
        # Start with little noise on the latents, or it drowns the picture for a thousand steps.
        vae.quant_conv.weight[4:] = 0
        vae.quant_conv.bias[4:] = -4

    def loss(rng: np.random.Generator, count: int) -> Tensor:
        x = to_tensor([random_scene(rng) for _ in range(count)])
        latents = vae.encode(x).latent_dist
        error: Tensor = vae.decode(latents.sample()).sample.float() - x
        divergence: Tensor = latents.kl().mean() / latents.mean[0].numel()
        return error.abs().mean() + error.square().mean() + 1e-6 * divergence

    def whiten_and_save(folder: Path) -> None:
        whitened = deepcopy(vae)
        seeds = range(WHITENED_BY)
        whiten(whitened, to_tensor([random_scene(np.random.default_rng(i)) for i in seeds]))
        whitened.save_pretrained(folder)

    @torch.no_grad()
    def pictures() -> list[Image.Image]:
        x = to_tensor([random_scene(np.random.default_rng(i)) for i in range(12)])
        return to_images(vae.decode(vae.encode(x).latent_dist.mode()).sample)

    modules = nn.ModuleDict({"vae": vae})
    return Job(modules, loss, whiten_and_save, pictures, 32, 2e-3, 0.995)


@torch.no_grad()
def whiten(vae: Any, x: Tensor) -> None:
    """Give every latent channel mean 0 and variance 1 by changing the two 1 x 1 convolutions."""
    latents = vae.encode(x).latent_dist.mean
    mean, std = latents.mean((0, 2, 3)), latents.std((0, 2, 3))
    into, out_of = vae.quant_conv, vae.post_quant_conv
    into.weight[:4] /= std[:, None, None, None]
    into.bias[:4] = (into.bias[:4] - mean) / std
    into.bias[4:] -= 2 * std.log()
    out_of.bias += out_of.weight[:, :, 0, 0] @ mean
    out_of.weight *= std[None, :, None, None]


def to_images(pixels: Tensor) -> list[Image.Image]:
    """``Float[Tensor, "batch 3 h w"]`` in -1 … 1 as RGB images."""
    scaled = ((pixels.float().clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1)
    return [Image.fromarray(array) for array in scaled.numpy()]


def frozen_vae(folder: Path | None) -> Any:
    if folder is None:
        raise SystemExit("the pipelines learn on latents: name a trained autoencoder with --vae")
    vae = AutoencoderKL.from_pretrained(folder, dtype=torch.float32)
    return vae.eval().requires_grad_(False)


def mmdit_job(vae_folder: Path | None) -> Job:
    """The model ``shapes_mmdit``."""
    vae = frozen_vae(vae_folder)
    return flow_job(vae, build_mmdit(vae), MMDIT.settings)


def mmdit_small_job(vae_folder: Path | None) -> Job:
    """The model ``shapes_mmdit_small``: half the size, and a shorter training."""
    vae = frozen_vae(vae_folder)
    return flow_job(vae, build_mmdit(vae, layers=4, heads=4, head_width=32), MMDIT_SMALL.settings)


def flow_job(vae: Any, pipeline: Any, settings: ModelSettings) -> Job:
    """Rectified flow (Esser et al., arXiv 2403.03206): predict noise - latent at noise level t."""

    def loss(rng: np.random.Generator, count: int) -> Tensor:
        x, texts = captioned(rng, count)
        latents = encode(vae, x)
        ids = token_ids(pipeline.tokenizer, texts)
        one = pipeline.text_encoder(ids, output_hidden_states=True)
        two = pipeline.text_encoder_2(ids, output_hidden_states=True)
        end = torch.ones(count, 1, dtype=torch.long)
        three = pipeline.text_encoder_3(end)[0]
        words = torch.cat([one.hidden_states[-2], two.hidden_states[-2]], dim=-1)
        noise = torch.randn_like(latents)
        t = torch.sigmoid(0.2 + 1.2 * torch.randn(count))
        level = t[:, None, None, None]
        predicted = pipeline.transformer(
            hidden_states=(1 - level) * latents + level * noise,
            timestep=t * 1000,
            encoder_hidden_states=torch.cat([words, three.to(words.dtype)], dim=1),
            pooled_projections=torch.cat([one.text_embeds, two.text_embeds], dim=-1),
        ).sample
        error: Tensor = predicted.float() - (noise - latents)
        return error.square().mean()

    names = ("transformer", "text_encoder", "text_encoder_2", "text_encoder_3")
    return pipeline_job(pipeline, names, loss, settings)


def unet_job(vae_folder: Path | None) -> Job:
    """The model ``shapes_unet``."""
    vae = frozen_vae(vae_folder)
    pipeline = build_unet(vae)

    def predict(noisy: Tensor, t: Tensor, texts: list[str]) -> Tensor:
        words = pipeline.text_encoder(token_ids(pipeline.tokenizer, texts))[0]
        sample: Tensor = pipeline.unet(noisy, t, encoder_hidden_states=words).sample
        return sample

    return v_job(vae, pipeline, ("unet", "text_encoder"), predict, UNET.settings)


def pixart_job(vae_folder: Path | None) -> Job:
    """The model ``shapes_pixart``."""
    vae = frozen_vae(vae_folder)
    pipeline = build_pixart(vae)

    def predict(noisy: Tensor, t: Tensor, texts: list[str]) -> Tensor:
        tokens = pipeline.tokenizer(texts, padding="max_length", return_tensors="pt")
        words = pipeline.text_encoder(tokens.input_ids, attention_mask=tokens.attention_mask)[0]
        sample: Tensor = pipeline.transformer(
            noisy,
            encoder_hidden_states=words,
            encoder_attention_mask=tokens.attention_mask,
            timestep=t,
            added_cond_kwargs={"resolution": None, "aspect_ratio": None},
        ).sample
        return sample

    return v_job(vae, pipeline, ("transformer", "text_encoder"), predict, PIXART.settings)


def v_job(
    vae: Any,
    pipeline: Any,
    names: tuple[str, ...],
    predict: Callable[[Tensor, Tensor, list[str]], Tensor],
    settings: ModelSettings,
) -> Job:
    """v-prediction (Salimans & Ho, arXiv 2202.00512) over the pipeline's own noise schedule.

    Args:
        predict: noisy latents, timesteps and prompts → v.
    """
    schedule = DDPMScheduler.from_config(pipeline.scheduler.config)

    def loss(rng: np.random.Generator, count: int) -> Tensor:
        x, texts = captioned(rng, count)
        latents = encode(vae, x)
        noise = torch.randn_like(latents)
        t = torch.randint(0, schedule.config.num_train_timesteps, (count,))
        predicted = predict(schedule.add_noise(latents, noise, t), t, texts)
        error: Tensor = predicted.float() - schedule.get_velocity(latents, noise, t)
        return error.square().mean()

    return pipeline_job(pipeline, names, loss, settings)


def clip_job(_: Path | None) -> Job:
    """The learned reward: CLIP's loss with one near miss for every picture."""
    model, tokenizer, processor = build_clip()

    def similarity(x: Tensor, texts: list[str]) -> Tensor:
        """Cosines, ``Float[Tensor, "picture text"]``."""
        seen = model.get_image_features(pixel_values=x).pooler_output
        read = model.get_text_features(token_ids(tokenizer, texts)).pooler_output
        cosines: Tensor = normalize(seen.float()) @ normalize(read.float()).T
        return cosines

    def loss(rng: np.random.Generator, count: int) -> Tensor:
        scenes, texts, holds = captioned_pairs(rng, random_tasks(rng, count))
        x = to_tensor(scenes)
        # Models draw less cleanly than the program: noise of up to 12 grey levels.
        x = x + 0.1 * torch.rand(count, 1, 1, 1) * torch.randn_like(x)
        return contrastive_loss(model.logit_scale.exp() * similarity(x, texts), holds)

    def save(folder: Path) -> None:
        for part in (model, tokenizer, processor):
            part.save_pretrained(folder)

    @torch.no_grad()
    def pictures() -> list[Image.Image]:
        """For each of twelve prompts the scene that fits it best, of two hundred."""
        rng = np.random.default_rng(0)
        said = prompts(204, 0, "validation")
        scenes = to_tensor([illustrate(parse(text), rng) for text, _ in said])
        best = similarity(scenes, [text for text, _ in said[:12]]).argmax(dim=0)
        return to_images(scenes[best])

    return Job(nn.ModuleDict({"clip": model}), loss, save, pictures, 128, 1e-3, 0.998)


def pipeline_job(
    pipeline: Any,
    names: tuple[str, ...],
    loss: Callable[[np.random.Generator, int], Tensor],
    settings: ModelSettings,
) -> Job:
    """What the text-to-image jobs have in common."""
    pipeline.set_progress_bar_config(disable=True)
    texts = [text for text, _ in prompts(12, 0, "validation")]

    def pictures() -> list[Image.Image]:
        generators = [torch.Generator().manual_seed(i) for i in range(len(texts))]
        drawn = pipeline(
            texts,
            num_inference_steps=PICTURE_STEPS,
            guidance_scale=settings.guidance,
            width=CANVAS,
            height=CANVAS,
            generator=generators,
            **settings.call,
        )
        return list(drawn.images)

    modules = nn.ModuleDict({name: getattr(pipeline, name) for name in names})
    return Job(modules, loss, pipeline.save_pretrained, pictures, 64, 2e-3, 0.999)


def token_ids(tokenizer: Any, texts: list[str]) -> Tensor:
    """``Int[Tensor, "batch 16"]``, padded as the pipelines pad."""
    ids: Tensor = tokenizer(texts, padding="max_length", return_tensors="pt").input_ids
    return ids


@torch.no_grad()
def encode(vae: Any, x: Tensor) -> Tensor:
    """Latents of pictures, ``Float[Tensor, "batch 4 8 8"]``."""
    latents: Tensor = vae.encode(x).latent_dist.mode().float()
    return latents


JOBS: dict[str, Callable[[Path | None], Job]] = {
    "vae": vae_job,
    "mmdit": mmdit_job,
    "unet": unet_job,
    "mmdit_small": mmdit_small_job,
    "pixart": pixart_job,
    "clip": clip_job,
}
