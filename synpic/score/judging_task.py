"""`synpic score`, of judges: every candidate without a verdict, in batches."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from typing import Any

import polars as pl

from synpic.engine.attempt import Attempts, Done, Failed
from synpic.engine.shard import Shard
from synpic.engine.task import Item, Made, Opener, Output, Task
from synpic.engine.writing import PartWatcher
from synpic.errors import EvaluationError, RewardError
from synpic.score.judges.judge import Judge, Requirement
from synpic.score.judges.trust import (
    VerdictGuard,
    affirms,
    checked,
    require_canary_refused,
    verdict_on_grey,
)
from synpic.score.judges.verdict import Verdict
from synpic.score.judges.wanted import JUDGE, WantedJudge, open_judge
from synpic.score.missing_results import enough_to_differ, missing_results
from synpic.score.precision import full_float32
from synpic.score.prefetch import PrefetchedImages, PrefetchOrder
from synpic.score.reward import REWARD, WantedReward, registered_reward
from synpic.score.scoring_task import SuiteImage
from synpic.workspace import Workspace, tables
from synpic.workspace.suite import AskedItem, SuiteItems

__all__ = ["judging_task", "require_judgeable"]

_PART_VERDICTS = 256
"""Fewer than scores: a judge may take seconds for an image, and what a kill loses is less than a
part."""


def judging_task(
    workspace: Workspace,
    judge: WantedJudge,
    candidates: pl.DataFrame,
    suite: SuiteItems,
    images: PrefetchedImages,
    shard: Shard,
    retry_failed: bool,
) -> Task:
    """What ``judge`` has not judged of ``candidates``.

    Args:
        candidates: candidate_id, prompt_id, prompt and sha256 of what is there, best in the order
            in which their pixels lie.
        suite: what is asked of each prompt's images.
        images: made ready from where those are; one for all judges that run together.
        shard: the share of the candidates that is ours, by id.
        retry_failed: try again what has a failure row.

    Raises:
        EvaluationError: an item of the suite cannot be judged by it.
    """
    found = missing_results(
        "judge",
        judge,
        Output(
            workspace=workspace,
            folder=judge.folder,
            schema=tables.VERDICTS,
            key=("candidate_id", "sha256"),
            part_rows=_PART_VERDICTS,
            note={"judge": judge.name, "decides": judge.fingerprint_inputs},
            watcher=PartWatcher(workspace, judge.folder, tables.VERDICTS),
        ),
        candidates,
        partial(_item, suite),
        retry_failed,
        values=["correct", "score"],
    )
    unjudged = {one.prompt_id: one.prompt for one in found.missing}
    require_judgeable(judge, workspace, unjudged, suite)
    prompts = dict(candidates.select("candidate_id", "prompt_id").iter_rows())
    known = [((row[2], row[3]), prompts[row[0]]) for row in found.before if row[0] in prompts]
    opener = Opener(
        partial(_open, workspace, judge, images, enough_to_differ(known)),
        RewardError,
        proven=bool(known),
    )
    return found.task(lambda item: shard.holds(int(item.candidate_id[:8], 16)), opener)


def _item(suite: SuiteItems, position: int, row: dict[str, Any]) -> Item:
    asked = suite.of(row["prompt_id"])
    return SuiteImage(position=position, tag=asked.tag, spec=asked.spec, **row)


def require_judgeable(
    judge: WantedReward, workspace: Workspace, prompts: Mapping[str, str], suite: SuiteItems
) -> None:
    """See that a judge, or a judge as a reward, can judge what is asked, without opening it.

    Args:
        prompts: prompt id → text.

    Raises:
        EvaluationError: naming the first item that it cannot judge.
    """
    kind = JUDGE if isinstance(judge, WantedJudge) else REWARD
    code = registered_reward(judge.name, judge.settings, workspace.folder, kind)
    check = getattr(code, "check", Judge.check)
    for prompt_id, prompt in prompts.items():
        item = suite.of(prompt_id)
        try:
            check(Requirement(prompt, item.tag, _parsed(item)))
        except EvaluationError as error:
            named = f"item {item.item!r}" if item.item else f"prompt {prompt!r}"
            raise EvaluationError(
                f"{kind.table}.{judge.name}: {named}: {error.message}", hint=error.hint
            ) from error


def _parsed(item: AskedItem) -> Any:
    try:
        spec = json.loads(item.spec)
    except ValueError as error:
        raise EvaluationError(f"its spec is not JSON: {error}") from error
    if not isinstance(spec, dict):
        raise EvaluationError("its spec is JSON, and no table of keys")
    return spec


Known = Sequence[tuple[tuple[bool | None, float | None], str]]


def _open(
    workspace: Workspace,
    judge: WantedJudge,
    images: PrefetchedImages,
    known: Known,
    device: str,
    environment: str,
) -> _Judging:
    opened = open_judge(judge, workspace, device)
    try:
        require_canary_refused(judge.name, opened)
    except BaseException:
        opened.close()
        raise

    def on_grey(asked: Requirement) -> bool:
        try:
            verdict = verdict_on_grey(judge.name, opened, asked)
        except RewardError:
            return False  # It may well refuse to look at a plain picture.
        return affirms(verdict.correct, verdict.score)

    guard = VerdictGuard(judge.name, on_grey if opened.canary() is None else None, known)
    return _Judging(judge, opened, images, guard)


class _Judging:
    """An opened judge: batches of candidates → rows of the table of verdicts."""

    def __init__(
        self, wanted: WantedJudge, judge: Judge, images: PrefetchedImages, guard: VerdictGuard
    ) -> None:
        self._wanted, self._judge, self._images, self._guard = wanted, judge, images, guard
        self._attempts = Attempts(self._ask)
        self._kind: Hashable = judge.preprocessing
        images.want(self._kind, judge.pixels)
        self._ready: Mapping[str, Any] = {}
        self._looking_ahead = ThreadPoolExecutor(1, "ahead")

    def expect(self, batches: Sequence[Sequence[Item]]) -> None:
        pass

    def do(self, batch: Sequence[Item], missing: Sequence[Item], following: Sequence[Item]) -> Made:
        order = self._images.order(missing, self._kind)
        if following:
            ordered = self._images.order(following, self._kind)
            self._looking_ahead.submit(self._tell_ahead, ordered, _judged(following))
        self._ready, broken = order.wait_and_part()
        whole = [item for item in _judged(missing) if item.candidate_id not in broken]
        ended = self._attempts.run(whole)
        self._ready = {}
        judged = [end for end in ended if isinstance(end, Done)]
        unjudged = [end for end in ended if isinstance(end, Failed)]
        failed = broken | {end.item.candidate_id: end.reason for end in unjudged}
        rows = self._guard.admit(
            [self._row(end) for end in judged],
            [(end.item.prompt_id, end.item.requirement) for end in judged],
        )
        return Made(rows, failed, len(judged), any(end.starved for end in unjudged))

    def finish(self) -> Made:
        return Made(self._guard.release(), {}, 0)

    def close(self) -> None:
        # In this order: what is under way still needs the images.
        self._looking_ahead.shutdown(cancel_futures=True)
        self._images.release(self._kind, self._judge.pixels)
        self._judge.close()

    def _tell_ahead(self, order: PrefetchOrder, items: Sequence[SuiteImage]) -> None:
        ready, _ = order.wait_and_part()
        there = [one for one in items if one.candidate_id in ready]
        if there:
            # What is wrong is found when the batch is judged.
            with suppress(RuntimeError, TypeError, ValueError):
                pixels = [ready[one.candidate_id] for one in there]
                self._judge.ahead([one.requirement for one in there], pixels)

    def _ask(self, items: Sequence[SuiteImage]) -> list[Verdict]:
        asked = [one.requirement for one in items]
        with full_float32():
            given = self._judge.judge(asked, [self._ready[one.candidate_id] for one in items])
        return checked(self._wanted.name, asked, given)

    def _row(self, ended: Done[SuiteImage, Verdict]) -> dict[str, Any]:
        verdict = ended.result
        return {
            "candidate_id": ended.item.candidate_id,
            "sha256": ended.item.sha256,
            "judge": self._wanted.name,
            "fingerprint": self._wanted.fingerprint,
            "correct": verdict.correct,
            "score": verdict.score,
            "parts": [asdict(part) for part in verdict.parts],
            "reason": verdict.reason,
            "batch_size": ended.batch_size,
        }


def _judged(items: Sequence[Item]) -> list[SuiteImage]:
    return [item for item in items if isinstance(item, SuiteImage)]
