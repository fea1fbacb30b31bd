"""`synpic score`: every candidate without a score, cut into batches, and how a batch is scored."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import polars as pl
from PIL.Image import Image

from synpic.engine.attempt import Attempts, Done, Failed
from synpic.engine.shard import Shard
from synpic.engine.task import Item, Made, Opener, Output, Task
from synpic.engine.writing import PartWatcher
from synpic.errors import RewardError
from synpic.score.judged import AskedPrompt, JudgedReward
from synpic.score.judges.judge import Requirement
from synpic.score.judges.trust import require_canary_refused
from synpic.score.missing_results import enough_to_differ, missing_results
from synpic.score.precision import full_float32
from synpic.score.prefetch import WHOLE_IMAGE, PrefetchedImages, PrefetchOrder, as_it_is, key_of
from synpic.score.reward import HoldsSomething, Reward, WantedReward, open_reward
from synpic.score.score_checks import ConstantGuard, check_finite
from synpic.score.two_stage import TwoStageReward
from synpic.workspace import Workspace, tables
from synpic.workspace.suite import NO_SUITE, SuiteItems

__all__ = ["SuiteImage", "scoring_task"]

PART_SCORES = 4096


@dataclass(frozen=True, slots=True)
class SuiteImage(Item):
    """An image to score, and what a suite asks of it: for a judge as a reward."""

    tag: str = ""
    spec: str = "{}"

    @property
    def requirement(self) -> Requirement:
        """As a judge takes it."""
        return Requirement(self.prompt, self.tag, json.loads(self.spec))


def scoring_task(
    workspace: Workspace,
    reward: WantedReward,
    candidates: pl.DataFrame,
    images: PrefetchedImages,
    shard: Shard,
    retry_failed: bool,
    suite: SuiteItems = NO_SUITE,
) -> Task:
    """What ``reward`` has not scored of ``candidates``.

    Args:
        candidates: candidate_id, prompt_id, prompt and sha256 of what is there, best in the order
            in which their pixels lie.
        images: made ready from where those are; one for all rewards that run together.
        shard: the share of the candidates that is ours. It is cut by id, not by place, so that
            machines that see different stages of generation still agree.
        retry_failed: try again what has a failure row.
        suite: what is asked of each prompt's images, for a judge as a reward.
    """
    found = missing_results(
        "score",
        reward,
        Output(
            workspace=workspace,
            folder=reward.folder,
            schema=tables.SCORES,
            key=("candidate_id", "sha256"),
            part_rows=PART_SCORES,
            note={"reward": reward.name, "decides": reward.fingerprint_inputs},
            watcher=PartWatcher(workspace, reward.folder, tables.SCORES),
        ),
        candidates,
        partial(_item, suite, reward),
        retry_failed,
        values=["score"],
    )
    prompts = dict(candidates.select("candidate_id", "prompt_id").iter_rows())
    known = [(score, prompts[name]) for name, _, score in found.before if name in prompts]
    opener = Opener(
        partial(_open, workspace, reward, images, enough_to_differ(known)),
        RewardError,
        proven=bool(known),
    )
    return found.task(lambda item: shard.holds(int(item.candidate_id[:8], 16)), opener)


def _item(suite: SuiteItems, reward: WantedReward, position: int, row: dict[str, Any]) -> Item:
    if reward.judge is None:
        return Item(position=position, **row)
    asked = suite.of(row["prompt_id"])
    return SuiteImage(position=position, tag=asked.tag, spec=asked.spec, **row)


def _open(
    workspace: Workspace,
    reward: WantedReward,
    images: PrefetchedImages,
    known: Sequence[tuple[float, str]],
    device: str,
    environment: str,
) -> _Scoring:
    opened = open_reward(reward, workspace, device)
    if not isinstance(opened, JudgedReward):
        return _Scoring(reward, opened, images, ConstantGuard(reward.name, known), device)
    try:
        require_canary_refused(reward.name, opened.opened_judge)
    except BaseException:
        opened.close()
        raise
    # A judge may well call every image wrong: what was seen to tell images apart is not held back.
    guard = ConstantGuard(reward.name, [(0.0, ""), (1.0, "")])
    return _Scoring(reward, opened, images, guard, device)


@dataclass(frozen=True)
class _Batch:
    """What a reward is given of some rows.

    Args:
        images: of the rows that have one; stacked where the reward is in two steps.
        broken: candidate ids of the others, with reasons.
    """

    keys: tuple[tuple[str, str], ...]
    images: Any
    broken: dict[str, str]


class _Scoring:
    """An opened reward: batches of candidates → rows of the scores table."""

    def __init__(
        self,
        wanted: WantedReward,
        reward: Reward,
        images: PrefetchedImages,
        guard: ConstantGuard,
        device: str,
    ) -> None:
        self._wanted, self._reward = wanted, reward
        self._images, self._guard = images, guard
        self._pinned = device.startswith("cuda")
        self._attempts = Attempts(self._score)
        self._kind: Hashable = WHOLE_IMAGE
        self._make: Callable[[Image], Any] = as_it_is
        self._judge: Callable[[Sequence[str], Any], Sequence[float]] = reward.score
        self._side_by_side: Callable[[Sequence[Any]], Any] = list
        self._ahead: Callable[[Sequence[str], Any], None] | None = None
        if isinstance(reward, TwoStageReward):
            self._kind, self._make = reward.preprocessing, reward.pixels
            self._judge, self._side_by_side = reward.judge, reward.side_by_side
            self._ahead = reward.ahead
        images.want(self._kind, self._make)
        self._gatherer = ThreadPoolExecutor(1, "gather")
        self._coming: Future[_Batch] | None = None
        self._given: Any = None

    def expect(self, batches: Sequence[Sequence[Item]]) -> None:
        pass

    def do(self, batch: Sequence[Item], missing: Sequence[Item], following: Sequence[Item]) -> Made:
        coming, self._coming = self._coming, None
        given = coming.result() if coming else None
        if given is None or given.keys != tuple(map(key_of, missing)):
            given = self._gather(self._images.order(missing, self._kind))
        if following:
            order = self._images.order(following, self._kind)
            self._coming = self._gatherer.submit(self._gather_ahead, order, following)
        self._given = given.images
        whole = [item for item in missing if item.candidate_id not in given.broken]
        ended = self._attempts.run(list(enumerate(whole)))
        self._given = None
        scored = [end for end in ended if isinstance(end, Done)]
        unscored = [end for end in ended if isinstance(end, Failed)]
        failed = given.broken | {end.item[1].candidate_id: end.reason for end in unscored}
        rows = self._guard.admit(
            [self._row(end) for end in scored], [end.item[1].prompt_id for end in scored]
        )
        return Made(rows, failed, len(scored), any(end.starved for end in unscored))

    def finish(self) -> Made:
        return Made(self._guard.release(), {}, 0)

    def close(self) -> None:
        # In this order: what was ordered is still made, and nobody waits for it for ever.
        self._gatherer.shutdown()
        self._images.release(self._kind, self._make)
        if isinstance(self._reward, HoldsSomething):
            self._reward.close()

    def _gather(self, order: PrefetchOrder) -> _Batch:
        """Wait for what was ordered, and lay it side by side as the device takes it."""
        ready, broken = order.wait_and_part()
        images: Any = [*ready.values()]
        if self._kind is WHOLE_IMAGE:
            # One each: whoever else is given this image may not see what is drawn on it.
            images = [image.copy() for image in images]
        elif images:
            # What does not fit together, or into memory, is for the attempts to find out.
            with suppress(RuntimeError, TypeError, MemoryError):
                images = self._side_by_side(images)
                if self._pinned and hasattr(images, "pin_memory"):
                    images = images.pin_memory()
        return _Batch(order.keys, images, broken)

    def _gather_ahead(self, order: PrefetchOrder, following: Sequence[Item]) -> _Batch:
        batch = self._gather(order)
        if self._ahead is not None and len(following) > len(batch.broken):
            there = [_prompt(one) for one in following if one.candidate_id not in batch.broken]
            # What is wrong is found when the batch is judged.
            with suppress(RuntimeError, TypeError, ValueError):
                self._ahead(there, batch.images)
        return batch

    def _score(self, placed: Sequence[tuple[int, Item]]) -> list[float]:
        # Attempts are made on runs of neighbours.
        images = self._given[placed[0][0] : placed[-1][0] + 1]
        items = [item for _, item in placed]
        if self._kind is not WHOLE_IMAGE and isinstance(images, list):
            images = self._side_by_side(images)
        with full_float32():
            given = self._judge([_prompt(item) for item in items], images)
        return check_finite(self._wanted.name, [item.candidate_id for item in items], given)

    def _row(self, scored: Done[tuple[int, Item], float]) -> dict[str, Any]:
        _, item = scored.item
        return {
            "candidate_id": item.candidate_id,
            "sha256": item.sha256,
            "reward": self._wanted.name,
            "fingerprint": self._wanted.fingerprint,
            "score": scored.result,
            "batch_size": scored.batch_size,
        }


def _prompt(item: Item) -> str:
    """The prompt, with what the suite asks of its images where the reward reads that."""
    if not isinstance(item, SuiteImage):
        return item.prompt
    return AskedPrompt(item.prompt, {"tag": item.tag, **json.loads(item.spec)})
