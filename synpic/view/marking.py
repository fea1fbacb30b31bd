"""Marks as a page reads and sets them: ``marks.toml`` beside the recipe, read anew each time."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import polars as pl
from pydantic import ValidationError

from synpic.errors import RecipeError, SynpicError
from synpic.readers.display import count, visible
from synpic.view.frame import Frame
from synpic.view.query import QueryError
from synpic.workspace.marks import Mark, Marks, read_marks, write_marks

__all__ = ["Marking"]

LONGEST_NOTE = 2000


class Marking:
    """The marks of what ``frame`` shows. Any number of threads may ask.

    Others may edit the file while the page is open: it is read before each change, and only the
    mark that is set changes.

    Attributes:
        allowed: whether there is a place for marks: a release has none.
    """

    def __init__(self, frame: Frame) -> None:
        workspace = frame.shown.workspace
        self._frame = frame
        self._store = None if workspace is None else workspace.store
        self._lock = threading.Lock()
        self._last = Marks()
        self.allowed = self._store is not None
        self._version = 0

    @property
    def version(self) -> int:
        """Another number after each change, made here or in the file."""
        with suppress(RecipeError):  # then the rows are shown without
            self._read()
        return self._version

    def as_dict(self) -> dict[str, Any]:
        """``prompts`` and ``candidates``, each id → what it is marked with; ``counts``;
        ``allowed``; ``problem``, why the file of marks cannot be read, or None; and ``honoured``,
        whether the recipe drops what is marked so, as it is now."""
        problem = None
        try:
            marks = self._read()
        except RecipeError as error:
            marks, problem = Marks(), visible(f"{error.message}; {error.hint}")
        return {
            "allowed": self.allowed,
            "problem": problem,
            "honoured": self._honoured(),
            "counts": marks.counts,
            **{
                kind: {
                    one: mark.model_dump(exclude_defaults=True)
                    for one, mark in getattr(marks, kind).items()
                }
                for kind in ("prompts", "candidates")
            },
        }

    def change(self, asked: Any) -> dict[str, Any]:
        """Replace one mark, and give all of them as :meth:`as_dict` does.

        Args:
            asked: ``kind`` ("prompts" or "candidates"), ``id``, and ``mark``: drop, keep, star and
                note, each as it is to be.

        Raises:
            QueryError: it is no mark, or there is no such prompt or image.
            RecipeError: the file was changed, and is no table of marks any more.
            StorageError: it cannot be written.
        """
        if self._store is None:
            raise QueryError(
                "marks are for workspaces, and this is a release",
                hint="open the workspace that it was made from",
            )
        kind, one, mark = _mark_of(asked)
        column = "prompt_id" if kind == "prompts" else "candidate_id"
        if not self._frame.shown.candidates[column].eq(one).any():
            raise QueryError(f"there is no {column} {one!r:.60} here")
        with self._lock:
            marks = read_marks(self._store)
            changed = {**getattr(marks, kind), one: mark}
            if mark == Mark():
                del changed[one]
            write_marks(self._store, marks.model_copy(update={kind: changed}))
        return self.as_dict()

    def marked(self) -> Mapping[str, set[str]]:
        """Kind of mark → the prompts that have it, or an image that has.

        Raises:
            RecipeError: as :meth:`change`.
        """
        marks = self._read()
        found: dict[str, set[str]] = {}
        for kind in Mark.model_fields:
            images = [one for one, mark in marks.candidates.items() if getattr(mark, kind)]
            rows = self._frame.shown.candidates
            of_images = rows.filter(pl.col("candidate_id").is_in(images))["prompt_id"]
            of_prompts = (one for one, mark in marks.prompts.items() if getattr(mark, kind))
            found[kind] = {*of_images, *of_prompts}
        return found

    def _honoured(self) -> bool:
        workspace = self._frame.shown.workspace
        if workspace is None:
            return False
        try:
            return workspace.snapshot().recipe.ranking.drop == "marks"
        except SynpicError:  # a recipe that is being edited: the next command says what is wrong
            return False

    def _read(self) -> Marks:
        if self._store is None:
            return Marks()
        with self._lock:
            marks = read_marks(self._store)
            if marks != self._last:
                self._last, self._version = marks, self._version + 1
            return marks


def _mark_of(asked: Any) -> tuple[str, str, Mark]:
    """Kind, id and mark of what a page sent."""
    known = isinstance(asked, dict) and asked.keys() == {"kind", "id", "mark"}
    if not known or asked["kind"] not in ("prompts", "candidates"):
        raise QueryError("a mark has a kind (prompts or candidates), an id and a mark")
    try:
        mark = Mark.model_validate(asked["mark"])
    except ValidationError as error:
        raise QueryError(f"no mark: {error.errors()[0]['msg']:.200}") from error
    if len(mark.note or "") > LONGEST_NOTE:
        raise QueryError(f"a note has at most {count(LONGEST_NOTE, 'character')}")
    return asked["kind"], str(asked["id"]), mark.model_copy(update={"note": mark.note or None})
