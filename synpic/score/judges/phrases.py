"""Noun phrases of a prompt, by a rule that reads it once from left to right.

T2I-CompBench asks of each noun phrase whether the image shows it, and takes the phrases from a
parser (spaCy's ``noun_chunks``). Here they are found without one, in prompts as that suite has
them: "a red apple and a green leaf", "the fluffy pillow lies on the wooden chair". How often both
agree on the suite's own lists is in ``docs/compbench.md``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from synpic.score.judges.english import WordKind, kind_of

__all__ = ["LEFT_OUT", "MOST_PHRASES", "noun_phrases"]

LEFT_OUT = frozenset({"top", "the side", "the left", "the right"})
"""Phrases that say where something is and not what."""

MOST_PHRASES = 8
"""Of a prompt; what comes after them is not asked about."""

_PIECES = re.compile(r"\w+(?:[-'’/]\w+)*(?:s['’](?=\s))?|&|[^\w\s]")

_AFTER_VERB = frozenset({"preposition", "determiner", "adverb", "adjective", "pronoun"})

_BEFORE_PARTICIPLE = frozenset({"preposition", "conjunction"})

_BEFORE_GERUND = frozenset({"for", "by"})

_PLURALS = frozenset(
    {"people", "men", "women", "children", "feet", "teeth", "mice", "geese", "sheep"}
)

_BEFORE_VERB = frozenset({"pronoun", "relative", "auxiliary"})

_ONE = frozenset({"a", "an", "each", "every", "this"})


@dataclass(frozen=True)
class _Word:
    """A word, or a mark of punctuation, and where it is."""

    text: str
    kind: WordKind | None
    start: int
    end: int


def noun_phrases(prompt: str) -> list[str]:
    """The noun phrases of ``prompt`` in their order, as they are written; at most eight.

    A phrase is determiner, adjectives, nouns. It ends before a preposition, a verb, a mark or an
    "and"; an "and" or comma between adjectives is inside ("a black and white cat"). "top", "the
    side", "the left" and "the right" are left out, as in T2I-CompBench.

    Source of what is left out and of the number: github.com/Karine-Huang/T2I-CompBench at 1b70949,
    ``BLIPvqa_eval/BLIP_vqa.py``.
    """
    found = (prompt[one[0].start : one[-1].end] for one in _chunks(_words(prompt)))
    return [phrase for phrase in found if phrase not in LEFT_OUT][:MOST_PHRASES]


def _words(prompt: str) -> list[_Word]:
    return [
        _Word(
            one[0], kind_of(one[0]) if one[0][0].isalnum() or one[0] == "&" else None, *one.span()
        )
        for one in _PIECES.finditer(prompt)
    ]


def _chunks(words: Sequence[_Word]) -> Iterator[Sequence[_Word]]:
    """Runs of words that are noun phrases."""
    chunk: list[_Word] = []
    outside: _Word | None = None  # the word before the chunk
    for at, word in enumerate(words):
        after = words[at + 1] if at + 1 < len(words) else None
        if word.kind in ("determiner", "pronoun"):
            yield from _whole(chunk, outside)
            chunk, outside = [], words[at - 1] if at else None
        if word.kind == "pronoun":
            yield [word]
        elif _belongs(word, outside, after, chunk):
            chunk.append(word)
            continue
        else:
            yield from _whole(chunk, outside)
        chunk, outside = [], word
    yield from _whole(chunk, outside)


def _named(chunk: Sequence[_Word]) -> bool:
    """Whether it has its noun."""
    return any(word.kind in ("noun", "verb") for word in chunk)


def _whole(chunk: Sequence[_Word], before: _Word | None) -> Iterator[Sequence[_Word]]:
    """The chunk, if it is a phrase: with a noun, or what stands for one ("the red", "in red")."""
    while chunk and chunk[-1].kind in (None, "conjunction", "adverb"):
        chunk = chunk[:-1]
    begun = len(chunk) > 1 and chunk[0].kind == "determiner"
    of_place = before is not None and before.kind == "preposition"
    if _named(chunk) or begun or (chunk and of_place and chunk[-1].kind == "adjective"):
        yield chunk


def _belongs(
    word: _Word, before: _Word | None, after: _Word | None, chunk: Sequence[_Word]
) -> bool:
    """Whether ``word`` goes on with the chunk before it, or begins one where there is none."""
    named, following = _named(chunk), after.kind if after else None
    if word.kind == "conjunction" or word.text == ",":
        begun = bool(chunk) and chunk[0].kind == "determiner"
        joins = following in ("adjective", "participle", "adverb") or (
            begun and following == "noun"
        )
        return bool(chunk) and not named and joins
    if word.kind == "adverb":
        return bool(chunk) and not named
    if word.kind == "participle":
        return _is_modifier(word, before, after, bool(chunk), named)
    if word.kind == "verb":
        return not _is_verb(word, before, following, chunk)
    if word.text.lower() == "can":
        return bool(chunk)  # "a soda can", where "can" is else a verb
    return word.kind in ("determiner", "adjective", "noun")


def _is_modifier(
    word: _Word, before: _Word | None, after: _Word | None, begun: bool, named: bool
) -> bool:
    """Whether a participle belongs to a noun: "a painted wall", and not "she painted"."""
    if named:
        # "A pencil sharpening tool"; but "a woman riding horses", "a lamp provided light".
        of_noun = after is not None and after.kind in ("noun", "verb")
        return word.text.endswith("ing") and of_noun and not _is_plural(after)
    if begun or before is None:
        return True
    return before.kind in _BEFORE_PARTICIPLE and before.text.lower() not in _BEFORE_GERUND


def _is_verb(
    word: _Word, before: _Word | None, following: WordKind | None, chunk: Sequence[_Word]
) -> bool:
    """Whether a word that may be a noun is a verb: "the lamps stand on", and not "a lamp stand"."""
    if not _named(chunk):
        return not chunk and before is not None and before.kind in _BEFORE_VERB
    if word.text.endswith("s"):
        return following in _AFTER_VERB or following == "noun"
    several = _is_plural(chunk[-1]) or (before is not None and before.kind == "conjunction")
    return several and chunk[0].text.lower() not in _ONE and following in _AFTER_VERB


def _is_plural(word: _Word | None) -> bool:
    return word is not None and (word.text.endswith("s") or word.text.lower() in _PLURALS)
