"""What came of a run, for people and for exit codes."""

from __future__ import annotations

from dataclasses import dataclass, field

from synpic.errors import Stopped, SynpicError, Unfinished

__all__ = ["Outcome", "Report"]


@dataclass
class Outcome:
    """What came of one model or reward, in images.

    Args:
        wanted: by the recipe, in all.
        already: of those, done (or failed for good) before this run.
        made: in this run.
        failed: in this run; each has a failure row.
        by_others: what other workers made of our share meanwhile.
        broken: why the rest was not tried.
    """

    name: str
    wanted: int
    already: int = 0
    made: int = 0
    failed: int = 0
    by_others: int = 0
    broken: SynpicError | None = None

    @property
    def left(self) -> int:
        """Still to do: another shard's share, or left behind by a stop or a break."""
        return self.wanted - self.already - self.made - self.failed - self.by_others


@dataclass
class Report:
    """Outcomes of all models or rewards of a run."""

    stage: str
    outcomes: list[Outcome] = field(default_factory=list)
    stopped: bool = False

    def complete(self, tasks: int) -> bool:
        """Whether all of ``tasks`` were taken up and nothing of them is left."""
        return len(self.outcomes) >= tasks and not any(outcome.left for outcome in self.outcomes)

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
        broken = [outcome for outcome in self.outcomes if outcome.broken]
        failed = [outcome for outcome in self.outcomes if outcome.failed]
        if not broken and not failed:
            return
        lines = [f"{o.name}: {o.broken.message}" for o in broken if o.broken]
        lines += [
            f"{o.name}: {o.failed} of {o.wanted} failed and have a failure row each" for o in failed
        ]
        hints = [o.broken.hint for o in broken if o.broken and o.broken.hint]
        if failed:
            hints.append("`synpic status` tells the reasons; --retry-failed tries them again")
        raise Unfinished("\n".join(lines), hint="; ".join(dict.fromkeys(hints)))
