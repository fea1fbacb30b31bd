"""`synpic score`: every candidate without a score, cut into batches, and how a batch is scored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl
from PIL.Image import Image

from synpic import tables
from synpic.engine.attempt import Attempts, Done, Failed
from synpic.engine.failures import FailureLog
from synpic.engine.shard import Shard
from synpic.engine.task import Made, Row, Task
from synpic.engine.writing import PartWatcher
from synpic.errors import RewardError
from synpic.images import ImageReader
from synpic.score.pixels import decode
from synpic.score.reward import Reward, WantedReward, open_reward
from synpic.score.trust import ConstantGuard, check_finite
from synpic.workspace import Workspace

__all__ = ["scoring_task"]

PART_SCORES = 4096


def scoring_task(
    workspace: Workspace,
    reward: WantedReward,
    candidates: pl.DataFrame,
    images: ImageReader,
    shard: Shard,
    retry_failed: bool,
) -> Task:
    """What ``reward`` has not scored of ``candidates``.

    Args:
        candidates: candidate_id, prompt_id, prompt and sha256 of what is there, best in the order
            in which their pixels lie.
        images: where those are.
        shard: the share of the candidates that is ours. It is cut by id, not by place, so that
            machines that see different stages of generation still agree.
        retry_failed: take up again what has a failure row.
    """
    failures = FailureLog(workspace, "score", reward.name, reward.fingerprint)
    watcher = PartWatcher(workspace, reward.folder, tables.SCORES)
    before = watcher.new_rows(["candidate_id", "sha256", "score"])
    done = {row[:2] for row in before}
    failed = set() if retry_failed else failures.known.keys()
    missing = [
        row
        for row in candidates.select("candidate_id", "sha256", "prompt_id", "prompt").to_dicts()
        if (row["candidate_id"], row["sha256"]) not in done and row["candidate_id"] not in failed
    ]
    ours = [row for row in missing if shard.holds(int(row["candidate_id"][:8], 16))]
    prompts = dict(candidates.select("candidate_id", "prompt_id").iter_rows())
    known = [(score, prompts[name]) for name, _, score in before if name in prompts]
    size = reward.settings.batch_size
    return Task(
        workspace=workspace,
        stage="score",
        name=reward.name,
        folder=reward.folder,
        schema=tables.SCORES,
        part_rows=PART_SCORES,
        note={"reward": reward.name, "decides": reward.decides},
        dtype=None,
        key=("candidate_id", "sha256"),
        wanted=candidates.height,
        already=candidates.height - len(missing),
        batches=[ours[start : start + size] for start in range(0, len(ours), size)],
        todo={(row["candidate_id"], row["sha256"]) for row in ours},
        watcher=watcher,
        failures=failures,
        open=lambda device, _: _Scoring(
            reward,
            open_reward(reward, workspace, device),
            images,
            ConstantGuard(reward.name, known),
        ),
        proven=bool(known),
        error=RewardError,
    )


class _Scoring:
    """An opened reward: batches of candidates → rows of the scores table."""

    def __init__(
        self, wanted: WantedReward, reward: Reward, images: ImageReader, guard: ConstantGuard
    ) -> None:
        self._wanted, self._reward = wanted, reward
        self._images, self._guard = images, guard
        self._attempts = Attempts(self._score)

    def do(self, batch: Sequence[Row], missing: Sequence[Row]) -> Made:
        readable, failed = self._decode(missing)
        ended = self._attempts.run(readable)
        scored = [end for end in ended if isinstance(end, Done)]
        failed |= {end.row["candidate_id"]: end.reason for end in ended if isinstance(end, Failed)}
        rows = self._guard.admit(
            [self._row(end) for end in scored], [end.row["prompt_id"] for end in scored]
        )
        return Made(rows, failed, len(scored))

    def finish(self) -> list[Row]:
        return self._guard.release()

    def _decode(self, rows: Sequence[Row]) -> tuple[list[Row], dict[str, str]]:
        """Rows with their ``image``, and reasons for those that have none."""
        encoded = self._images.read([(row["candidate_id"], row["sha256"]) for row in rows])
        readable: list[Row] = []
        failed: dict[str, str] = {}
        for row, data in zip(rows, encoded, strict=True):
            try:
                readable.append({**row, "image": decode(data)})
            except ValueError as error:
                failed[row["candidate_id"]] = str(error)[:500]
        return readable, failed

    def _score(self, rows: Sequence[Row]) -> list[float]:
        images: list[Image] = [row["image"] for row in rows]
        given = self._reward.score([row["prompt"] for row in rows], images)
        return check_finite(self._wanted.name, [row["candidate_id"] for row in rows], given)

    def _row(self, scored: Done[float]) -> dict[str, Any]:
        return {
            "candidate_id": scored.row["candidate_id"],
            "sha256": scored.row["sha256"],
            "reward": self._wanted.name,
            "fingerprint": self._wanted.fingerprint,
            "score": scored.result,
            "batch_size": scored.batch_size,
        }
