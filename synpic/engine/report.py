"""The result of a run, for people and for exit codes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from synpic.engine.progress import label
from synpic.errors import Stopped, SynpicError, Unfinished
from synpic.readers.notebook import html_table

__all__ = ["Outcome", "Report", "unfinished"]


@dataclass
class Outcome:
    """The result of one model at one size, or one reward, in images.

    Args:
        wanted: by the recipe, in all.
        already: of those, done before this run, or failed and not tried again.
        made: in this run, each counted once.
        failed: in this run; each has a failure row, and no other run has made it.
        by_others: what other runs made of our share meanwhile, and we did not.
        broken: why the rest was not tried.
        size: of the model's images, as "1280x768"; None where the pipeline chooses, where no size
            could be tried, and of everything else.
        failed_before: those of ``already`` that have a failure row of an earlier run.
        other_shards: what was not ours to do.
        examples: of those that failed in this run, the first few: which image, and why.
    """

    name: str
    wanted: int
    already: int = 0
    made: int = 0
    failed: int = 0
    by_others: int = 0
    broken: SynpicError | None = None
    size: str | None = None
    failed_before: int = 0
    other_shards: int = 0
    examples: Sequence[str] = ()

    @property
    def label(self) -> str:
        """What people call it."""
        return label(self.name, self.size)

    @property
    def left(self) -> int:
        """Still to do: another shard's share, or left behind by a stop or a break."""
        return self.wanted - self.already - self.made - self.failed - self.by_others

    def in_words(self) -> str:
        """How many images were made, and what became of the others."""
        parts = [f"{self.made:,} made"]
        for number, what in (
            (self.already, "there before"),
            (self.failed, "failed"),
            (self.left, "left"),
        ):
            if number:
                parts.append(f"{number:,} {what}")
        if self.broken:
            parts.append(f"broken: {self.broken.message}")
        return ", ".join(parts)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        broken = self.broken and {"message": self.broken.message, "hint": self.broken.hint}
        return {**vars(self), "left": self.left, "broken": broken}


@dataclass(repr=False)
class Report:
    """Outcomes of all models or rewards of a run.

    Args:
        remarks: what happened to workers on the way: who died, or could not do what others did.
    """

    stage: str
    outcomes: list[Outcome] = field(default_factory=list)
    stopped: bool = False
    remarks: list[str] = field(default_factory=list)

    def __repr__(self) -> str:
        outcomes = "; ".join(f"{one.label}: {one.in_words()}" for one in self.outcomes)
        return f"Report({self._title()}{': ' if outcomes else ''}{outcomes})"

    def _repr_html_(self) -> str:
        head = ["name", "wanted", "there before", "made", "failed", "left", "broken"]
        rows = [
            [
                *(one.label, one.wanted, one.already, one.made, one.failed, one.left),
                one.broken and one.broken.message,
            ]
            for one in self.outcomes
        ]
        return html_table(self._title(), head, rows, self.remarks)

    def _title(self) -> str:
        state = "finished" if self.finished else "stopped" if self.stopped else "not finished"
        return f"{self.stage}, {state}"

    def nothing_left(self, tasks: int) -> bool:
        """Whether all of ``tasks`` were taken up and nothing that was ours of them is left."""
        return len(self.outcomes) >= tasks and not any(
            outcome.left > outcome.other_shards for outcome in self.outcomes
        )

    @property
    def finished(self) -> bool:
        """Whether all that was ours to do has been made: not stopped, broken or failed."""
        return not self.stopped and not any(one.broken or one.failed for one in self.outcomes)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "stage": self.stage,
            "complete": self.finished,
            "stopped": self.stopped,
            "outcomes": [outcome.as_dict() for outcome in self.outcomes],
            "remarks": self.remarks,
        }

    def raise_if_unfinished(self) -> None:
        """For commands: end with a word on what is missing and why, if anything is.

        Raises:
            Stopped: a signal ended the run.
            Unfinished: something is broken, or failed in this run.
        """
        if self.stopped:
            raise Stopped(
                f"{self.stage}: stopped; everything finished so far is kept",
                hint=f"`synpic {self.stage}` goes on from here",
            )
        found = [
            (one.label, one.broken.message, one.broken.hint) for one in self.outcomes if one.broken
        ]
        hint = "`synpic status` tells why; --retry-failed tries them again"
        found += [(one.label, _failed(one), hint) for one in self.outcomes if one.failed]
        if found:
            raise unfinished(found)


def _failed(one: Outcome) -> str:
    lines = [f"{one.failed} of {one.wanted} failed and have a failure row each", *one.examples]
    if one.examples and one.failed > len(one.examples):
        lines.append(f"and {one.failed - len(one.examples):,} more")
    return "\n  ".join(lines)


def unfinished(found: Sequence[tuple[str, str, str | None]]) -> Unfinished:
    """One error for all that is missing.

    Args:
        found: name, what is wrong, and what to do next. Equal hints are shown once, and different
            ones with the names they are for.
    """
    hints: dict[str, list[str]] = {}
    for name, _, hint in found:
        if hint:
            hints.setdefault(hint, []).append(name)
    lines = [f"{', '.join(dict.fromkeys(names))}: {hint}" for hint, names in hints.items()]
    return Unfinished(
        "\n".join(f"{name}: {message}" for name, message, _ in found),
        hint="\n".join(hints if len(hints) == 1 else lines) or None,
    )
