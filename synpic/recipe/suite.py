"""What a recipe says of a suite: prompts with what each asks of its images."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from synpic.recipe.settings import Place
from synpic.recipe.toml import Table

__all__ = ["SuiteSettings"]


class SuiteSettings(Table):
    """A suite, in place of prompts: exactly one of ``name`` and ``file`` (docs/suites.md)."""

    name: Annotated[str, Field(min_length=1)] | None = None
    """A registered suite, or package.module:object."""
    file: Place | None = None
    """A suite of one's own: a CSV, JSONL or Parquet file, relative to the recipe."""
    limit: Annotated[int, Field(ge=1, le=10**9)] | None = None
    """Take this many items, in equal shares of the tags; all where it is not given."""
    tags: Annotated[list[str], Field(min_length=1)] | None = None
    """Take items of these tags alone."""
    images: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Images a prompt, of each model; the protocol's number where it is not given."""
    quirks: Literal["official"] | None = None
    """Read the suite with the faults of its makers' program, to compare with their numbers."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.name is None) == (self.file is None):
            found = "both" if self.name is not None else "neither"
            raise ValueError(f"give exactly one of name and file; found {found}")
        if self.file is not None and self.quirks is not None:
            raise ValueError("quirks: a suite of one's own has no official program")
        return self
