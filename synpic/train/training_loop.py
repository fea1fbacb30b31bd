"""The loop: rankings in, a fine-tuned model out.

    synpic train train.toml
    accelerate launch --num_processes 8 -m synpic_cli train train.toml

Every random draw of a step (which prompts, which noise, which times) is a function of the seed, the
step's number and the prompt's place in the step. So a run that was killed goes on to the same
curve, and eight processes with one prompt each take the step that one process with eight takes.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch.utils.data import DataLoader

from synpic.engine.bars import progress_bars
from synpic.engine.progress import Event, Listener
from synpic.engine.threads import cores
from synpic.errors import Stopped, TrainingError
from synpic.release.cards.training import FACTS
from synpic.release.run_folder import SAMPLES
from synpic.train.adapters import check_targets
from synpic.train.batch import Batch
from synpic.train.data.training_data import DTYPES, TrainingData, open_data
from synpic.train.evaluations import Evaluations, OnCheckpoint
from synpic.train.families.family import TrainableFamily
from synpic.train.guard import Guard
from synpic.train.losses import try_objective
from synpic.train.metrics import Metrics
from synpic.train.objective import Objective, find_objective
from synpic.train.optimizers import check_optimizer, open_optimizer, rate_at
from synpic.train.processes import agreed_checkpoint, anyone, held, open_accelerator
from synpic.train.result import damage_of, facts_of, read_result, save_result
from synpic.train.resume_inputs import resume_inputs_of
from synpic.train.samples import Sampler, card_sheet
from synpic.train.settings import TrainRecipe
from synpic.train.state import checkpoint_at, load_state, save_state, unread
from synpic.train.step import loss_of_batch
from synpic.train.track import Log, check_trackers
from synpic.train.trainable_checkpoint import (
    Reference,
    TrainableCheckpoint,
    find_checkpoint,
    prepare_tuning,
    trained,
)
from synpic.workspace.root import Root

__all__ = ["Trained", "train"]


@dataclass(frozen=True)
class Trained:
    """What a run made.

    Args:
        folder: adapters or a pipeline, with card and ``training.json``.
        about: what that file holds.
        checkpoint: of the model that was trained, as it is found from here; ``about`` names no
            folder of this machine.
    """

    folder: Path
    about: Mapping[str, Any]
    checkpoint: str | None = None


def train(
    recipe: TrainRecipe,
    out: str | Path,
    *,
    cache: Path | None = None,
    progress: bool = False,
    listener: Listener | None = None,
    stop: threading.Event | None = None,
    token: str | None = None,
    on_checkpoint: OnCheckpoint | None = None,
) -> Trained:
    """Fine-tune ``recipe.model`` on ``recipe.data``; called again, goes on where it was left.

    Args:
        out: gets ``log.jsonl``, ``checkpoints/``, ``samples/``, ``evaluations/`` and, at the end,
            ``model/``.
        cache: where latents and embeddings are kept; the user's cache folder if None.
        progress: draw bars, as widgets in a notebook, elsewhere on stderr.
        listener: receives progress.
        stop: when set, the current step is finished and kept.
        token: of an account that may read the dataset.
        on_checkpoint: evaluates the model on the way, as ``recipe.evaluate`` says, in the main
            process.

    Raises:
        TrainingError: the data, the model or the settings do not fit, or another run is at work in
            ``out``.
        TrainingDiverged: the run went wrong.
        StorageError: the disk is full, or refuses; or ``out`` was moved or unmounted.
        Stopped: ``stop`` was set.
        SynpicError: as opening a dataset and a checkpoint do.
    """
    out = Path(out)
    # What can be known to fail is known before hours are spent on encoding.
    check_trackers(recipe.run.track)
    check_optimizer(recipe.optimizer)
    objective = find_objective(recipe.objective.name)
    try_objective(objective, recipe.objective.beta)
    accelerator = open_accelerator(recipe, out)
    if recipe.evaluate.every and on_checkpoint is None and accelerator.is_main_process:
        raise TrainingError(
            "evaluate.every: nothing was handed in that evaluates",
            hint="on_checkpoint=CheckpointEvaluation(recipe, out), of "
            "synpic.evaluate.at_checkpoints, does; or leave [evaluate] out",
        )
    checkpoint = find_checkpoint(recipe.model)
    family = checkpoint.family(recipe.noise)
    check_targets(checkpoint.skeleton(family), recipe.tuning)
    first = accelerator.is_main_process
    with progress_bars(progress and first, listener if first else None) as shown:
        data = open_data(recipe, checkpoint, family, accelerator, cache, shown, stop, token)
        with held(out, accelerator):
            root = Root(str(out.absolute()))
            about = _run(
                recipe,
                objective,
                out,
                checkpoint,
                family,
                data,
                accelerator,
                shown,
                stop,
                root,
                on_checkpoint if first else None,
            )

    return Trained(out / "model", about, str(checkpoint.settings.checkpoint))


def _run(
    recipe: TrainRecipe,
    objective: Objective,
    out: Path,
    checkpoint: TrainableCheckpoint,
    family: TrainableFamily,
    data: TrainingData,
    accelerator: Accelerator,
    listener: Listener | None,
    stop: threading.Event | None,
    root: Root,
    on_checkpoint: OnCheckpoint | None,
) -> Mapping[str, Any]:
    """All steps that are left, and the model; gives what ``training.json`` holds."""
    main = accelerator.is_main_process
    denoiser, reference = _model(recipe, objective, checkpoint, family, accelerator.device)
    weights = trained(denoiser)
    model, optimizer = accelerator.prepare(
        denoiser, open_optimizer(recipe.optimizer, weights.values())
    )

    resumed = agreed_checkpoint(out, accelerator)
    done = 0
    resume_inputs = resume_inputs_of(recipe, checkpoint, family, data, accelerator)
    if resumed is not None:
        done = load_state(resumed, weights, optimizer, accelerator.scaler, resume_inputs)
        if done > recipe.run.steps:
            raise TrainingError(
                f"{resumed} is beyond run.steps = {recipe.run.steps}",
                hint="raise run.steps, or name another --out",
            )
    finished, damage = _finished(out, done, recipe, accelerator)
    if finished is not None:
        return finished
    guard = Guard(recipe, objective, str(resumed) if resumed else None, accelerator.num_processes)
    log = Log(out, recipe, accelerator, done)
    evaluations = Evaluations(out, recipe, on_checkpoint, done)
    sampler = _sampler(recipe, checkpoint, family, denoiser, data) if main else None
    began, first = time.monotonic(), done

    def keep(step: int) -> None:
        root.require()
        log.flush()
        if main:
            save_state(
                out / "checkpoints",
                step,
                weights,
                optimizer,
                accelerator.scaler,
                resume_inputs,
                recipe.run.keep,
            )
        accelerator.wait_for_everyone()
        guard.kept = str(checkpoint_at(out / "checkpoints", step))

    def stopped(step: int) -> Stopped:
        return Stopped(
            f"stopped after step {step} of {recipe.run.steps}; it is kept",
            hint="run the same command again to go on",
        )

    def facts(step: int) -> dict[str, Any]:
        return facts_of(
            recipe, checkpoint, family, data.about, log.recent, accelerator, step, evaluations.found
        )

    def save(folder: Path, step: int) -> dict[str, Any]:
        plain, about = accelerator.unwrap_model(model), facts(step)
        return save_result(
            folder,
            checkpoint,
            family,
            plain,
            recipe.tuning,
            about,
            data.prompts,
            evaluations.prompts,
            card_sheet(recipe, data.about, out, step) if folder == out / "model" else None,
        )

    def evaluate(step: int) -> None:
        if not evaluations.due(step):
            return
        if main:
            with suppress(Stopped):  # all processes leave together
                found = evaluations.make(step, save, str(accelerator.device))
                if found is not None:
                    log.add_evaluation(found)
                    if listener:
                        listener(replace(_event(recipe, step, None, None), news=found.words))
        accelerator.wait_for_everyone()
        if anyone(accelerator, stop):
            raise stopped(step)

    if sampler and done == 0:
        log.add_pictures(0, data.sample_prompts, sampler.save(out / SAMPLES, 0))
    batches = _batches(recipe, data, done)
    if listener:
        listener(_event(recipe, done, None, _notes_at_the_start(out, done, damage)))
    with closing(log):
        evaluate(done)
        for step in range(done, recipe.run.steps):
            torch.manual_seed(recipe.seed + step)  # for a denoiser that drops out
            rate = rate_at(step, recipe.run.steps, recipe.optimizer)
            for group in optimizer.param_groups:
                group["lr"] = rate
            metrics = Metrics()
            for micro in range(recipe.run.accumulation):
                if micro and anyone(accelerator, stop):
                    # A step may take minutes; what was made of this one is made again.
                    keep(step)
                    raise stopped(step)
                last = micro + 1 == recipe.run.accumulation
                batch = next(batches).to(accelerator.device)
                with nullcontext() if last else accelerator.no_sync(model):
                    with accelerator.autocast():
                        loss, found = loss_of_batch(
                            family, model, reference, batch, objective, recipe.objective.beta
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
            root.require()
            log.add(step + 1, metrics, rate, float(norm))
            if listener:
                speed = (step + 1 - first) / (time.monotonic() - began)
                listener(_event(recipe, step + 1, speed, metrics.in_words()))
            stopping = anyone(accelerator, stop)
            last_one = step + 1 == recipe.run.steps
            saves = (step + 1) % recipe.run.save_every == 0 or evaluations.due(step + 1)
            if saves or stopping or last_one:
                keep(step + 1)
            every = recipe.samples.every
            if sampler and every and ((step + 1) % every == 0 or last_one):
                drawn = sampler.save(out / SAMPLES, step + 1)
                log.add_pictures(step + 1, data.sample_prompts, drawn)
            if stopping and not last_one:
                raise stopped(step + 1)
            evaluate(step + 1)
    root.require()
    steps = recipe.run.steps
    about = save(out / "model", steps) if main else facts(steps)
    accelerator.wait_for_everyone()
    accelerator.end_training()
    return about


def _finished(
    out: Path, done: int, recipe: TrainRecipe, accelerator: Accelerator
) -> tuple[Mapping[str, Any] | None, str | None]:
    """What ``training.json`` of a run holds that has taken all its steps and left a whole model.

    Returns:
        That, or None; and what is wrong with the model, where it has to be made again.
    """
    if done < recipe.run.steps or not (out / "model" / FACTS).exists():
        return None, None
    result = read_result(out / "model")
    if result["steps"] != done:
        return None, None
    damage = damage_of(out / "model", result)
    accelerator.wait_for_everyone()  # before the first of them makes it again
    # A whole one is left alone: what somebody wrote into its card stays.
    return (result if damage is None else None), damage


def _notes_at_the_start(out: Path, done: int, damage: str | None) -> str | None:
    notes = [f"going on from step {done}"] if done else []
    notes += [f"{damage}: the model is made again"] if damage else []
    others = ", ".join(unread(out / "checkpoints"))
    notes += [f"no checkpoints, and not read: {others} in checkpoints/"] if others else []
    return "; ".join(notes) or None


def _model(
    recipe: TrainRecipe,
    objective: Objective,
    checkpoint: TrainableCheckpoint,
    family: TrainableFamily,
    device: torch.device,
) -> tuple[Any, Reference | None]:
    """The denoiser, ready to be trained, and what it is compared with, if anything."""
    torch.manual_seed(recipe.seed)  # adapters begin at random, and everywhere alike
    dtype = DTYPES[recipe.run.precision]
    full = recipe.tuning.method == "full"
    denoiser = checkpoint.denoiser(family, torch.float32 if full else dtype)
    reference = None
    if objective.needs_reference:
        reference = Reference(denoiser, recipe.tuning.method, dtype)
    prepare_tuning(denoiser, family, recipe.tuning)
    if recipe.run.gradient_checkpointing:
        denoiser.enable_gradient_checkpointing()
    denoiser.to(device).train()
    if reference is not None:
        reference.to(device)
    return denoiser, reference


def _batches(recipe: TrainRecipe, data: TrainingData, done: int) -> Iterator[Batch]:
    """The batches of this process from step ``done`` on, read ahead."""
    numbers = range(done * recipe.run.accumulation, recipe.run.steps * recipe.run.accumulation)
    loader = DataLoader(
        data.batches,
        batch_size=None,
        sampler=numbers,
        num_workers=_loaders(recipe.run.workers),
        pin_memory=torch.cuda.is_available(),
    )
    return iter(loader)


def _loaders(wanted: int) -> int:
    """Processes that read for this one: no more than its share of the processors."""
    together = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return min(wanted, max(1, cores() // together))


def _sampler(
    recipe: TrainRecipe,
    checkpoint: TrainableCheckpoint,
    family: Any,
    denoiser: Any,
    data: TrainingData,
) -> Sampler | None:
    if recipe.samples.every is None:
        return None
    width, height = data.sample_size
    return Sampler(
        checkpoint,
        family,
        denoiser,
        data.sample_prompts,
        data.samples,
        data.empty,
        width,
        height,
        recipe.seed,
    )


def _event(recipe: TrainRecipe, step: int, speed: float | None, note: str | None) -> Event:
    state = "done" if step == recipe.run.steps else "working"
    name = recipe.objective.name
    return Event("train", name, state, step, recipe.run.steps, rate=speed, note=note)
