"""``marks.toml``: marks of prompts and images, set by hand while looking at them.

It lies beside the recipe, and is text that people and git can read:

    [prompts.0a1b2c3d4e5f60718293a4b5c6d7e8f9]
    drop = true
    note = "not a prompt at all"

    [candidates.5f60718293a4b5c6d7e8f90a1b2c3d4e]
    keep = true
    star = true

A recipe with ``drop = "marks"`` in ``[ranking]`` leaves out what is marked with ``drop``. A mark of
an image goes before that of its prompt. ``star`` and ``note`` change nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from synpic.recipe.toml import Table, read_toml, write_toml
from synpic.workspace.storage import Store

__all__ = ["MARKS", "Mark", "Marks", "read_marks", "write_marks"]

MARKS = "marks.toml"


def _id(text: str) -> str:
    if re.fullmatch(r"[0-9a-f]{32}", text):
        return text
    if re.fullmatch(r"[0-9a-f]{32}", text.lower()):
        raise ValueError("an id has no upper-case letters")
    if re.fullmatch(r"[0-9a-f]{1,31}", text):
        raise ValueError(f"an id is written in full, 32 digits, and this has {len(text)}")
    raise ValueError("not an id: it has 32 digits, 0 to 9 and a to f, as the page's JSON shows it")


Id = Annotated[str, AfterValidator(_id)]


class Mark(Table):
    """The mark of one prompt or image."""

    drop: bool = False
    """Take it out before ranking; of a prompt, all of its images."""
    keep: bool = False
    """Leave it in, where its prompt is dropped."""
    star: bool = False
    note: str | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.drop and self.keep:
            raise ValueError("drop and keep: set one of them")
        return self


class Marks(Table):
    """All marks of a workspace, by id."""

    prompts: dict[Id, Mark] = Field(default_factory=dict)
    candidates: dict[Id, Mark] = Field(default_factory=dict)

    @property
    def counts(self) -> dict[str, int]:
        """How many prompts and images have each kind of mark: drop, keep, star, note."""
        found = Counter(dict.fromkeys(Mark.model_fields, 0))
        for mark in [*self.prompts.values(), *self.candidates.values()]:
            found.update(name for name in Mark.model_fields if getattr(mark, name))
        return dict(found)


def read_marks(store: Store) -> Marks:
    """The marks of the workspace in ``store``; none where there is no such file.

    Raises:
        RecipeError: the file is not what this module describes, with line and key.
        StorageError: it cannot be read.
    """
    if not store.exists(MARKS):
        return Marks()
    hint = "correct the file, or move it away and mark again"
    return read_toml(Marks, store.read(MARKS), store.path(MARKS), hint=hint)


def write_marks(store: Store, marks: Marks) -> None:
    """Replace the marks of the workspace in ``store``, whole or not at all; in order of ids.

    Raises:
        StorageError: it cannot be written.
    """
    tables: Mapping[str, Mapping[str, Mark]] = {
        "prompts": marks.prompts,
        "candidates": marks.candidates,
    }
    written = {
        kind: {
            one: mark.model_dump(exclude_defaults=True)
            for one, mark in sorted(of_kind.items())
            if mark != Mark()
        }
        for kind, of_kind in tables.items()
    }
    store.write(MARKS, write_toml(written).encode())
