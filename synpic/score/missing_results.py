"""What a reward, judge or comparer has no result of yet, and the task of making those results."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import polars as pl

from synpic.engine.failures import FailureLog
from synpic.engine.task import Item, Key, Opener, Output, Task, TaskCounts
from synpic.score.reward import WantedReward

__all__ = ["MissingResults", "enough_to_differ", "missing_results"]

Value = TypeVar("Value", bound=Hashable)


@dataclass(frozen=True)
class MissingResults:
    """What a reward, judge or comparer has no result of.

    Args:
        before: the results that are there, of anything: the columns of the output's key, then
            those that were asked for.
        missing: what has no result and no failure, on whatever machine it is made.
        counts: of all that is wanted.
    """

    stage: str
    scorer: WantedReward
    output: Output
    failures: FailureLog
    before: list[tuple[Any, ...]]
    missing: list[Item]
    counts: TaskCounts

    def task(self, is_ours: Callable[[Item], bool], opener: Opener) -> Task:
        """The task of making those that ``is_ours`` is true of."""
        ours = [item for item in self.missing if is_ours(item)]
        size = self.scorer.settings.batch_size
        return Task(
            stage=self.stage,
            name=self.scorer.name,
            output=self.output,
            opener=opener,
            counts=self.counts,
            batches=[ours[start : start + size] for start in range(0, len(ours), size)],
            todo={tuple(getattr(item, key) for key in self.output.key) for item in ours},
            failures=self.failures,
        )


def missing_results(
    stage: str,
    scorer: WantedReward,
    output: Output,
    wanted: pl.DataFrame,
    item: Callable[[int, dict[str, Any]], Item],
    retry_failed: bool,
    values: Sequence[str] = (),
) -> MissingResults:
    """What of ``wanted`` has no result in ``output``.

    Args:
        stage: "score", "judge" or "compare", as failures have it.
        wanted: prompt_id, prompt and the columns of the output's key, a row for each result.
        item: position and row of ``wanted`` → the piece of work.
        retry_failed: try again what has a failure row.
        values: columns of results that are there to read besides the key.
    """
    failures = FailureLog(output.workspace, stage, scorer.name, scorer.fingerprint)
    failed = failures.known.keys()
    before = output.watcher.new_rows([*output.key, *values])
    done = {row[: len(output.key)] for row in before}
    columns = wanted.select(*output.key, "prompt_id", "prompt")
    missing, failed_before = [], 0
    for position, row in enumerate(columns.iter_rows(named=True)):
        key: Key = tuple(row[column] for column in output.key)
        if key in done:
            continue
        if not retry_failed and "+".join(key[: output.named_by]) in failed:
            failed_before += 1
        else:
            missing.append(item(position, row))
    counts = TaskCounts(wanted.height, wanted.height - len(missing), failed_before)
    return MissingResults(stage, scorer, output, failures, before, missing, counts)


def enough_to_differ(known: Sequence[tuple[Value, str]]) -> Sequence[tuple[Value, str]]:
    """The first of ``known`` and one with another value, where there is one.

    Args:
        known: value and prompt_id. A guard against constant results needs these two alone,
            and they travel to every worker.
    """
    another = next((pair for pair in known if pair[0] != known[0][0]), None)
    return known if another is None else [known[0], another]
