"""What a recipe wants and what is wrong with it, as checks find it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from synpic.errors import HubUnreachable, NotResolvedYet, SynpicError
from synpic.pipeline.list_overlaps import ListOverlap

__all__ = ["ValidatedModel", "Validation"]


@dataclass(frozen=True)
class ValidatedModel:
    """What one model will draw, or what a source has of one.

    Args:
        checkpoint: its weights; of ingested images, their source.
        images: prompts × sizes × samples; of ingested images, those that have a prompt.
        bytes: of their files: the mean of those in the workspace, for all; where it has none, a
            rough estimate.
        mean_of: the number of images in the mean; 0 where there are none.
    """

    name: str
    checkpoint: str
    images: int
    bytes: int
    mean_of: int = 0


@dataclass
class Validation:
    """What a recipe wants, with everything that is wrong with it.

    Args:
        problems: each would stop a command; (message, hint).
        notes: what could not be checked here, or may not be meant.
        rewards, judges: their names.
        comparers: with the number of questions that each is asked in all, two for each pair; None
            where images are ingested.
        overlaps: prompts that registered suites have too, of those whose lists are in the cache.
        sharing: of ingested images, how many have a prompt that another has too; None where the
            recipe draws.
    """

    prompts: int = 0
    prompts_empty: int = 0
    prompts_duplicate: int = 0
    models: list[ValidatedModel] = field(default_factory=list)
    rewards: list[str] = field(default_factory=list)
    comparers: dict[str, int | None] = field(default_factory=dict)
    judges: list[str] = field(default_factory=list)
    problems: list[tuple[str, str | None]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    overlaps: list[ListOverlap] = field(default_factory=list)
    sharing: int | None = None

    @property
    def images(self) -> int:
        """In all."""
        return sum(model.images for model in self.models)

    @property
    def scores(self) -> int:
        """In all."""
        return self.images * len(self.rewards)

    @property
    def verdicts(self) -> int:
        """In all."""
        return self.images * len(self.judges)

    @property
    def bytes(self) -> int:
        """Of all images, roughly."""
        return sum(model.bytes for model in self.models)

    def note(self, error: SynpicError) -> None:
        """Add a problem; a note, where only the Hub did not answer, or is not asked yet."""
        if isinstance(error, HubUnreachable | NotResolvedYet):
            self.notes.append(error.message)
        else:
            self.problems.append((error.message, error.hint))

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        totals = {
            "images": self.images,
            "scores": self.scores,
            "verdicts": self.verdicts,
            "bytes": self.bytes,
        }
        problems = [{"message": message, "hint": hint} for message, hint in self.problems]
        models = [vars(model) for model in self.models]
        overlaps = [asdict(one) for one in self.overlaps]
        found = {"models": models, "problems": problems, "overlaps": overlaps}
        return {**vars(self), **found, **totals}
