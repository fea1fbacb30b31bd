"""What a recipe says for the card: what nothing computes."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from synpic.recipe.toml import Table

__all__ = ["WORDS", "PublishSettings"]

WORDS = ("purpose", "made", "limits", "personal_data", "terms")
"""The keys of ``[publish]`` that are the author's words."""


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _written(text: str) -> str:
    if not text.strip():
        raise ValueError("is empty; leave it out, or write it")
    return text


Written = Annotated[str, StringConstraints(max_length=1000), AfterValidator(_written)]
Words = Annotated[str, StringConstraints(max_length=20_000), AfterValidator(_written)]


class PublishSettings(Table):
    """What the card says that cannot be computed.

    Those of ``WORDS`` are a text each, shown as it is, or the path of a Markdown file (``.md``),
    relative to the recipe.
    """

    title: str | None = None
    description: str | None = None
    license: str | None = None
    """An identifier the Hub knows ("cc-by-4.0"); the card says "unknown" where it is not given."""
    language: list[str] = ["en"]
    tags: list[str] = []
    authors: Annotated[list[Written], BeforeValidator(_listed)] = []
    """Who made the dataset, as its citation names them."""
    year: Annotated[int, Field(ge=1900, le=2999)] | None = None
    """Of its citation: no clock decides what a card says."""
    purpose: Words | None = None
    """What it is for, and what it is not for."""
    made: Words | None = None
    """How and why its prompts, models and rewards were chosen."""
    limits: Words | None = None
    """What is wrong or one-sided with it."""
    personal_data: Words | None = None
    """Whether prompts, images or labels say anything of people, and who is to be asked."""
    terms: Words | None = None
    """What binds those who use it, beyond ``license``."""

    @property
    def empty(self) -> list[str]:
        """The keys that a card lacks and that its author alone can fill."""
        asked = ("authors", "year", *WORDS)
        return [key for key in asked if not getattr(self, key)]
