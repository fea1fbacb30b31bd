"""An opened model at work: batches of wanted rows become rows of the candidates table.

While the device draws a batch, threads encode and hash the one before. So a batch's rows, and what
failed of it, are reported when the next has been drawn. A kill loses what is
held; it is drawn again.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synpic import ids
from synpic.engine import threads
from synpic.engine.attempt import Attempts, Done, Failed, in_words
from synpic.engine.task import Item, Made, Row
from synpic.generate.family import Family, SupportsPrefetch
from synpic.generate.image_model import Model
from synpic.generate.pixels import eight_bits, encode

__all__ = ["Drawing"]

Pixels = NDArray[np.float32]


@dataclass(frozen=True)
class _InFlight:
    """A batch that has been drawn.

    Args:
        rows: those wanted of it, on their way through the threads.
        failed: candidate ids with reasons, of those wanted that were not drawn.
        others: how many were drawn for company only.
    """

    rows: Sequence[tuple[str, Future[Row | str]]]
    failed: dict[str, str]
    others: int

    def wait(self) -> Made:
        made, failed = [], dict(self.failed)
        for name, promise in self.rows:
            row = promise.result()
            if isinstance(row, str):
                failed[name] = row
            else:
                made.append(row)
        return Made(made, failed, len(made) + self.others)


class Drawing:
    """An opened model: batches of wanted rows → rows of the candidates table.

    Args:
        environment: key into the parts' metadata.
    """

    def __init__(self, model: Model, family: Family, environment: str) -> None:
        self.model, self.family, self.environment = model, family, environment
        self._threads = ThreadPoolExecutor(threads.pool(8), "encode")
        self._attempts = Attempts(self._draw, self._make_room)
        self._held: _InFlight | None = None
        self._groups: list[tuple[str, ...]] = []

    @property
    def note(self) -> str | None:
        """What somebody who watches should know of how it works; None where there is nothing."""
        return self.family.note if isinstance(self.family, SupportsPrefetch) else None

    def expect(self, batches: Sequence[Sequence[Item]]) -> None:
        """See :class:`synpic.engine.task.Work`."""
        self._groups = [tuple(item.prompt for item in batch) for batch in batches]
        self._tell_family()

    def do(self, batch: Sequence[Item], missing: Sequence[Item], following: Sequence[Item]) -> Made:
        """See :class:`synpic.engine.task.Work`."""
        limit = self._attempts.limit
        ended = self._attempts.run(batch)
        if self._attempts.limit != limit:
            self._tell_family()
        wanted = {item.candidate_id for item in missing}
        before, self._held = self._held, self._hold(ended, wanted)
        return before.wait() if before else Made([], {}, 0)

    def finish(self) -> Made:
        """See :class:`synpic.engine.task.Work`."""
        held, self._held = self._held, None
        return held.wait() if held else Made([], {}, 0)

    def close(self) -> None:
        """See :class:`synpic.engine.task.Work`."""
        self._held = None
        self._threads.shutdown(cancel_futures=True)

    def _tell_family(self) -> None:
        """Name the prompts of every call that is to come, as large as memory allows."""
        if isinstance(self.family, SupportsPrefetch):
            size = self._attempts.limit
            self.family.expect(
                [
                    group[start : start + (size or len(group))]
                    for group in self._groups
                    for start in range(0, len(group), size or len(group))
                ]
            )

    def _make_room(self) -> bool:
        return isinstance(self.family, SupportsPrefetch) and self.family.make_room()

    def _draw(self, items: Sequence[Item]) -> Sequence[Pixels]:
        pixels = self.family.draw(
            [item.prompt for item in items],
            [item.seed for item in items],
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

    def _hold(
        self, ended: Sequence[Done[Item, Pixels] | Failed[Item]], wanted: set[str]
    ) -> _InFlight:
        ours = [end for end in ended if end.item.candidate_id in wanted]
        return _InFlight(
            rows=[
                (end.item.candidate_id, self._threads.submit(self._row, end))
                for end in ours
                if isinstance(end, Done)
            ],
            failed={end.item.candidate_id: end.reason for end in ours if isinstance(end, Failed)},
            others=sum(isinstance(end, Done) for end in ended)
            - sum(isinstance(end, Done) for end in ours),
        )

    def _row(self, image: Done[Item, Pixels]) -> Row | str:
        """The row of an image, or why there is none."""
        how = self.model.images
        try:
            pixels = eight_bits(image.result)
            data = encode(pixels, how)
        except Exception as error:  # whatever it is, it is about this image alone
            return in_words(error)
        name = image.item.candidate_id
        height, width = pixels.shape[:2]
        row: dict[str, Any] = {
            "candidate_id": name,
            "prompt_id": image.item.prompt_id,
            "model": self.model.name,
            "fingerprint": self.model.fingerprint,
            "sample": image.item.sample,
            "seed": image.item.seed,
            "image": {"bytes": data, "path": f"{name}.{how.format}"},
            "sha256": ids.sha256(data),
            "width": width,
            "height": height,
            "batch_size": image.batch_size,
            "seconds": image.seconds,
            "flagged": None,
            "environment": self.environment,
        }
        return row
