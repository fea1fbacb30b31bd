"""Work whose rows are checked before they are kept: around any work that makes images.

A batch is held back: its rows, and their report. While the device is at the next one,
threads decode the rows and make them ready; then the classifier's own forward is all that the
device waits for. What is checked is the file that will be kept. An image whose check fails is a
failure, and not an unchecked image.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import polars as pl

from synpic.engine.attempt import Attempts, Done, Failed
from synpic.engine.task import Item, Made, Row, Work
from synpic.readers.images import decode
from synpic.safety.checker import Checker, WantedSafety, open_safety
from synpic.workspace import Workspace

__all__ = ["Checked", "checked", "prompts_to_check"]


def checked(
    wanted: WantedSafety | None,
    prompts: pl.DataFrame,
    workspace: Workspace,
    device: str,
    open_work: Callable[[], Work],
) -> Work:
    """What ``open_work`` opens; checked as ``wanted`` says, if it is given.

    Args:
        prompts: from :func:`prompts_to_check`.

    Raises:
        SafetyError, CheckpointError: a check cannot be opened; then nothing else is.
        SynpicError: as ``open_work`` does.
    """
    if wanted is None:
        return open_work()
    checker = open_safety(wanted, workspace, device)  # the smaller of the two, and first to fail
    return Checked(open_work(), checker, prompts)


def prompts_to_check(safety: WantedSafety | None, want: pl.DataFrame) -> pl.DataFrame:
    """``prompt_id`` and ``prompt`` of the images in ``want``; no rows if nothing is checked.

    They travel with the task, so that the process that checks reads no ``prompts.parquet``: the
    file may be damaged, or be written for another recipe, after the task was made.
    """
    prompts = want.select("prompt_id", "prompt")
    return prompts.clear() if safety is None else prompts.unique("prompt_id")


@dataclass(frozen=True)
class _InFlight:
    """What the work around which this is said of a batch, and its rows, on their way."""

    made: Made
    rows: list[tuple[Row, Future[Any]]]


class Checked:
    """Work that makes images, with ``flagged`` filled in.

    Args:
        work: rows of the candidates table come from it.
        prompts: ``prompt_id`` and ``prompt`` of every image that ``work`` makes.
    """

    def __init__(self, work: Work, checker: Checker, prompts: pl.DataFrame) -> None:
        self._work, self._checker = work, checker
        self._prompts = prompts.select("prompt_id", "prompt").sort("prompt_id")
        self._threads = ThreadPoolExecutor(4, "check")
        self._attempts = Attempts(self._judge)
        self._held = _InFlight(Made([], {}, 0), [])

    @property
    def note(self) -> str | None:
        """What somebody who watches should know of how the work around which this is goes."""
        note: str | None = getattr(self._work, "note", None)
        return note

    def expect(self, batches: Sequence[Sequence[Item]]) -> None:
        """See :class:`synpic.engine.task.Work`."""
        self._work.expect(batches)

    def do(self, batch: Sequence[Item], missing: Sequence[Item], following: Sequence[Item]) -> Made:
        """See :class:`synpic.engine.task.Work`."""
        return self._exchange(self._work.do(batch, missing, following))

    def finish(self) -> Made:
        """See :class:`synpic.engine.task.Work`."""
        first, last = self._exchange(self._work.finish()), self._exchange(Made([], {}, 0))
        return Made(
            first.rows + last.rows,
            first.failed | last.failed,
            first.succeeded + last.succeeded,
            first.starved or last.starved,
        )

    def close(self) -> None:
        """See :class:`synpic.engine.task.Work`."""
        with ExitStack() as closing:
            closing.callback(self._threads.shutdown, cancel_futures=True)
            closing.callback(self._work.close)

    def _exchange(self, made: Made) -> Made:
        """Take what ``made`` says, and give what was held, checked.

        What failed of a batch is told with its rows: whoever hears of failures beside another
        batch's successes would take them for the candidates' fault.
        """
        held, self._held = (
            self._held,
            _InFlight(made, [(row, self._threads.submit(self._prepare, row)) for row in made.rows]),
        )
        ended = self._attempts.run(held.rows)
        flagged = {
            one.item[0]["candidate_id"]: one.result for one in ended if isinstance(one, Done)
        }
        failed = [one for one in ended if isinstance(one, Failed)]
        return Made(
            rows=[
                {**row, "flagged": flagged[row["candidate_id"]]}
                for row, _ in held.rows
                if row["candidate_id"] in flagged
            ],
            failed=held.made.failed
            | {one.item[0]["candidate_id"]: f"safety check: {one.reason}" for one in failed},
            # Those drawn for company only succeeded too, and are no rows of ours.
            succeeded=len(flagged) + max(0, held.made.succeeded - len(held.made.rows)),
            starved=held.made.starved or any(one.starved for one in failed),
        )

    def _prepare(self, row: Row) -> Any:
        if not self._checker.looks:
            return None
        return self._checker.prepare(decode(row["image"]["bytes"]))

    def _judge(self, rows: Sequence[tuple[Row, Future[Any]]]) -> list[bool]:
        ready = [future.result() for _, future in rows]
        return self._checker.judge([self._prompt(row["prompt_id"]) for row, _ in rows], ready)

    def _prompt(self, prompt_id: str) -> str:
        place = self._prompts["prompt_id"].search_sorted(prompt_id)
        assert self._prompts["prompt_id"][place] == prompt_id
        return str(self._prompts["prompt"][place])
