"""A task: one model or reward, and the batches of its work that have something missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import pyarrow as pa

from synpic.engine.failures import FailureLog
from synpic.engine.progress import label
from synpic.engine.report import Outcome
from synpic.engine.writing import PartWatcher
from synpic.errors import SynpicError
from synpic.workspace import Workspace

__all__ = ["Item", "Key", "Made", "Opener", "Output", "Row", "Task", "TaskCounts", "Work"]

Row = dict[str, Any]
"""A row of a table of the workspace, as it is written."""
Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Item:
    """A piece of work: an image that is to be drawn, ingested or scored, or two to be compared.

    Args:
        candidate_id: what failures call it.
        position: its place in the list of what is wanted.
        sample, seed: of an image that is to be drawn.
        sha256: of the image that is to be scored.
        place: of an image that is to be ingested: its row in the index of the source.
    """

    candidate_id: str
    prompt_id: str = ""
    prompt: str = ""
    position: int = 0
    sample: int = 0
    seed: int = 0
    sha256: str = ""
    place: int = -1


@dataclass(frozen=True)
class Made:
    """The result of a batch, or of earlier ones that are only now finished.

    Args:
        rows: of the task's table, to be kept now.
        failed: candidate ids with reasons.
        succeeded: how many did not fail; some of their rows may be held back for now.
        starved: one of those that failed found no memory even alone.
    """

    rows: list[Row]
    failed: dict[str, str]
    succeeded: int
    starved: bool = False


class Work(Protocol):
    """An opened model or reward."""

    def expect(self, batches: Sequence[Sequence[Item]]) -> None:
        """Learn what is to come, most likely and about in this order; called whenever more is."""
        ...

    def do(self, batch: Sequence[Item], missing: Sequence[Item], following: Sequence[Item]) -> Made:
        """Do a batch and give what is new of it: rows for ``missing`` alone.

        Args:
            following: what will be missing of the next batch, most likely: work off the device may
                begin on it while the device is at this one.

        Raises:
            SynpicError: nothing of this model or reward can be trusted any more.
        """
        ...

    def finish(self) -> Made:
        """What was held back, and is not held any longer."""
        ...

    def close(self) -> None:
        """Let go of everything; called once, whatever happened."""
        ...


@dataclass(frozen=True)
class Output:
    """Where the rows of a task go, and what is seen there of others' rows.

    Args:
        folder, schema: where its parts go, and what their rows are.
        key: the columns that tell one piece of work from another.
        part_rows: the most rows of a part.
        note: metadata of every part.
        named_by: how many of ``key``, from the first on, make the name that failures have of a
            piece: one is a candidate's id, several are joined by "+".
    """

    workspace: Workspace
    folder: str
    schema: pa.Schema
    key: tuple[str, ...]
    part_rows: int
    note: Mapping[str, Any]
    watcher: PartWatcher
    named_by: int = 1


@dataclass(frozen=True)
class Opener:
    """How the model or reward of a task is opened.

    Args:
        open: device and environment key → what does the work. It travels to other processes, so it
            pickles: a ``functools.partial`` of a module's function, never a lambda.
        error: the kind to raise when it turns out to be broken.
        proven: it has worked before.
        dtype: recorded with the environment, where it is known.
    """

    open: Callable[[str, str], Work]
    error: type[SynpicError]
    proven: bool
    dtype: str | None = None


@dataclass(frozen=True)
class TaskCounts:
    """How many pieces there are, before the task begins.

    Args:
        wanted: in all, everyone's.
        already: of those, done before, or failed and not to be tried again.
        failed_before: of those, the ones that failed.
    """

    wanted: int
    already: int
    failed_before: int = 0


@dataclass
class Task:
    """What the engine runs. It knows neither models nor rewards.

    Args:
        stage: "generate", "ingest", "score" or "compare".
        name: of the model, reward or comparer.
        batches: ours, as they were cut; each has something missing.
        todo: what of them is to be done.
        size: of the model's images, as "1280x768"; None where the pipeline chooses, and of
            everything else.
        leased: its batches come from a scheduler, which also sees what other commands make.
    """

    stage: str
    name: str
    output: Output
    opener: Opener
    counts: TaskCounts
    batches: list[list[Item]]
    todo: set[Key]
    failures: FailureLog
    size: str | None = None
    leased: bool = False
    ours: frozenset[Key] = field(init=False)
    """What ``todo`` was at first: our share of what is missing."""
    theirs: set[Key] = field(default_factory=set, init=False)
    """What of it others were seen to have done, whether or not we have done it too."""

    def __post_init__(self) -> None:
        self.ours = frozenset(self.todo)

    @property
    def other_shards(self) -> int:
        """How many pieces are missing that are not ours to do."""
        return self.counts.wanted - self.counts.already - len(self.ours)

    @property
    def label(self) -> str:
        """What people call it."""
        return label(self.name, self.size)

    def missing(self, batch: Sequence[Item]) -> list[Item]:
        """Those of ``batch`` that are still to be done."""
        return [item for item in batch if self.key_of(item) in self.todo]

    def key_of(self, item: Item) -> Key:
        """What tells ``item`` from others."""
        return tuple(getattr(item, column) for column in self.output.key)

    def key_of_row(self, row: Row) -> Key:
        """The key of the item that ``row`` was made of."""
        return tuple(row[column] for column in self.output.key)

    def name_of(self, key: Key) -> str:
        """What failures call the item with this key."""
        return "+".join(key[: self.output.named_by])

    def empty(self) -> Task:
        """This task without its work, to be sent elsewhere."""
        return replace(self, batches=[], todo=set(), failures=self.failures.anew(), leased=True)

    def with_work(self, batches: list[list[Item]], todo: set[Key], proven: bool) -> Task:
        """This task with other batches, and nothing noted yet of what fails.

        Args:
            proven: its model or reward has worked.
        """
        failures, opener = self.failures.anew(), replace(self.opener, proven=proven)
        return replace(self, batches=batches, todo=todo, failures=failures, opener=opener)

    def outcome(self) -> Outcome:
        """The result of it before it begins."""
        return Outcome(
            self.name,
            self.counts.wanted,
            already=self.counts.already,
            size=self.size,
            failed_before=self.counts.failed_before,
            other_shards=self.other_shards,
        )

    def note_others(self, ours: set[str]) -> bool:
        """Take note of what others have done since, and say whether they have.

        Args:
            ours: the parts that we have written.
        """
        if self.leased:
            return False
        rows = self.output.watcher.new_rows(self.output.key, but=ours)
        self.theirs.update(self.ours.intersection(rows))
        self.todo.difference_update(rows)
        return bool(rows)
