"""The steps of a run that are left, and all that is due between them.

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
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader

from synpic.engine.progress import Event, Listener
from synpic.engine.threads import cores
from synpic.errors import Stopped
from synpic.release.run_folder import SAMPLES
from synpic.train.batch import Batch
from synpic.train.data.training_data import TrainingData
from synpic.train.evaluations import Evaluations, OnCheckpoint
from synpic.train.guard import Guard
from synpic.train.metrics import Metrics
from synpic.train.model_in_training import ModelInTraining, TrainingInputs
from synpic.train.optimizers import rate_at
from synpic.train.processes import anyone
from synpic.train.result import facts_of, save_result
from synpic.train.samples import Sampler, card_sheet
from synpic.train.settings import TrainRecipe
from synpic.train.step import loss_of_batch
from synpic.train.track import Log

__all__ = ["TrainingSteps"]


class TrainingSteps:
    """Takes the steps; logs, keeps, draws samples and evaluates as the recipe says.

    Args:
        listener: receives progress.
        stop: when set, the current step is finished and kept.
        on_checkpoint: evaluates the model on the way.

    Raises:
        TrainingError: the log or an evaluation of the run is damaged.
    """

    def __init__(
        self,
        inputs: TrainingInputs,
        model: ModelInTraining,
        listener: Listener | None,
        stop: threading.Event | None,
        on_checkpoint: OnCheckpoint | None,
    ) -> None:
        self._inputs, self._model = inputs, model
        self._recipe, self._accelerator = inputs.recipe, inputs.accelerator
        self._listener, self._stop = listener, stop
        self._guard = Guard(self._recipe, inputs.objective, self._accelerator.num_processes)
        self._log = Log(inputs.out, self._recipe, self._accelerator, model.done)
        self._evaluations = Evaluations(inputs.out, self._recipe, on_checkpoint, model.done)
        self._sampler = None
        if self._accelerator.is_main_process:
            self._sampler = _sampler(inputs, model.denoiser)
        self._began, self._first = time.monotonic(), model.done

    def take(self, note: str | None = None) -> Mapping[str, Any]:
        """Take them all, and write the model.

        Args:
            note: to tell with the first event of progress.

        Returns:
            What ``training.json`` holds.

        Raises:
            TrainingDiverged: the run went wrong.
            StorageError: the disk is full, or refuses; or the folder was moved or unmounted.
            Stopped: something asked to stop.
            SynpicError: the model cannot be evaluated.
        """
        first, steps = self._first, self._recipe.run.steps
        if first == 0:
            self._draw_samples(0)
        batches = _batches(self._recipe, self._inputs.data, first)
        self._tell(first, note=note)
        with closing(self._log):
            self._evaluate(first)
            for step in range(first, steps):
                self._take(step, batches)
                self._do_what_is_due(step + 1)
        self._inputs.root.require()
        if self._accelerator.is_main_process:
            about = self._save(self._inputs.out / "model", steps)
        else:
            about = self._facts(steps)
        self._accelerator.wait_for_everyone()
        self._accelerator.end_training()
        return about

    def _take(self, step: int, batches: Iterator[Batch]) -> None:
        recipe, accelerator, optimizer = self._recipe, self._accelerator, self._model.optimizer
        torch.manual_seed(recipe.seed + step)  # for a denoiser that drops out
        rate = rate_at(step, recipe.run.steps, recipe.optimizer)
        for group in optimizer.param_groups:
            group["lr"] = rate
        metrics = self._accumulate(step, batches)
        norm = float(
            accelerator.clip_grad_norm_(
                list(self._model.weights.values()), recipe.optimizer.clip or float("inf")
            )
        )
        metrics = metrics.reduced(accelerator)
        self._guard.look(step, metrics, norm, self._model.kept)
        optimizer.step()
        optimizer.zero_grad()
        self._inputs.root.require()
        self._log.add(step + 1, metrics, rate, norm)
        speed = (step + 1 - self._first) / (time.monotonic() - self._began)
        self._tell(step + 1, rate=speed, note=metrics.in_words())

    def _accumulate(self, step: int, batches: Iterator[Batch]) -> Metrics:
        """Add up the gradient of a step, batch by batch."""
        recipe, accelerator, model = self._recipe, self._accelerator, self._model
        metrics = Metrics()
        for number in range(recipe.run.accumulation):
            if number and anyone(accelerator, self._stop):
                # A step may take minutes; what was made of this one is made again.
                self._keep(step)
                raise self._stopped(step)
            last = number + 1 == recipe.run.accumulation
            batch = next(batches).to(accelerator.device)
            with nullcontext() if last else accelerator.no_sync(model.prepared):
                with accelerator.autocast():
                    loss, found = loss_of_batch(
                        self._inputs.family,
                        model.prepared,
                        model.reference,
                        batch,
                        self._inputs.objective,
                        recipe.objective.beta,
                    )
                accelerator.backward(loss / recipe.run.accumulation)
            metrics = metrics + found
        return metrics

    def _do_what_is_due(self, step: int) -> None:
        """Keep the model after ``step`` steps, draw samples, leave or evaluate."""
        run, every = self._recipe.run, self._recipe.samples.every
        stopping = anyone(self._accelerator, self._stop)
        last = step == run.steps
        if step % run.save_every == 0 or self._evaluations.due(step) or stopping or last:
            self._keep(step)
        if every and (step % every == 0 or last):
            self._draw_samples(step)
        if stopping and not last:
            raise self._stopped(step)
        self._evaluate(step)

    def _keep(self, step: int) -> None:
        self._inputs.root.require()
        self._log.flush()
        self._model.keep(step)

    def _draw_samples(self, step: int) -> None:
        if self._sampler is not None:
            drawn = self._sampler.save(self._inputs.out / SAMPLES, step)
            self._log.add_pictures(step, self._inputs.data.sample_prompts, drawn)

    def _evaluate(self, step: int) -> None:
        if not self._evaluations.due(step):
            return
        if self._accelerator.is_main_process:
            with suppress(Stopped):  # all processes leave together
                device = str(self._accelerator.device)
                found = self._evaluations.make(step, self._save, device)
                if found is not None:
                    self._log.add_evaluation(found)
                    self._tell(step, news=found.words)
        self._accelerator.wait_for_everyone()
        if anyone(self._accelerator, self._stop):
            raise self._stopped(step)

    def _save(self, folder: Path, step: int) -> dict[str, Any]:
        """Write the model as it is after ``step`` steps; with samples, where it is the result."""
        inputs = self._inputs
        result = folder == inputs.out / "model"
        return save_result(
            folder,
            inputs.checkpoint,
            inputs.family,
            self._accelerator.unwrap_model(self._model.prepared),
            self._recipe.tuning,
            self._facts(step),
            inputs.data.prompts,
            self._evaluations.prompts,
            card_sheet(self._recipe, inputs.data.about, inputs.out, step) if result else None,
        )

    def _facts(self, step: int) -> dict[str, Any]:
        return facts_of(
            self._recipe,
            self._inputs.checkpoint,
            self._inputs.family,
            self._inputs.data.about,
            self._log.recent,
            self._accelerator,
            step,
            self._evaluations.found,
        )

    def _stopped(self, step: int) -> Stopped:
        return Stopped(
            f"stopped after step {step} of {self._recipe.run.steps}; it is kept",
            hint="run the same command again to go on",
        )

    def _tell(self, step: int, **more: Any) -> None:
        """Report ``step`` steps; ``more`` is for the event."""
        if self._listener is not None:
            steps, name = self._recipe.run.steps, self._recipe.objective.name
            state = "done" if step == steps else "working"
            self._listener(Event("train", name, state, step, steps, **more))


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
    """Processes that read for this one: at most its share of the processors."""
    together = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return min(wanted, max(1, cores() // together))


def _sampler(inputs: TrainingInputs, denoiser: Any) -> Sampler | None:
    data = inputs.data
    if inputs.recipe.samples.every is None:
        return None
    width, height = data.sample_size
    return Sampler(
        inputs.checkpoint,
        inputs.family,
        denoiser,
        data.sample_prompts,
        data.samples,
        data.empty,
        width,
        height,
        inputs.recipe.seed,
    )
