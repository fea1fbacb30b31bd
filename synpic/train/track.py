"""The curve of a run: a row of ``log.jsonl`` per step, and TensorBoard or wandb if asked."""

from __future__ import annotations

import json
import math
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from accelerate.tracking import get_available_trackers

from synpic.errors import MissingExtra
from synpic.train.metrics import Metrics
from synpic.train.settings import TrainRecipe

__all__ = ["LOG", "Log", "check_trackers"]

LOG = "log.jsonl"
_RECENT = 50


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
    """

    def __init__(self, out: Path, recipe: TrainRecipe, accelerator: Accelerator, done: int) -> None:
        self._main = accelerator.is_main_process
        self._accelerator = accelerator
        self._recent: deque[dict[str, Any]] = deque(maxlen=_RECENT)
        self._then = time.monotonic()
        if recipe.run.track:
            accelerator.init_trackers("synpic", config=_flat(recipe.model_dump(mode="json")))
        if not self._main:
            return
        out.mkdir(parents=True, exist_ok=True)
        path = out / LOG
        if path.exists():
            rows = [row for row in path.read_text("utf-8").splitlines() if _step(row) <= done]
            self._recent.extend(json.loads(row) for row in rows[-_RECENT:])
            kept = path.with_name(f".{LOG}.tmp")
            kept.write_text("".join(f"{row}\n" for row in rows), "utf-8")
            kept.replace(path)
        self._file = path.open("a", encoding="utf-8")

    def add(self, step: int, metrics: Metrics, rate: float, norm: float) -> None:
        """Note what came of a step."""
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
        print(json.dumps(said, allow_nan=False), file=self._file, flush=True)
        known = {name: value for name, value in said.items() if value is not None}
        self._accelerator.log(known, step=step)

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

    def close(self) -> None:
        """No more steps."""
        if self._main:
            self._file.close()


def _step(row: str) -> float:
    """The step of a row; beyond all steps for one that a kill cut short."""
    try:
        return float(json.loads(row)["step"])
    except (ValueError, KeyError, TypeError):
        return float("inf")


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
