"""`synpic score`: every candidate without a score, in batches, reward by reward."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import polars as pl
from PIL.Image import Image

from synpic import tables
from synpic.engine.device import environment, pick_device
from synpic.engine.failures import FailureLog
from synpic.engine.parts import PartWatcher, PartWriter, environment_key, walk
from synpic.engine.progress import Listener, Meter
from synpic.engine.report import Outcome, Report
from synpic.engine.shard import WHOLE, Shard
from synpic.errors import RewardError, SynpicError
from synpic.images import ImageReader
from synpic.score.pixels import decode
from synpic.score.reward import Reward, WantedReward, open_reward
from synpic.score.trust import ConstantGuard, check_finite
from synpic.workspace import Workspace

__all__ = ["run_rewards"]

PART_SCORES = 4096


def run_rewards(
    workspace: Workspace,
    candidates: pl.DataFrame,
    images: ImageReader,
    rewards: Sequence[WantedReward],
    *,
    only: Sequence[str] | None = None,
    shard: Shard = WHOLE,
    device: str | None = None,
    retry_failed: bool = False,
    listener: Listener | None = None,
    stop: threading.Event | None = None,
) -> Report:
    """Give every candidate that lacks it the score of every reward.

    Args:
        candidates: candidate_id, prompt_id, prompt and sha256 of what is there, best in the order
            in which their pixels lie.
        images: where their pixels are.
        rewards: resolved.
        only: names of rewards; all of them if None.
        shard, device, retry_failed, listener, stop: as for ``generate_candidates``.

    Returns:
        What came of each reward. One that cannot be opened, or whose scores cannot be trusted, is
        named in its outcome and does not stop the others.
    """
    unknown = set(only or ()) - {reward.name for reward in rewards}
    if unknown:
        raise SynpicError(
            f"the recipe has no reward {sorted(unknown)[0]!r}",
            hint=f"it has: {', '.join(reward.name for reward in rewards) or 'none'}",
        )
    device = pick_device(device)
    report = Report("score")
    # By id, not by place: machines that see different stages of generation still agree.
    ours = candidates.filter(
        pl.col("candidate_id").map_elements(
            lambda name: shard.holds(int(name[:8], 16)), return_dtype=pl.Boolean
        )
    )
    for wanted in rewards:
        if only and wanted.name not in only:
            continue
        work = _Work(workspace, wanted, ours, candidates.height, images, retry_failed)
        report.outcomes.append(_score_all(work, device, listener, stop))
        if stop is not None and stop.is_set():
            report.stopped = True
            break
    return report


class _Work:
    """The candidates that one reward has not scored, in batches."""

    def __init__(
        self,
        workspace: Workspace,
        reward: WantedReward,
        candidates: pl.DataFrame,
        wanted: int,
        images: ImageReader,
        retry_failed: bool,
    ) -> None:
        self.workspace, self.reward, self.images = workspace, reward, images
        self.failures = FailureLog(workspace, "score", reward.name, reward.fingerprint)
        self.watcher = PartWatcher(workspace, reward.folder, tables.SCORES)
        before = self.watcher.new_rows(["candidate_id", "sha256", "score"])
        prompts = dict(candidates.select("candidate_id", "prompt_id").iter_rows())
        self.before = [(row[2], prompts[row[0]]) for row in before if row[0] in prompts]
        done = {row[:2] for row in before}
        failed = () if retry_failed else self.failures.known
        rows = [
            row
            for row in candidates.to_dicts()
            if _key(row) not in done and row["candidate_id"] not in failed
        ]
        size = reward.settings.batch_size
        self.batches = [rows[start : start + size] for start in range(0, len(rows), size)]
        self.todo = {_key(row) for row in rows}
        self.wanted, self.already = wanted, candidates.height - len(rows)

    def missing(self, batch: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Those rows of ``batch`` that still have no score."""
        return [row for row in batch if _key(row) in self.todo]

    def others(self, ours: set[str]) -> bool:
        """Take note of what others have scored since, and say whether they have."""
        rows = self.watcher.new_rows(["candidate_id", "sha256"], but=ours)
        self.todo.difference_update(rows)
        return bool(rows)


def _key(row: dict[str, Any]) -> tuple[str, str]:
    """What a score belongs to: an image with its very pixels."""
    return row["candidate_id"], row["sha256"]


def _score_all(
    work: _Work, device: str, listener: Listener | None, stop: threading.Event | None
) -> Outcome:
    reward = work.reward
    outcome = Outcome(reward.name, work.wanted, already=work.already)
    left = len(work.todo)
    meter = Meter("score", reward.name, left, listener)
    if not left:
        meter.tell("done")
        return outcome
    meter.tell("opening")
    try:
        opened = open_reward(reward, work.workspace, device)
        _loop(work, opened, device, meter, outcome, stop)
    except RewardError as error:
        outcome.broken = error
    outcome.left = left - outcome.made - outcome.failed if outcome.broken else len(work.todo)
    meter.end(outcome.broken)
    return outcome


def _loop(
    work: _Work,
    opened: Reward,
    device: str,
    meter: Meter,
    outcome: Outcome,
    stop: threading.Event | None,
) -> None:
    reward = work.reward
    surroundings = environment(device, "float32")
    key = environment_key(surroundings)
    note = {"reward": reward.name, "decides": reward.decides, "environments": {key: surroundings}}
    guard = ConstantGuard(reward.name, work.before)
    meter.begin()
    with (
        PartWriter(work.workspace, reward.folder, tables.SCORES, note, PART_SCORES) as writer,
        work.failures as failures,
    ):
        for whole in walk(work.batches, writer, work.others):
            batch = work.missing(whole)
            if not batch:
                continue
            good, images, failed = _decode(work.images, batch)
            rows, broken = _score(reward, opened, good, images)
            failures.add(failed | broken)
            prompts = {row["candidate_id"]: row["prompt_id"] for row in good}
            for admitted in guard.admit(rows, [prompts[row["candidate_id"]] for row in rows]):
                writer.add(admitted)
                outcome.made += len(admitted)
            work.todo.difference_update(map(_key, batch))
            meter.add(len(batch), len(failed | broken), left=len(work.todo))
            if stop is not None and stop.is_set():
                break
        for held in guard.release():
            writer.add(held)
            outcome.made += len(held)
        outcome.failed = failures.added


def _decode(
    reader: ImageReader, batch: Sequence[dict[str, Any]]
) -> tuple[list[dict[str, Any]], list[Image], dict[str, str]]:
    """Rows whose image is whole, those images, and reasons for the others."""
    encoded = reader.read([_key(row) for row in batch])
    good: list[dict[str, Any]] = []
    images: list[Image] = []
    failed: dict[str, str] = {}
    for row, data in zip(batch, encoded, strict=True):
        try:
            images.append(decode(data))
            good.append(row)
        except ValueError as error:
            failed[row["candidate_id"]] = str(error)[:500]
    return good, images, failed


def _score(
    reward: WantedReward, opened: Reward, rows: Sequence[dict[str, Any]], images: Sequence[Image]
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Rows of the scores table, and reasons for what could not be scored."""
    ids = [row["candidate_id"] for row in rows]
    if not rows:
        return [], {}
    try:
        given = opened.score([row["prompt"] for row in rows], images)
    except RewardError:
        raise
    except Exception as error:
        return _one_by_one(reward, opened, rows, images, error)
    values = check_finite(reward.name, ids, given)
    return [
        _row(reward, row, value, len(rows)) for row, value in zip(rows, values, strict=True)
    ], {}


def _one_by_one(
    reward: WantedReward,
    opened: Reward,
    rows: Sequence[dict[str, Any]],
    images: Sequence[Image],
    error: Exception,
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """After a batch failed: alone, each image shows whether it was the one."""
    reason = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"[:500]
    if len(rows) == 1:
        return [], {rows[0]["candidate_id"]: reason}
    kept: list[dict[str, Any]] = []
    failed: dict[str, str] = {}
    for row, image in zip(rows, images, strict=True):
        scored, broken = _score(reward, opened, [row], [image])
        kept += scored
        failed |= broken
    if not kept:
        raise RewardError(
            f"reward {reward.name!r} fails on every image of a batch: {reason}",
            hint="nothing of this batch was recorded; score one image by hand to see why",
        )
    return kept, failed


def _row(
    reward: WantedReward, row: dict[str, Any], value: float, batch_size: int
) -> dict[str, Any]:
    return {
        "candidate_id": row["candidate_id"],
        "sha256": row["sha256"],
        "reward": reward.name,
        "fingerprint": reward.fingerprint,
        "score": value,
        "batch_size": batch_size,
    }
