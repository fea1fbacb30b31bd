"""The loop: rankings in, a fine-tuned model out.

    synpic train train.toml
    accelerate launch --num_processes 8 -m synpic_cli train train.toml

Every random draw of a step (which prompts, which noise, which times) is a function of the seed, the
step's number and the prompt's place in the step. So a run that was killed goes on to the same
curve, and eight processes with one prompt each take the step that one process with eight takes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import InitProcessGroupKwargs
from torch.utils.data import DataLoader

from synpic.engine.device import environment
from synpic.engine.progress import Event, Listener
from synpic.errors import Stopped, TrainingError
from synpic.train.adapters import check_targets
from synpic.train.batch import Batch
from synpic.train.data import DTYPES, TrainingData, open_data
from synpic.train.guard import Guard
from synpic.train.metrics import Metrics
from synpic.train.model import Checkpoint, Reference, find_checkpoint, prepare_tuning, trained
from synpic.train.objectives import NEEDS_REFERENCE
from synpic.train.optimizers import check_optimizer, open_optimizer, rate_at
from synpic.train.result import save_result
from synpic.train.samples import Sampler
from synpic.train.settings import TrainRecipe
from synpic.train.state import latest, load_state, save_state
from synpic.train.step import loss_of_batch
from synpic.train.track import Log, check_trackers

__all__ = ["Trained", "train"]


@dataclass(frozen=True)
class Trained:
    """What a run made.

    Args:
        folder: adapters or a pipeline, with card and ``training.json``.
        about: what that file holds.
    """

    folder: Path
    about: Mapping[str, Any]


def train(
    recipe: TrainRecipe,
    out: str | Path,
    *,
    cache: Path | None = None,
    listener: Listener | None = None,
    stop: threading.Event | None = None,
    token: str | None = None,
) -> Trained:
    """Fine-tune ``recipe.model`` on ``recipe.data``; called again, goes on where it was left.

    Args:
        out: gets ``log.jsonl``, ``checkpoints/``, ``samples/`` and, at the end, ``model/``.
        cache: where latents and embeddings are kept; the user's cache folder if None.
        listener: told how far it is.
        stop: when set, the step in hand is finished and kept.
        token: of an account that may read the dataset.

    Raises:
        TrainingError: the data, the model or the settings do not fit, or the run went wrong.
        Stopped: ``stop`` was set.
        SynpicError: as opening a dataset and a checkpoint do.
    """
    out = Path(out)
    # What can be known to fail is known before hours are spent on encoding.
    check_trackers(recipe.run.track)
    check_optimizer(recipe.optimizer)
    accelerator = _accelerator(recipe, out)
    main = accelerator.is_main_process
    listener = listener if main else None
    checkpoint = find_checkpoint(recipe.model)
    family = checkpoint.family(recipe.noise)
    check_targets(checkpoint.skeleton(family), recipe.tuning)
    data = open_data(recipe, checkpoint, family, accelerator, cache, listener, stop, token)

    torch.manual_seed(recipe.seed)  # adapters begin at random, and everywhere alike
    dtype = DTYPES[recipe.run.precision]
    full = recipe.tuning.method == "full"
    denoiser = checkpoint.denoiser(family, torch.float32 if full else dtype)
    reference = None
    if recipe.objective.name in NEEDS_REFERENCE:
        reference = Reference(denoiser, recipe.tuning.method, dtype)
    prepare_tuning(denoiser, family, recipe.tuning)
    if recipe.run.gradient_checkpointing:
        denoiser.enable_gradient_checkpointing()
    denoiser.to(accelerator.device).train()
    if reference is not None:
        reference.to(accelerator.device)
    weights = trained(denoiser)
    model, optimizer = accelerator.prepare(
        denoiser, open_optimizer(recipe.optimizer, weights.values())
    )

    resumed = latest(out / "checkpoints")
    done = 0
    decides = _decides(recipe, checkpoint, data, accelerator)
    if resumed is not None:
        done = load_state(resumed, weights, optimizer, accelerator.scaler, decides)
        if done > recipe.run.steps:
            raise TrainingError(
                f"{resumed} is beyond run.steps = {recipe.run.steps}",
                hint="raise run.steps, or name another --out",
            )
    guard = Guard(recipe, str(resumed) if resumed else None)
    log = Log(out, recipe, accelerator, done)
    sampler = _sampler(recipe, checkpoint, family, denoiser, data) if main else None
    began, first = time.monotonic(), done
    metrics = Metrics()

    def keep(step: int) -> None:
        if main:
            save_state(
                out / "checkpoints",
                step,
                weights,
                optimizer,
                accelerator.scaler,
                decides,
                recipe.run.keep,
            )
        accelerator.wait_for_everyone()
        guard.good = str(latest(out / "checkpoints"))

    if sampler and done == 0:
        sampler.save(out / "samples" / "step-00000000.png")
    batches = _batches(recipe, data, done)
    with closing(log):
        for step in range(done, recipe.run.steps):
            torch.manual_seed(recipe.seed + step)  # for a denoiser that drops out
            rate = rate_at(step, recipe.run.steps, recipe.optimizer)
            for group in optimizer.param_groups:
                group["lr"] = rate
            metrics = Metrics()
            for micro in range(recipe.run.accumulation):
                last = micro + 1 == recipe.run.accumulation
                batch = next(batches).to(accelerator.device)
                with nullcontext() if last else accelerator.no_sync(model):
                    with accelerator.autocast():
                        loss, found = loss_of_batch(
                            family, model, reference, batch, recipe.objective
                        )
                    accelerator.backward(loss / recipe.run.accumulation)
                metrics = metrics + found
            norm = accelerator.clip_grad_norm_(
                list(weights.values()), recipe.optimizer.clip or float("inf")
            )
            metrics = metrics.reduced(accelerator)
            guard.look(step, metrics, float(norm))
            optimizer.step()
            optimizer.zero_grad()
            log.add(step + 1, metrics, rate, float(norm))
            if listener:
                speed = (step + 1 - first) / (time.monotonic() - began)
                listener(_event(recipe, step + 1, speed, metrics))
            stopping = _anyone(accelerator, stop)
            if (step + 1) % recipe.run.save_every == 0 or stopping or step + 1 == recipe.run.steps:
                keep(step + 1)
            if sampler and recipe.samples.every and (step + 1) % recipe.samples.every == 0:
                sampler.save(out / "samples" / f"step-{step + 1:08d}.png")
            if stopping and step + 1 < recipe.run.steps:
                raise Stopped(
                    f"stopped after step {step + 1} of {recipe.run.steps}; it is kept",
                    hint="run the same command again to go on",
                )
    about = _about(recipe, checkpoint, family, data, log, accelerator)
    if main:
        save_result(out / "model", checkpoint, family, accelerator.unwrap_model(model), about)
    accelerator.wait_for_everyone()
    accelerator.end_training()
    return Trained(out / "model", about)


def _accelerator(recipe: TrainRecipe, out: Path) -> Accelerator:
    precision = recipe.run.precision
    if AcceleratorState._shared_state and AcceleratorState().mixed_precision != precision:
        # accelerate allows one precision a process; a run before this one may have had another.
        AcceleratorState._reset_state()
    patience = InitProcessGroupKwargs(timeout=timedelta(days=2))  # one process fills the cache
    return Accelerator(
        mixed_precision=precision,
        log_with=list(recipe.run.track) or None,
        project_dir=str(out),
        kwargs_handlers=[patience],
    )


def _decides(
    recipe: TrainRecipe, checkpoint: Checkpoint, data: TrainingData, accelerator: Accelerator
) -> dict[str, Any]:
    """What decides the curve: the recipe, and what its names stand for today.

    Prompts may be divided otherwise among processes: the steps are the same.
    """
    return {
        **recipe.decides,
        "batch_size x processes": recipe.run.batch_size * accelerator.num_processes,
        "checkpoint": dict(checkpoint.identity),
        "dataset": dict(data.about),
    }


def _batches(recipe: TrainRecipe, data: TrainingData, done: int) -> Iterator[Batch]:
    """The batches of this process from step ``done`` on, read ahead."""
    numbers = range(done * recipe.run.accumulation, recipe.run.steps * recipe.run.accumulation)
    loader = DataLoader(
        data.batches,
        batch_size=None,
        sampler=numbers,
        num_workers=recipe.run.workers,
        pin_memory=torch.cuda.is_available(),
    )
    return iter(loader)


def _sampler(
    recipe: TrainRecipe, checkpoint: Checkpoint, family: Any, denoiser: Any, data: TrainingData
) -> Sampler | None:
    if recipe.samples.every is None:
        return None
    width, height = data.sample_size
    return Sampler(
        checkpoint, family, denoiser, data.samples, data.empty, width, height, recipe.seed
    )


def _anyone(accelerator: Accelerator, stop: threading.Event | None) -> bool:
    """Whether any process was told to stop: all of them have to leave after the same step."""
    mine = stop is not None and stop.is_set()
    if accelerator.num_processes == 1:
        return mine
    asked = torch.tensor(float(mine), device=accelerator.device)
    return bool(accelerator.reduce(asked, "sum").item() > 0)


def _event(recipe: TrainRecipe, step: int, speed: float, metrics: Metrics) -> Event:
    state = "done" if step == recipe.run.steps else "working"
    return Event(
        "train",
        recipe.objective.name,
        state,
        step,
        recipe.run.steps,
        rate=speed,
        note=metrics.in_words(),
    )


def _about(
    recipe: TrainRecipe,
    checkpoint: Checkpoint,
    family: Any,
    data: TrainingData,
    log: Log,
    accelerator: Accelerator,
) -> dict[str, Any]:
    run = recipe.run
    return {
        "synpic": version("synpic"),
        "recipe": recipe.model_dump(mode="json"),
        "family": checkpoint.index["_class_name"],
        "saved": recipe.saves,
        "lora_mixin": family.lora_mixin,
        "absent": [name for name, part in checkpoint.index.items() if part == [None, None]],
        "model": {"checkpoint": checkpoint.settings.checkpoint, **checkpoint.identity},
        "dataset": data.about,
        "steps": run.steps,
        "prompts_per_step": run.batch_size * run.accumulation * accelerator.num_processes,
        "metrics": log.recent,
        "environment": environment(str(accelerator.device), run.precision),
    }
