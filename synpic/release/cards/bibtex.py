"""What a card gives to be cited by: an entry of BibTeX."""

from __future__ import annotations

import re
from collections.abc import Sequence

from synpic.release.cards.markdown import one_line

__all__ = ["bibtex"]

_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}", **{sign: f"\\{sign}" for sign in "&%$#_"},
}  # fmt: skip


def bibtex(
    title: str,
    authors: Sequence[str],
    year: int | None,
    repository: str | None,
    tag: str | None,
    kind: str = "dataset",
) -> str:
    """A release or model as an entry of BibTeX. What is not known is left out, and nothing made up.

    Args:
        authors: the account of ``repository`` where there are none.
        repository: owner/name; None of a folder.
        kind: "dataset" or "model".
    """
    names = [one_line(name) for name in authors]
    if not names and repository:
        names = [repository.partition("/")[0]]
    short = repository.partition("/")[2] if repository else title
    key = re.sub(r"[^a-z0-9]+", "-", short.lower()).strip("-") or "dataset"
    place = "" if kind == "model" else f"{kind}s/"
    fields = {
        "title": _latex(title),
        "author": " and ".join(map(_author, names)),
        "year": str(year or ""),
        "version": tag or "",
        "howpublished": "Hugging Face" if repository else "",
        "url": f"https://huggingface.co/{place}{repository}" if repository else "",
    }
    given = {name: value for name, value in fields.items() if value}
    width = max(map(len, given))
    lines = ",\n".join(f"  {name:<{width}} = {{{value}}}" for name, value in given.items())
    return f"@misc{{{key}{f'-{tag}' if tag else ''},\n{lines}\n}}"


def _author(name: str) -> str:
    """A name in which the word that parts authors means itself."""
    return f"{{{_latex(name)}}}" if re.search(r"\sand\s", name, re.IGNORECASE) else _latex(name)


def _latex(text: str) -> str:
    return "".join(_LATEX.get(sign, sign) for sign in one_line(text))
