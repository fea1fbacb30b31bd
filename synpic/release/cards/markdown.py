"""Untrusted text, as Markdown that shows it and does nothing else."""

from __future__ import annotations

import re

__all__ = ["fence", "markdown_text", "one_line", "paragraphs"]

_JOINERS = "\u200c\u200d"


def markdown_text(text: str) -> str:
    """``text`` as one line of Markdown that shows it as it is, in a paragraph or a table's cell.

    Line breaks and characters that do not print become spaces.
    """
    plain = one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_{}\[\]()#+\-.!|~$:@=^])", r"\\\1", plain)


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
