"""The author's words in a card: texts of the recipe, or Markdown files beside it.

A text is shown as it is. A file is Markdown, and is held to what a section of a card can hold: its
headings are below the card's own, and what it opens it closes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from synpic.errors import RecipeError
from synpic.readers.display import size
from synpic.readers.text import decode
from synpic.recipe import WORDS, PublishSettings
from synpic.release.cards.markdown import markdown_text, paragraphs
from synpic.workspace.storage import Store

__all__ = ["NO_WORDS", "AuthorWords", "card_notes", "read_words"]

_LONGEST = 100_000
"""Bytes of a file."""

_FENCE = re.compile(r" {0,3}(`{3,}(?=[^`]*$)|~{3,})")
_OURS = re.compile(r"\s*<!-- /?synpic:")


@dataclass(frozen=True)
class AuthorWords:
    """What the author says.

    Args:
        sections: a key of ``WORDS`` → Markdown; without those that are not given.
        files: a key whose words lie in a file → the file's SHA-256.
    """

    sections: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)


NO_WORDS = AuthorWords()


def card_notes(settings: PublishSettings) -> list[str]:
    """What only the author knows and the recipe lacks, a line each."""
    notes = []
    if settings.license is None:
        notes.append(
            "[publish] license is not set: the card says `unknown` at its top, unless the one "
            "before has another; nothing tells then what may be done with the dataset"
        )
    if settings.empty:
        notes.append(
            f"the card lacks what only its author knows: [publish] {', '.join(settings.empty)} "
            "(docs/recipe.md)"
        )
    return notes


def read_words(settings: PublishSettings, store: Store) -> AuthorWords:
    """The author's words.

    Args:
        store: of the workspace, to whose recipe paths are relative.

    Raises:
        RecipeError: a file is not there, or is not what a section of a card can hold.
    """
    sections, files = {}, {}
    for key in WORDS:
        written: str | None = getattr(settings, key)
        if written is None:
            continue
        if "\n" in written.strip() or not written.strip().lower().endswith(".md"):
            sections[key] = "\n\n".join(map(markdown_text, paragraphs(written)))
            continue
        data = _read(store, written.strip(), f"publish.{key}")
        where = f"{written.strip()} (publish.{key})"
        sections[key] = _checked(decode(data, where, error=RecipeError), where)
        files[key] = hashlib.sha256(data).hexdigest()
    return AuthorWords(sections, files)


def _read(store: Store, place: str, key: str) -> bytes:
    try:
        path = str(Path(place).expanduser())
    except RuntimeError as error:
        raise RecipeError(f"{key}: {place}: {error}", hint="write the path out") from error
    if not store.exists(path) or not store.fs.isfile(store.path(path)):
        raise RecipeError(
            f"{key}: {place}: no such file ({store.path(path)})",
            hint="paths are relative to the recipe; a text that only ends so needs a full stop",
        )
    if store.size(path) > _LONGEST:
        raise RecipeError(
            f"{key}: {place}: {size(store.size(path))}, where a card takes {size(_LONGEST)}",
            hint="put the rest on a page of its own, and link to it",
        )
    return store.read(path)


def _checked(text: str, where: str) -> str:
    """``text`` with its line ends as a card has them.

    Raises:
        RecipeError: naming the line.
    """
    fence, before = "", ""
    lines = text.strip().splitlines()
    for number, line in enumerate(lines, 1):
        if fence:
            if re.fullmatch(rf" {{0,3}}{re.escape(fence[0])}{{{len(fence)},}}[ \t]*", line):
                fence = ""
        elif opened := _FENCE.match(line):
            fence = opened[1]
        elif problem := _problem(line, before):
            raise RecipeError(f"{where}, line {number}: {problem[0]}", hint=problem[1])
        before = line
    plain = "\n".join(lines)
    for opens, closes in ((r"<!--", r"-->"), (r"<details\b", r"</details>")):
        if len(re.findall(opens, plain)) != len(re.findall(closes, plain)):
            opening = opens.removesuffix(r"\b")
            raise RecipeError(f"{where}: {opening} without {closes}", hint=f"close it by {closes}")
    if fence:
        raise RecipeError(f"{where}: a block of code is not closed", hint=f"end it by {fence}")
    if not plain:
        raise RecipeError(f"{where}: is empty", hint="write it, or leave the key out")
    return plain


def _problem(line: str, before: str) -> tuple[str, str] | None:
    if _OURS.match(line):
        return "a mark of synpic's", "take the line out: such marks are what a release keeps"
    if re.match(r" {0,3}#{1,2}(\s|$)", line) or (
        before.strip() and re.fullmatch(r" {0,3}(=+|-+)\s*", line)
    ):
        return "a heading as high as the card's own", "begin headings with ### or more"
    return None
