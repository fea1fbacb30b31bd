"""Untrusted text, as Markdown that shows it and does nothing else.

A card is read raw as often as it is rendered. So a character is escaped only where Markdown would
take it for something: ``package:synpic.shapes/weights/mmdit_small@1feda1a8`` stays as it is.
"""

from __future__ import annotations

import re
from html.entities import html5

__all__ = ["fence", "markdown_text", "one_line", "paragraphs"]

_JOINERS = "\u200c\u200d"

_ENTITY = re.compile(r"&(?:#\d+|#[xX][0-9a-fA-F]+|([A-Za-z]\w*))(?=;|$)", re.ASCII)

_TAG = re.compile(r"<(?=[A-Za-z/!?]|$)")

_INLINE = re.compile(
    r"""
      \\(?=[!-/:-@\[-`{-~]|$)                    # escapes punctuation, and nothing else
    | (?<=\\)[()]                                # with it, the Hub shows mathematics
    | [`\[\]|~$]
    | (?<![\s*])\*++ | (?<!\*)\*++(?!\s)         # between spaces it is itself
    | (?<![^\W_])_++ | (?<!_)_++(?![^\W_])       # within a word too
    | (?<=www)\.(?=\w)                           # links that have no brackets
    | :(?=//) | (?<=mailto): | (?<=xmpp):
    | (?<=[\w.+-])@(?=[\w-]+\.\w) | (?<![\w.+-])@(?=\w)
    | (?<!\w):(?=[\w+-]+:)                       # names of emoji
    | (?<=\s)\#(?=\#*$)                          # the end of a heading
    """,
    re.VERBOSE | re.IGNORECASE,
)

_START = re.compile(r"[-+](?=\s|$)|-(?=[-\s]*$)|=(?==*$)|#(?=#{0,5}(?:\s|$))|>")
"""What begins a list, a rule, a heading or a quotation."""

_NUMBERED = re.compile(r"(\d{1,9})(?=[.)](?:\s|$))")


def markdown_text(text: str) -> str:
    """``text`` as one line of Markdown that shows it as it is.

    It may stand where a paragraph, a heading or an entry of a list begins, within one, in a table's
    cell, in the brackets of a link, or between asterisks. Line breaks and characters that do not
    print become spaces.
    """
    plain = one_line(text)
    numbered = _NUMBERED.match(plain)
    start = numbered.end() if numbered else 0
    marked = bool(numbered or _START.match(plain))
    shown = _INLINE.sub(lambda found: re.sub("(.)", r"\\\1", found[0]), plain[start:])
    shown = plain[:start] + "\\" * marked + shown
    return _TAG.sub("&lt;", _ENTITY.sub(_as_written, shown))


def _as_written(found: re.Match[str]) -> str:
    """What looks like the name of a character, so that it is shown and not the character."""
    known = found[1] is None or f"{found[1]};" in html5
    return found[0].replace("&", "&amp;") if known else found[0]


def fence(text: str, language: str) -> str:
    """``text`` as a block of code that nothing in it can close."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    marks = "`" * max(3, longest + 1)
    return f"{marks}{language}\n{text.rstrip()}\n{marks}"


def one_line(text: str) -> str:
    """``text`` on one line, of characters that print."""
    kept = "".join(c if c.isprintable() or c in _JOINERS else " " for c in text)
    return " ".join(kept.split())


def paragraphs(text: str | None) -> list[str]:
    """The paragraphs of ``text``, each on one line."""
    return [one_line(part) for part in re.split(r"\n\s*\n", text or "") if part.strip()]
