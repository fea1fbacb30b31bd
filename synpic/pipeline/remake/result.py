"""What a remake will make, and what it found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from synpic.readers.notebook import html_table
from synpic.release.chunks import ChunkSample

__all__ = [
    "Changed",
    "ComparedPart",
    "NotRemade",
    "Reason",
    "Remade",
    "RemakePlan",
    "SampleSize",
    "in_words",
]


@dataclass(frozen=True)
class NotRemade:
    """What of a release cannot be made again here, and so is not compared.

    Args:
        what: "models.NAME" or "rewards.NAME".
        why: the rest of a sentence.
        number: of images, or scores, of the sample.
    """

    what: str
    why: str
    number: int


@dataclass(frozen=True)
class Changed:
    """Something that decides results and is not here what it was there.

    Args:
        what: "models.NAME" or "rewards.NAME".
        key: of what decides them: "checkpoint.commit".
        there, here: its values.
        number: of images, or scores, of the sample that are not made again for it.
    """

    what: str
    key: str
    there: str
    here: str
    number: int

    def __str__(self) -> str:
        return f"{self.what} has changed: {self.key} is {self.there} there, {self.here} here"


@dataclass(frozen=True)
class Reason:
    """Why results differ, and of how many of them that is recorded."""

    text: str
    number: int


@dataclass(frozen=True)
class ComparedPart:
    """One kind of result, compared.

    Args:
        compared: how many of those that were published.
        equal: how many are the same here.
        missing: how many could not be made here; they are not among ``equal``.
        largest: the largest difference; None where nothing differs, or has no size.
        reasons: why, of those that differ.
        examples: what some of those are of: candidate or prompt ids.
    """

    compared: int
    equal: int
    missing: int = 0
    largest: float | None = None
    reasons: Sequence[Reason] = ()
    examples: Sequence[str] = ()

    @property
    def differ(self) -> int:
        """How many are there and not the same."""
        return self.compared - self.equal - self.missing


@dataclass(frozen=True)
class SampleSize:
    """A share of a release.

    Args:
        chunks, of_chunks: how many were chosen.
        prompts, of_prompts: that they hold.
        chunk: prompts of one.
        lacking: prompts that belong to these chunks, and that the release does not have.
    """

    chunks: int
    of_chunks: int
    prompts: int
    of_prompts: int
    chunk: int
    lacking: int

    @classmethod
    def of(cls, sample: ChunkSample, prompts: int) -> SampleSize:
        """That of ``sample``, of a release with this number of prompts."""
        return cls(
            sample.chunks, sample.of, sample.prompts.height, prompts, sample.size, sample.lacking
        )


@dataclass(frozen=True)
class RemakePlan:
    """What a remake would make.

    Args:
        release, revision: of what; the commit, or None for a folder.
        sample: which part.
        models: name → images to draw; ``rewards``: name → scores to give.
        download: bytes of published images to read; None where hashes are compared.
        not_remade, changed: what would not be made again, and why.
        notes: what else there is to know.
    """

    release: str
    revision: str | None
    sample: SampleSize
    models: Mapping[str, int]
    rewards: Mapping[str, int]
    download: int | None
    not_remade: Sequence[NotRemade]
    changed: Sequence[Changed]
    notes: Sequence[str] = ()

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True, repr=False)
class Remade:
    """What was made again, and how much of it is what was published.

    Args:
        release, revision: of what; the commit, or None for a folder.
        workspace: the folder in which it was made.
        sample: which part.
        by_pixels: whether published images were decoded; else the hashes of their files stand for
            them.
        parts: everything that was compared: "ids", "seeds" and "images" of each image,
            "scores.NAME" of each reward, "rankings" of each prompt, where they can be computed.
        not_remade, changed: what was not made again, and why.
        notes: what else there is to know.
    """

    release: str
    revision: str | None
    workspace: str
    sample: SampleSize
    by_pixels: bool
    parts: Mapping[str, ComparedPart]
    not_remade: Sequence[NotRemade] = ()
    changed: Sequence[Changed] = ()
    notes: Sequence[str] = ()

    @property
    def ok(self) -> bool:
        """Whether something was compared, and all of it is equal, and nothing has changed."""
        equal = all(one.equal == one.compared for one in self.parts.values())
        return equal and not self.changed and self.parts["images"].compared > 0

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"ok": self.ok, **asdict(self)}

    def __repr__(self) -> str:
        parts = ", ".join(
            f"{in_words(name)} {one.equal:,} of {one.compared:,}"
            for name, one in self.parts.items()
        )
        return f"Remade({self.release}: equal are {parts})"

    def _repr_html_(self) -> str:
        head = ["", "compared", "equal", "differ", "missing", "largest difference"]
        rows = [
            [in_words(name), one.compared, one.equal, one.differ, one.missing, one.largest]
            for name, one in self.parts.items()
        ]
        return html_table(f"{self.release}, made again", head, rows, self._lines())

    def _lines(self) -> list[str]:
        """Why something differs, has changed or was not made again."""
        found = [
            f"{in_words(name)}: {reason.number:,}: {reason.text}"
            for name, one in self.parts.items()
            for reason in one.reasons
        ]
        found += [str(one) for one in self.changed]
        found += [f"not made again: {one.what}: {one.why}" for one in self.not_remade]
        return [*found, *self.notes]


def in_words(part: str) -> str:
    """A name of ``Remade.parts`` as people read it: "scores by clip_score"."""
    kind, _, of = part.partition(".")
    return f"{kind} by {of}" if of else kind
