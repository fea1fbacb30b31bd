"""The labels of a release whose pairs are its source's own, as its manifest counts them."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from synpic.readers.json_models import Record

__all__ = ["LabelRow"]

Number = Annotated[int, Field(ge=0, lt=1 << 63)]


class LabelRow(Record):
    """What labels the pairs have, and how many others there are.

    ``pairs`` are of ``question``, decided or tied, and have both images in the workspace;
    ``labels`` are of all questions, ``unlabelled`` and ``tied`` among them; ``kinds`` counts
    them by who gave them, ``questions`` by question; ``left_out``: why comparisons are no labels.
    ``fingerprint`` is a hash of the pairs, in order.
    """

    source: str
    question: str
    pairs: Number
    absent: Number
    """Pairs of the question without both images: not ingested, or dropped before ranking."""
    ties: str
    """ "leave-out" or "keep"."""
    labels: Number
    unlabelled: Number
    tied: Number
    kinds: dict[str, Number]
    questions: dict[str, Number]
    left_out: dict[str, Number]
    fingerprint: Annotated[str, Field(pattern=r"\A[0-9a-f]{64}\z")]

    @model_validator(mode="after")
    def _fit(self) -> Self:
        for name, counts in (("kinds", self.kinds), ("questions", self.questions)):
            if sum(counts.values()) != self.labels:
                raise ValueError(f"{name} do not count labels = {self.labels}")
        if self.unlabelled + self.tied > self.labels:
            raise ValueError("unlabelled and tied are more than labels")
        return self
