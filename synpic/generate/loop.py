"""`synpic generate`: what is wanted and missing, cut into batches, and how a batch is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from synpic import checkpoints, ids, tables
from synpic.engine.attempt import Attempts, Done, Failed
from synpic.engine.failures import FailureLog
from synpic.engine.shard import Shard
from synpic.engine.task import Made, Row, Task
from synpic.engine.writing import PartWatcher
from synpic.errors import ModelError, SynpicError
from synpic.generate.family import Family
from synpic.generate.model import Model
from synpic.generate.pixels import encode
from synpic.registry import FAMILIES
from synpic.workspace import Workspace

__all__ = ["drawing_task", "open_model"]

PART_IMAGES = 64


def drawing_task(
    workspace: Workspace, model: Model, want: pl.DataFrame, shard: Shard, retry_failed: bool
) -> Task:
    """What is missing of ``want``.

    A batch with anything missing is drawn whole, and only what was missing is kept: so an image is
    drawn in the same company whatever happened before.

    Args:
        want: every image wanted of ``model``, as :func:`synpic.generate.model.wanted` gives it.
        shard: the share of its batches that is ours.
        retry_failed: take up again what has a failure row.
    """
    failures = FailureLog(workspace, "generate", model.name, model.fingerprint)
    watcher = PartWatcher(workspace, model.folder, tables.CANDIDATES)
    drawn = {row[0] for row in watcher.new_rows(["candidate_id"])}
    done = drawn if retry_failed else drawn | failures.known.keys()
    missing = want.filter(~pl.col("candidate_id").is_in(list(done)))
    numbers = [n for n in missing["batch"].unique().sort().to_list() if shard.holds(n)]
    ours = pl.col("batch").is_in(numbers)
    return Task(
        workspace=workspace,
        stage="generate",
        name=model.name,
        folder=model.folder,
        schema=tables.CANDIDATES,
        part_rows=PART_IMAGES,
        note={"model": model.name, "decides": model.decides},
        dtype=model.settings.dtype or "float32",
        key=("candidate_id",),
        wanted=want.height,
        already=want.height - missing.height,
        batches=[batch.to_dicts() for batch in want.filter(ours).partition_by("batch")],
        todo={(name,) for name in missing.filter(ours)["candidate_id"]},
        watcher=watcher,
        failures=failures,
        open=lambda device, key: _Drawing(model, open_model(workspace, model, device), key),
        proven=bool(drawn),
        error=ModelError,
    )


def open_model(workspace: Workspace, model: Model, device: str) -> Family:
    """Load ``model`` onto ``device``.

    Raises:
        ModelError: it cannot be opened, or does not take a setting.
    """
    location, commit = checkpoints.load_from(workspace, model.checkpoint)
    family: type[Family] = FAMILIES.load(model.family)
    try:
        return family(model.settings, location, commit, device)
    except SynpicError:
        raise
    except Exception as error:
        # A family may be anyone's code; whatever it raises is about this model and no other.
        raise ModelError(
            f"model {model.name!r} cannot be opened: {type(error).__name__}: {error}",
            hint=f"the family {model.family!r} raised this; check its settings",
        ) from error


@dataclass
class _Drawing:
    """An opened model: batches of wanted rows → rows of the candidates table."""

    model: Model
    family: Family
    environment: str
    encoders: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(4))

    def __post_init__(self) -> None:
        self._attempts = Attempts(self._draw)

    def do(self, batch: Sequence[Row], missing: Sequence[Row], following: Sequence[Row]) -> Made:
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

    def finish(self) -> list[Row]:
        return []

    def close(self) -> None:
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
