"""A list of words and phrases, found in prompts as whole words, however they are written.

Texts are compared as in Unicode's compatibility caseless match (Unicode Standard §3.13, D146):
case, composition, full-width letters and ligatures make no difference, and neither does what stands
between two words: ``self-harm`` and ``self harm`` are one phrase.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from synpic import ids
from synpic.errors import SafetyError
from synpic.readers.text import lines, require_texts
from synpic.workspace import Workspace

__all__ = ["WordList", "fold", "read_words", "words_of"]

_UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR")
"""Scripts that put no space between words: the names of their characters begin so."""

_ASCII = re.compile(r"[a-z0-9]+|[$+<=>^`|~]")


class WordList:
    """Words and phrases to look for.

    Args:
        entries: each with at least one word.
        sha256: of the file they are from.
    """

    def __init__(self, entries: Iterable[str], sha256: str | None = None) -> None:
        self.sha256 = sha256
        self._by_first: dict[str, set[tuple[str, ...]]] = {}
        for entry in entries:
            words = words_of(entry)
            self._by_first.setdefault(words[0], set()).add(words)

    def __len__(self) -> int:
        return sum(map(len, self._by_first.values()))

    def flags(self, prompt: str) -> bool:
        """Whether ``prompt`` holds any entry as a whole word, or its words in a row."""
        words = words_of(prompt)
        return any(
            words[place : place + len(entry)] == entry
            for place, word in enumerate(words)
            for entry in self._by_first.get(word, ())
        )


def read_words(workspace: Workspace, name: str) -> WordList:
    """The list in the file ``name``, relative to the recipe: UTF-8, a word or phrase a line.

    ``#`` begins a comment, and empty lines are passed over.

    Raises:
        SafetyError: there is no such file, it is not UTF-8, a line is refused or holds no word, or
            the whole list does.
    """
    store = workspace.store
    try:
        path = str(Path(name).expanduser())
        if not store.exists(path) or not store.fs.isfile(store.path(path)):
            raise FileNotFoundError(f"no such file ({store.path(path)})")
        data = store.read(path)
    except (FileNotFoundError, RuntimeError) as error:
        raise SafetyError(
            f"safety.words: {name}: {error}", hint="paths are relative to the recipe"
        ) from error
    found = lines(data, where := f"safety.words: {name}", error=SafetyError)
    require_texts(found, "the line", lambda row: f"{where}:{row + 1}", error=SafetyError)
    entries: list[str] = []
    for number, line in enumerate(found, 1):
        entry = line.partition("#")[0].strip()
        if entry and not words_of(entry):
            raise SafetyError(
                f"safety.words: {name}:{number}: {entry!r} holds no letter, digit or symbol",
                hint="write a word or a phrase, or # before what is a comment",
            )
        entries += [entry] if entry else []
    if not entries:
        raise SafetyError(
            f"safety.words: {name} holds no word: it would check nothing",
            hint="write a word or phrase a line; or leave safety.words out of the recipe",
        )
    return WordList(entries, ids.sha256(data))


def words_of(text: str) -> tuple[str, ...]:
    """The words of ``text``, in the form in which they are compared.

    A word is a run of letters, digits and marks. A symbol (an emoji, ``+``) is a word of its own,
    and so is a character of a script that puts no spaces between words. Invisible characters (a
    soft hyphen, a joiner, a variation selector) are passed over.
    """
    if text.isascii():  # most prompts, and many times as fast; the rules are the same
        return tuple(_ASCII.findall(text.lower()))
    return fold(text)


def fold(text: str) -> tuple[str, ...]:
    """:func:`words_of` any text, by the rules and not by a shortcut."""
    folded = unicodedata.normalize("NFD", text)
    for _ in range(2):
        folded = unicodedata.normalize("NFKD", folded.casefold())
    found: list[str] = []
    last: str | None = None
    for character in unicodedata.normalize("NFKC", folded):
        kind = _kind(character)
        if kind == "hidden":
            continue
        if kind == "between":
            last = None
        elif last is not None and (kind == "mark" or kind == last == "letter"):
            found[-1] += character
        else:
            found.append(character)
            last = "letter" if kind == "mark" else kind
    return tuple(found)


@cache
def _kind(character: str) -> str:
    category, name = unicodedata.category(character), unicodedata.name(character, "")
    if category == "Cf" or name.startswith("VARIATION SELECTOR"):
        return "hidden"
    if category[0] == "M":
        return "mark"
    if category[0] == "S":
        return "alone"
    if category[0] not in "LN":
        return "between"
    return "alone" if name.startswith(_UNSPACED) else "letter"
