"""Three ways to draw the same images: a bare pipeline, the loop people write, ``synpic generate``.

All draw the same prompts from the same seeds with the same settings. The first two are stock
diffusers: ``DiffusionPipeline.from_pretrained`` on the very folder that synpic opens.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
from PIL import Image

from benchmarks.machine import Watch, forget_peak, held, peak, settle
from synpic import init_workspace
from synpic.engine.device import free_memory
from synpic.engine.progress import Event
from synpic.engine.task import Item
from synpic.pipeline.steps import generate_candidates
from synpic.pipeline.tasks import drawing_tasks
from synpic.recipe.settings import ModelSettings
from synpic.recipe.toml import write_toml

__all__ = ["Clock", "Drawn", "Job", "Stock"]

NAME = "measured"


class Clock:
    """What the events of one model tell of a run's time."""

    def __init__(self) -> None:
        self.opening = 0.0
        """Seconds of opening the model."""
        self._since = 0.0
        self._counts: list[tuple[float, int]] = []

    def __call__(self, event: Event) -> None:  # noqa: D102
        now = time.perf_counter()
        if event.state == "opening":
            self._since = now
        elif event.state == "working" and not self._counts:
            self.opening = now - self._since
        if event.state == "working" and (not self._counts or event.done > self._counts[-1][1]):
            self._counts.append((now, event.done))

    @property
    def began(self) -> float:
        """When the first batch was begun, by ``time.perf_counter``."""
        return self._counts[0][0]

    @property
    def first(self) -> float:
        """Seconds of the first batch."""
        return self._counts[1][0] - self._counts[0][0]

    @property
    def rate(self) -> float:
        """Images per second after the first batch."""
        (began, before), (ended, done) = self._counts[1], self._counts[-1]
        return (done - before) / (ended - began)


@dataclass
class Drawn:
    """What came of one run.

    Args:
        seconds: without opening.
        memory: MiB at most; of the device, or of this process on a CPU.
        used: the share of the time in which the device computed; None where nobody can tell.
        clock: of ``synpic generate``.
        files: its images by candidate id, where they were asked for.
    """

    images: int
    seconds: float
    memory: float
    used: float | None = None
    clock: Clock = field(default_factory=Clock)
    files: dict[str, bytes] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Images per second."""
        return self.images / self.seconds


@dataclass(frozen=True)
class Job:
    """A model, and how many images to draw with it.

    Args:
        settings: complete; the batch size is chosen by whoever measures.
        location: the checkpoint's folder.
        prompts: how many; a sample each, so that no text is read twice and nothing is gained by
            remembering what was read.
    """

    settings: ModelSettings
    location: Path
    device: str
    prompts: int

    def recipe(self, batch_size: int, **changed: Any) -> str:
        """A recipe that wants this of synpic, with some settings ``changed``."""
        given = {
            **self.settings.model_dump(exclude_unset=True),
            "checkpoint": str(self.location),
            "batch_size": batch_size,
            **changed,
        }
        # A recipe of which no ranking could come is refused, so there is a second model in it.
        other = {"checkpoint": str(self.location), "family": "auto", "steps": 1}
        return write_toml(
            {
                "prompts": {"world": "shapes", "count": self.prompts},
                "models": {NAME: given, "other": other},
            }
        )

    def rows(self, batch_size: int) -> list[Item]:
        """What is to be drawn, in the order in which synpic draws it."""
        with tempfile.TemporaryDirectory() as folder:
            workspace = init_workspace(Path(folder) / "set", self.recipe(batch_size))
            (task,), _ = drawing_tasks(workspace, only=[NAME])
            return [row for batch in task.batches for row in batch]

    def ours(self, batch_size: int, *, keep: bool = False, **changed: Any) -> Drawn:
        """``synpic generate``, from finding what is missing to the last part on the disk.

        Args:
            keep: give the images back.
            changed: settings that are others this time.
        """
        with tempfile.TemporaryDirectory() as folder:
            text = self.recipe(batch_size, **changed)
            workspace = init_workspace(Path(folder) / "set", text)
            # Weights are hashed the first time they are seen, as they are downloaded but once.
            drawing_tasks(workspace, only=[NAME])
            clock = Clock()
            before = held(self.device)
            forget_peak(self.device)
            with Watch(self.device) as watch:
                began = time.perf_counter()
                report = generate_candidates(
                    workspace, only=[NAME], device=self.device, listener=clock
                )
                settle(self.device)
                seconds = time.perf_counter() - began - clock.opening
            report.raise_if_unfinished()
            (outcome,) = report.outcomes
            if outcome.failed or outcome.made != self.prompts:
                raise SystemExit(f"of {self.prompts} images {outcome.failed} failed: not measured")
            files: dict[str, bytes] = {}
            if keep:
                (name,) = workspace.folders("candidates")
                rows = workspace.candidates([name])
                keys = list(rows.select("candidate_id", "sha256").iter_rows())
                read = workspace.images([name]).read(keys)
                files = {key[0]: data for key, data in zip(keys, read, strict=True)}
        free_memory()
        used = watch.between(clock.began, time.perf_counter())
        return Drawn(self.prompts, seconds, peak(self.device) - before, used, clock, files)


class Stock:
    """The pipeline as its users open it."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self.pipeline: Any = diffusers.DiffusionPipeline.from_pretrained(  # type: ignore[no-untyped-call]
            job.location,
            dtype=getattr(torch, job.settings.dtype or "float32"),
            use_safetensors=True,
        )
        self.pipeline.to(job.device)
        self.pipeline.set_progress_bar_config(disable=True)

    @cached_property
    def arguments(self) -> dict[str, Any]:
        """Of a call, besides prompts and generators."""
        settings = self._job.settings
        (size,) = settings.sizes or ["x"]
        width, _, height = size.partition("x")
        named = {
            "num_inference_steps": settings.steps,
            "guidance_scale": settings.guidance,
            "width": int(width),
            "height": int(height),
            **settings.call,
        }
        if settings.family == "pixart_sigma":
            named = {"clean_caption": False, "use_resolution_binning": False, **named}
        return named

    def draw(self, rows: Sequence[Item]) -> list[Image.Image]:
        """One call."""
        generators = [torch.Generator("cpu").manual_seed(row.seed) for row in rows]
        output = self.pipeline([row.prompt for row in rows], generator=generators, **self.arguments)
        return list(output.images)

    def best_batch(self, sizes: Sequence[int], least: int) -> tuple[int, dict[int, float]]:
        """The batch size that draws most images per second, and the rates of those tried.

        Args:
            least: images to draw at each size, where they are more than one batch.
        """
        rates: dict[int, float] = {}
        rows = self._job.rows(1)
        self.draw(rows[:1])  # kernels are chosen, pools are filled
        for size in sizes:
            count = min(len(rows) // size * size, max(size, least))
            if not count:
                break
            try:
                seconds = min(
                    self._clocked(lambda n=count, s=size: self._all(rows[:n], s))  # type: ignore[misc]
                    for _ in range(2)
                )
            except torch.OutOfMemoryError:
                free_memory()
                break
            rates[size] = count / seconds
            # Twice as many at once, and slower by a tenth: it will not get better.
            if rates[size] < 0.9 * max(rates.values()):
                break
        return max(rates, key=lambda size: rates[size]), rates

    def limit(self, rows: Sequence[Item], batch_size: int) -> Drawn:
        """A batch at a time; the images are thrown away."""
        forget_peak(self._job.device)
        with Watch(self._job.device) as watch:
            seconds = self._clocked(lambda: self._all(rows, batch_size))
        return Drawn(len(rows), seconds, peak(self._job.device), watch.share)

    def loop(self, rows: Sequence[Item]) -> Drawn:
        """A prompt at a time; ``image.save("….png")``."""
        forget_peak(self._job.device)
        with tempfile.TemporaryDirectory() as folder:

            def run() -> None:
                for number, row in enumerate(rows):
                    (image,) = self.draw([row])
                    image.save(Path(folder) / f"{number:06d}.png")

            with Watch(self._job.device) as watch:
                seconds = self._clocked(run)
        return Drawn(len(rows), seconds, peak(self._job.device), watch.share)

    def pixels(self, rows: Sequence[Item]) -> list[np.ndarray[Any, Any]]:
        """What one call draws."""
        return [np.asarray(image) for image in self.draw(rows)]

    def _all(self, rows: Sequence[Item], batch_size: int) -> None:
        for start in range(0, len(rows), batch_size):
            self.draw(rows[start : start + batch_size])

    def _clocked(self, work: Callable[[], None]) -> float:
        settle(self._job.device)
        began = time.perf_counter()
        work()
        settle(self._job.device)
        return time.perf_counter() - began
