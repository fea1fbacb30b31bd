"""Every error synpic raises on purpose.

    SynpicError                 what was wrong, where, and what to do next
    ├── RecipeError             a recipe (or its lock) that cannot be followed
    ├── UnknownName             a name no registry knows; suggests near ones
    ├── MissingExtra            an optional dependency that is not installed
    ├── PromptError             prompts that cannot be read
    │   └── PromptsGone         their source is not where the recipe says
    ├── IngestError             images that exist already and cannot be ingested
    │   └── SourceMissing       their source is not where the recipe says
    ├── CheckpointError         weights that cannot be found, reached or trusted
    │   └── HubUnreachable      the Hub did not answer; perhaps it will later
    ├── WorkspaceError          a folder that is not, or not only, a workspace
    │   ├── NewerSchema         written by a later synpic
    │   ├── OlderSchema         written before the first release, and not read any more
    │   ├── CorruptPart         a part that is truncated or damaged
    │   └── StorageError        the disk is full, or refuses
    ├── DeviceLost              an accelerator on which this process can do nothing any more
    ├── ModelError              a model that cannot be opened or does not take a setting
    ├── SafetyError             a safety check that cannot be made
    ├── RewardError             a reward, comparer or judge that cannot be opened, or trusted
    ├── RankingError            scores that cannot be ranked as asked
    ├── PublishError            a release that cannot be written
    ├── ReleaseError            a release that cannot be found or read
    │   ├── DamagedRelease      its manifest is not what was written
    │   └── NoRelease           what is there is no release
    ├── TrainingError           training that cannot begin, or cannot go on
    │   └── TrainingDiverged    a model that came to be far worse than it was, or no number
    ├── EvaluationError         a suite that cannot be read, or results that cannot be computed
    ├── Unfinished              work ended with something missing, and says what
    └── Stopped                 Ctrl-C, SIGTERM or SIGHUP, after the current batch was kept

A command prints ``message`` and ``hint`` and exits with ``exit_code``; nothing here ends in a
traceback. Anything else that escapes is a bug.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches

__all__ = [
    "CheckpointError",
    "CorruptPart",
    "DamagedRelease",
    "DeviceLost",
    "EvaluationError",
    "HubUnreachable",
    "IngestError",
    "MissingExtra",
    "ModelError",
    "NewerSchema",
    "NoRelease",
    "NotResolvedYet",
    "OlderSchema",
    "PromptError",
    "PromptsGone",
    "PublishError",
    "RankingError",
    "RecipeError",
    "ReleaseError",
    "RewardError",
    "SafetyError",
    "SourceMissing",
    "Stopped",
    "StorageError",
    "SynpicError",
    "TrainingDiverged",
    "TrainingError",
    "Unfinished",
    "UnknownName",
    "WorkspaceError",
    "causes",
    "did_you_mean",
]


class SynpicError(Exception):
    """What was wrong and where (``message``), and what to do next (``hint``)."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[object, ...]:
        # Errors cross process borders; the default would drop the keyword.
        return (_rebuild, (type(self), self.message, self.hint))


class RecipeError(SynpicError):
    """A recipe (or its lock) that cannot be followed."""


class UnknownName(SynpicError):
    """A name no registry knows."""


class MissingExtra(SynpicError):
    """An optional dependency is not installed; the hint is the ``pip install`` that gets it."""


class PromptError(SynpicError):
    """Prompts that cannot be read."""


class PromptsGone(PromptError):
    """The source of prompts is not where the recipe says; it may have stayed behind elsewhere."""


class IngestError(SynpicError):
    """Images that exist already, and cannot be ingested."""


class SourceMissing(IngestError):
    """The source of ingested images is not where the recipe says."""


class CheckpointError(SynpicError):
    """Weights (or a dataset on the Hub) that cannot be found, reached or trusted."""


class HubUnreachable(CheckpointError):
    """The Hub did not answer, or not as the Hub does; what was asked may well be there."""

    exit_code = 5


class NotResolvedYet(CheckpointError):
    """A name that is resolved when it is first used, and not where it is only looked at."""


class WorkspaceError(SynpicError):
    """A folder that is not a workspace, or one in a state that cannot be worked on."""


class NewerSchema(WorkspaceError):
    """Tables written by a later synpic, which this one must not guess at."""


class OlderSchema(WorkspaceError):
    """Tables of a version that was never released: they are made again, not migrated."""

    @classmethod
    def of(cls, where: str, version: int) -> OlderSchema:
        """The error that names a file of ``version``."""
        return cls(
            f"{where}: schema_version is {version}, which was never released: make the workspace "
            "again, with its recipe in a new folder",
        )


class CorruptPart(WorkspaceError):
    """A part that is truncated or damaged."""


class StorageError(WorkspaceError):
    """The disk is full, or refuses."""


class DeviceLost(SynpicError):
    """An accelerator after an error that it does not survive in this process.

    Every later call fails too, whatever it is given: so it says nothing about any image. A new
    process may go on.
    """


class ModelError(SynpicError):
    """A model that cannot be opened, or that does not take a setting."""


class SafetyError(SynpicError):
    """A safety check that cannot be made."""


class RewardError(SynpicError):
    """A reward, comparer or judge that cannot be opened, or whose results cannot be trusted."""


class RankingError(SynpicError):
    """Scores that cannot be ranked as asked."""


class PublishError(SynpicError):
    """A release that cannot be written."""


class ReleaseError(SynpicError):
    """A release that cannot be found, or does not hold what it should."""


class DamagedRelease(ReleaseError):
    """A release whose manifest is not what was written."""

    exit_code = 4


class NoRelease(ReleaseError):
    """A folder or a dataset without a manifest of synpic's: it may be another kind of dataset."""


class TrainingError(SynpicError):
    """Training that cannot begin, or cannot go on."""


class TrainingDiverged(TrainingError):
    """A model that came to be far worse than it was, or no number at all."""


class EvaluationError(SynpicError):
    """A suite that cannot be read, or an evaluation that cannot be computed from what is there."""


class Unfinished(SynpicError):
    """Work came to its end with something missing; the message says what."""

    exit_code = 3


class Stopped(SynpicError):
    """Ctrl-C, SIGTERM or SIGHUP: the current batch was finished and kept.

    Commands exit with 128 and the number of the signal.
    """

    exit_code = 130


def _rebuild(kind: type[SynpicError], message: str, hint: str | None) -> SynpicError:
    try:
        return kind(message, hint=hint)
    except Exception:
        # Somebody's own kind, that is made otherwise: what it is a kind of says as much.
        bases = (base for base in kind.__mro__ if issubclass(base, SynpicError))
        return next(base for base in bases if base.__module__ == __name__)(message, hint=hint)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`` Did you mean 'x'?`` when something known is near ``word``, else nothing."""
    names = list(known)
    if len(word) > 3 * max(map(len, names), default=0):
        return ""  # so long that none is near; others write it, and comparing it could take minutes
    near = get_close_matches(word, names, n=1, cutoff=0.6)
    return f" Did you mean {near[0]!r}?" if near else ""


def causes(error: BaseException) -> Iterator[BaseException]:
    """``error``, and what it was raised from, or while handling."""
    seen: list[BaseException] = []
    one: BaseException | None = error
    while one is not None and one not in seen:
        seen.append(one)
        yield one
        one = one.__cause__ or one.__context__
