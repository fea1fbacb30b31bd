"""An opened model at work: batches of wanted rows become rows of the candidates table."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synpic import ids
from synpic.engine.attempt import Attempts, Done, Failed
from synpic.engine.task import Made, Row
from synpic.generate.family import Family
from synpic.generate.model import Model
from synpic.generate.pixels import encode

__all__ = ["Drawing"]


@dataclass
class Drawing:
    """An opened model: batches of wanted rows → rows of the candidates table."""

    model: Model
    family: Family
    environment: str
    encoders: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(4))

    def __post_init__(self) -> None:
        self._attempts = Attempts(self._draw)

    def expect(self, batches: Sequence[Sequence[Row]]) -> None:
        """See :class:`synpic.engine.task.Work`."""

    def do(self, batch: Sequence[Row], missing: Sequence[Row], following: Sequence[Row]) -> Made:
        """See :class:`synpic.engine.task.Work`."""
        ended = self._attempts.run(batch)
        drawn = [end for end in ended if isinstance(end, Done)]
        failed = {end.row["candidate_id"]: end.reason for end in ended if isinstance(end, Failed)}
        rows: list[Row] = []
        for image, data in zip(drawn, self.encoders.map(self._encode, drawn), strict=True):
            if isinstance(data, bytes):
                rows.append(self._row(image, data))
            else:
                failed[image.row["candidate_id"]] = data.reason
        wanted = {row["candidate_id"] for row in missing}
        return Made(
            rows=[row for row in rows if row["candidate_id"] in wanted],
            failed={name: reason for name, reason in failed.items() if name in wanted},
            succeeded=len(rows),
        )

    def finish(self) -> Made:
        """See :class:`synpic.engine.task.Work`."""
        return Made([], {}, 0)

    def close(self) -> None:
        """See :class:`synpic.engine.task.Work`."""
        self.encoders.shutdown()

    def _draw(self, rows: Sequence[Row]) -> Sequence[NDArray[np.float32]]:
        pixels = self.family.draw(
            [row["prompt"] for row in rows],
            [row["seed"] for row in rows],
            self.model.width,
            self.model.height,
        )
        pixels = np.asarray(pixels)
        if pixels.ndim != 4 or pixels.shape[-1] != 3 or pixels.dtype.kind != "f":
            raise ValueError(
                "floats of shape (n, height, width, 3) expected, the family gave "
                f"{pixels.dtype} of shape {pixels.shape}"
            )
        return list(pixels)

    def _encode(self, image: Done[NDArray[np.float32]]) -> bytes | Failed:
        try:
            return encode(image.result, self.model.images)
        except (ValueError, OSError) as error:  # OSError: larger than the format allows
            return Failed(image.row, str(error))

    def _row(self, image: Done[NDArray[np.float32]], data: bytes) -> dict[str, Any]:
        name = image.row["candidate_id"]
        height, width = image.result.shape[:2]
        return {
            "candidate_id": name,
            "prompt_id": image.row["prompt_id"],
            "model": self.model.name,
            "fingerprint": self.model.fingerprint,
            "sample": image.row["sample"],
            "seed": image.row["seed"],
            "image": {"bytes": data, "path": f"{name}.{self.model.images.format}"},
            "sha256": ids.sha256(data),
            "width": width,
            "height": height,
            "batch_size": image.batch_size,
            "seconds": image.seconds,
            "flagged": None,
            "environment": self.environment,
        }
