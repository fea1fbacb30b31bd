"""``python benchmarks/train.py --full``: SDXL and SD3-Medium, beside the usual pattern."""

# mypy: disable-error-code="no-untyped-call"
# Nor do some methods of tensors.
from __future__ import annotations

import argparse
import statistics
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks import large
from benchmarks.bare_training import (
    PER_PROMPT,
    WARM,
    Bare,
    clocked,
    measured,
    recipe,
    release,
    tell,
)
from synpic.engine.device import free_memory
from synpic.shapes.prompts import prompts
from synpic.train.data.training_data import DTYPES
from synpic.train.objective import find_objective
from synpic.train.step import loss_of_batch
from synpic.train.trainable_checkpoint import trained
from tests.generate import tiny

__all__ = ["full"]


def usual(bare: Bare, steps: int) -> tuple[float, int]:
    """The usual pattern: seconds of a step, the median; bytes of device memory, at most."""
    recipe, device = bare.recipe, bare.accelerator.device
    free_memory()
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    pipeline = bare.checkpoint.encoders(bare.family, device)
    pipeline.vae.to(DTYPES[recipe.run.precision])
    texts = [text for text, _ in prompts(recipe.run.batch_size, 0, "train")]
    edge = bare.data.sample_size
    pixels = torch.rand(recipe.run.batch_size * PER_PROMPT, 3, edge[1], edge[0]) * 2 - 1

    def step(number: int) -> None:
        with torch.no_grad():
            latents = torch.cat(
                [bare.family.encode_images(pipeline, one) for one in pixels.split(1)]
            )
            encoded = bare.family.encode_prompts(pipeline, texts)
        batch = replace(bare.data.batches[number], latents=latents, encoded=encoded).to(device)
        with bare.accelerator.autocast():
            loss, _ = loss_of_batch(
                bare.family,
                bare.denoiser,
                bare.reference,
                batch,
                find_objective(recipe.objective.name),
                recipe.objective.beta,
            )
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained(bare.denoiser).values(), recipe.optimizer.clip)
        bare.optimizer.step()
        bare.optimizer.zero_grad()

    took = [clocked(partial(step, number)) for number in range(steps)]
    held = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0
    return statistics.median(took[WARM:]), held


def matmul_peak(edge: int) -> float:
    """Products and sums per second of two bf16 matrices, the best of several."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    a, b = (torch.randn(edge, edge, dtype=torch.bfloat16, device=device) for _ in range(2))
    a @ b
    return float(2 * edge**3 / min(clocked(lambda: a @ b) for _ in range(10)))


def full(root: Path, options: argparse.Namespace) -> list[dict[str, Any]]:
    """A row for each of the large models."""
    edge = tiny.SIDE if options.tiny else 1024
    dataset = release(root, max(4, options.batch_size), edge)
    fastest = matmul_peak(512 if options.tiny else 8192)
    rows = []
    for name in ("sdxl", "sd3"):
        folder = root / name
        (tiny if options.tiny else large).save(name, folder)
        wanted = recipe(
            {"checkpoint": str(folder), "dtype": "bfloat16"},
            dataset,
            "lora",
            options.steps,
            batch_size=options.batch_size,
            rank=64,
            precision="bf16",
            gradient_checkpointing=True,
        )
        found = measured(wanted, root)
        images, took = PER_PROMPT * options.batch_size, statistics.median(found.ours)
        pattern, held = usual(found.bare, options.steps)
        computed = found.bare.flops()
        rows.append(
            {
                "model": name,
                "parameters, millions": round(count(found.bare.denoiser) / 1e6, 1),
                "synpic, images/s": round(images / took, 3),
                "of the limit": round(found.ratio(optimizer=False), 3),
                "of the matrix peak": round(computed / took / fastest, 3),
                "the usual, images/s": round(images / pattern, 3),
                "times the usual": round(pattern / took, 2),
                "peak MiB, synpic": round(found.peak / 2**20),
                "peak MiB, the usual": round(held / 2**20),
            }
        )
        tell(rows[-1], options)
        del found
    return rows


def count(denoiser: torch.nn.Module) -> int:
    """The parameters of a denoiser, adapters left out."""
    return sum(p.numel() for name, p in denoiser.named_parameters() if "lora_" not in name)
