"""Drawing a batch whatever happens: smaller where memory is short, alone where a prompt fails."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synpic.generate.family import Family
from synpic.generate.model import Model

__all__ = ["Painter"]


@dataclass
class Painter:
    """Draws batches whole; smaller where memory is short, one by one where an image fails."""

    model: Model
    family: Family
    limit: int = 0

    def draw_batch(self, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """``rows`` with ``pixels``, ``batch_size`` and ``seconds``, or with a ``reason``."""
        size = min(self.limit or len(rows), len(rows))
        drawn: list[dict[str, Any]] = []
        for start in range(0, len(rows), size):
            drawn += self._draw(rows[start : start + size])
        return drawn

    def _draw(self, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        began = time.perf_counter()
        pixels, problem = self._try(rows)
        if problem is None:
            seconds = (time.perf_counter() - began) / len(rows)
            return [
                {**row, "pixels": image, "batch_size": len(rows), "seconds": seconds}
                for row, image in zip(rows, pixels, strict=True)
            ]
        if len(rows) == 1:
            return [{**rows[0], "reason": problem.reason}]
        if problem.out_of_memory:
            self.limit = len(rows) // 2
            return self.draw_batch(rows)
        # One bad prompt spoils its batch: alone, each shows whether it was the one.
        return [drawn for row in rows for drawn in self._draw([row])]

    def _try(
        self, rows: Sequence[dict[str, Any]]
    ) -> tuple[Sequence[NDArray[np.float32]], _Problem | None]:
        # What went wrong is told in words, not raised further: an exception in flight would hold
        # on to the very tensors for which there was no room.
        try:
            pixels = self.family.draw(
                [row["prompt"] for row in rows],
                [row["seed"] for row in rows],
                self.model.width,
                self.model.height,
            )
        except Exception as error:
            problem = _Problem.of(error)
        else:
            if pixels.ndim == 4 and len(pixels) == len(rows):
                return list(pixels), None
            asked = f"{len(rows)} images were asked for"
            return [], _Problem(f"{asked}, the pipeline gave {pixels.shape}")
        if problem.out_of_memory:
            _free_memory()
        return [], problem


@dataclass(frozen=True)
class _Problem:
    reason: str
    out_of_memory: bool = False

    @classmethod
    def of(cls, error: Exception) -> _Problem:
        import torch

        first = (str(error).splitlines() or [""])[0]
        return cls(
            f"{type(error).__name__}: {first}"[:500],
            isinstance(error, torch.OutOfMemoryError | MemoryError)
            or (isinstance(error, RuntimeError) and "can't allocate memory" in str(error)),
        )


def _free_memory() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
