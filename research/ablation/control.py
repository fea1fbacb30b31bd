"""The control: a packaged model's own pre-training, gone on with for as many steps."""

# mypy: disable-error-code="no-untyped-call"
# The constructors of diffusers carry no types.
from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from diffusers import DiffusionPipeline

from research.shapes.jobs import JOBS
from synpic.shapes.measure import weights
from synpic.train.optimizers import open_optimizer, rate_at
from synpic.train.settings import TrainRecipe

__all__ = ["pretrain"]


def pretrain(arch: str, recipe: TrainRecipe, out: Path, per_prompt: int) -> None:
    """Train the denoiser of a packaged model on freshly rendered scenes, by its job's loss.

    Writes ``out/model`` and ``out/log.jsonl``; one that was killed begins anew.

    Args:
        recipe: its seed, steps, optimizer, rates and clipping are taken.
        per_prompt: scenes to each prompt of its batch, so that steps see as many images.
    """
    job = JOBS[arch](weights(arch) / "vae")
    opened = DiffusionPipeline.from_pretrained(weights(arch), dtype=torch.float32)
    for name, module in job.modules.items():
        module.load_state_dict(getattr(opened, name).state_dict())
    job.modules.requires_grad_(False)
    parameters = list(job.modules["transformer"].requires_grad_(True).train().parameters())
    optimizer = open_optimizer(recipe.optimizer, parameters)
    out.mkdir(parents=True, exist_ok=True)
    with (out / "log.jsonl").open("w", encoding="utf-8") as log:
        for step in range(recipe.run.steps):
            rng = np.random.default_rng([recipe.seed, step])
            torch.manual_seed(int(rng.integers(2**62)))
            for group in optimizer.param_groups:
                group["lr"] = rate_at(step, recipe.run.steps, recipe.optimizer)
            loss = job.loss(rng, recipe.run.batch_size * per_prompt)
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(parameters, recipe.optimizer.clip)
            optimizer.step()
            optimizer.zero_grad()
            row = {"step": step + 1, "loss": loss.item(), "norm": float(norm)}
            print(json.dumps(row), file=log, flush=True)
    job.save(out / "model")
