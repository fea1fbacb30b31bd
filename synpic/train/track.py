"""The curve of a run: a row of ``log.jsonl`` per step, and TensorBoard or wandb if asked."""

from __future__ import annotations

import json
import math
import os
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, Any

import numpy as np
from accelerate import Accelerator
from accelerate.tracking import get_available_trackers
from PIL import Image
from pydantic import Field

from synpic.errors import MissingExtra, StorageError, TrainingError
from synpic.readers.json_models import Record, read_json
from synpic.release.cards.training import StepEvaluation
from synpic.release.run_folder import LOG
from synpic.train.metrics import Metrics
from synpic.train.settings import TrainRecipe
from synpic.workspace.storage import Store

__all__ = ["Log", "check_trackers"]

_RECENT = 50
_TAG = 80
"""Letters of a prompt in the tag of its pictures."""


def check_trackers(names: Sequence[str]) -> None:
    """See that what ``run.track`` names is there: accelerate would do without, and say nothing.

    Raises:
        MissingExtra: one is not.
    """
    there = {str(tracker.value) for tracker in get_available_trackers()}
    for name in names:
        if name not in there:
            raise MissingExtra(
                f"run.track: {name} is not installed", hint=f"pip install 'synpic[{name}]'"
            )


class Log:
    """Rows of steps, written by the main process.

    Args:
        out: folder of the run.
        done: steps that a checkpoint holds; rows after it, of steps that a kill lost, are dropped.

    Raises:
        TrainingError: rows of steps up to there are damaged or missing, but not the whole log.
        StorageError: the disk is full, or refuses.
    """

    def __init__(self, out: Path, recipe: TrainRecipe, accelerator: Accelerator, done: int) -> None:
        self._main = accelerator.is_main_process
        self._accelerator = accelerator
        self._recent: deque[dict[str, Any]] = deque(maxlen=_RECENT)
        self._then = time.monotonic()
        if self._main:
            self._file = self._open(out / LOG, done)
        if recipe.run.track:
            accelerator.init_trackers(
                "synpic",
                config=_flat(recipe.model_dump(mode="json")),
                # TensorBoard hides what it has of steps that are taken again.
                init_kwargs={"tensorboard": {"purge_step": done + 1}},
            )

    def _open(self, path: Path, done: int) -> IO[str]:
        """The log, opened at its end, with the rows up to ``done`` and no others."""
        rows = _rows(path, done) if done and path.exists() else []
        self._recent.extend(row for _, row in rows[-_RECENT:])
        Store(path.parent).write(path.name, "".join(f"{line}\n" for line, _ in rows).encode())
        return path.open("a", encoding="utf-8")

    def add(self, step: int, metrics: Metrics, rate: float, norm: float) -> None:
        """Log the metrics of a step."""
        if not self._main:
            return
        now = time.monotonic()
        row = {
            "step": step,
            **metrics.means,
            "learning_rate": rate,
            "norm": norm,
            "seconds": round(now - self._then, 4),
        }
        self._then = now
        # JSON has no infinity, which is the norm of a gradient that overflowed float16.
        said = {name: value if math.isfinite(value) else None for name, value in row.items()}
        self._recent.append(said)
        with _disk(self._file.name):
            print(json.dumps(said, allow_nan=False), file=self._file, flush=True)
        known = {name: value for name, value in said.items() if value is not None}
        self._accelerator.log(known, step=step)

    def add_evaluation(self, found: StepEvaluation) -> None:
        """Send what an evaluation found to the trackers: means, and differences from the base."""
        figures: dict[str, float] = {}
        for name, one in found.metrics.items():
            values = {f"evaluate/{name}": one.mean, f"evaluate/{name} difference": one.difference}
            figures |= {key: value for key, value in values.items() if value is not None}
        self._accelerator.log(figures, step=found.step)

    def add_pictures(
        self, step: int, prompts: Sequence[str], images: Sequence[Image.Image]
    ) -> None:
        """Send sample pictures to the trackers: to TensorBoard each under a tag with its prompt.

        Args:
            prompts, images: equally many, in one order.
        """
        if not self._accelerator.trackers:
            return
        named = {
            f"samples/{i:02d} {' '.join(prompt.split())[:_TAG]}": np.asarray(image.convert("RGB"))
            for i, (prompt, image) in enumerate(zip(prompts, images, strict=True))
        }
        for tracker in self._accelerator.trackers:
            if tracker.name == "tensorboard":
                stacked = {tag: pixels[None] for tag, pixels in named.items()}
                tracker.log_images(stacked, step=step, dataformats="NHWC")
            elif tracker.name == "wandb":
                tracker.log_images({tag: [pixels] for tag, pixels in named.items()}, step=step)

    @property
    def recent(self) -> dict[str, float]:
        """Means over the last steps, of what is a number."""
        rows = list(self._recent)
        shared = set.intersection(*(set(row) for row in rows)) if rows else set()
        found: dict[str, float] = {}
        for name in sorted(shared - {"step", "seconds"}):
            known = [row[name] for row in rows if row[name] is not None]
            if known:
                found[name] = sum(known) / len(known)
        return found

    def flush(self) -> None:
        """Put the rows on the disk: before a checkpoint that has their steps behind it.

        Raises:
            StorageError: the disk is full, or refuses.
        """
        if self._main:
            with _disk(self._file.name):
                os.fsync(self._file.fileno())

    def close(self) -> None:
        """End the run, for trackers too: wandb would else report it as crashed."""
        if self._main:
            self._file.close()
        while self._accelerator.trackers:
            self._accelerator.trackers.pop().finish()


class _Row(Record):
    """A step; every other key is a figure, or null where there was none."""

    __pydantic_extra__: dict[str, float | None]

    step: Annotated[int, Field(ge=1, lt=1 << 53)]


def _rows(path: Path, done: int) -> list[tuple[str, dict[str, Any]]]:
    """The rows of the log up to step ``done``, one for each step from its first on, as they are.

    What is behind the row of that step is of steps that will be taken again, and is not looked at.

    Raises:
        TrainingError: a row is no row or lacks, with its line.
        StorageError: the file cannot be read.
    """
    hint = f"put it back from a copy; or delete it: the run goes on, and its log from step {done}"
    with _disk(str(path)):
        lines = path.read_bytes().split(b"\n")
    found: list[tuple[str, dict[str, Any]]] = []
    for number, line in enumerate(lines, 1):
        where = f"{path}:{number}"
        if not line and number == len(lines):
            break
        row = read_json(_Row, line, where, error=TrainingError, hint=hint)
        if found and row.step != found[-1][1]["step"] + 1:
            raise TrainingError(
                f"{where}: step {row.step}, where step {found[-1][1]['step'] + 1} is to come",
                hint=hint,
            )
        if row.step > done:
            break
        found.append((line.decode(), row.model_dump()))
        if row.step == done:
            return found
    last = f"ends with step {found[-1][1]['step']}" if found else "has no step"
    raise TrainingError(f"{path}: {last}, and the checkpoint is of step {done}", hint=hint)


@contextmanager
def _disk(path: str) -> Iterator[None]:
    """Turn the operating system's refusals into one that says what to do."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"{path}: {error.strerror or error}",
            hint="check the disk and run the command again: it goes on from the last checkpoint",
        ) from error


def _flat(settings: dict[str, Any], where: str = "") -> dict[str, Any]:
    """Nested settings as trackers take them: "a.b" → number or text."""
    found: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{where}{key}.")
        else:
            plain = isinstance(value, int | float | str | bool)
            found[f"{where}{key}"] = value if plain else str(value)
    return found
