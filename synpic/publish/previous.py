"""What a new card keeps of the one before it: the publisher's own words, changes and evaluations.

A card has lines that only synpic writes, comments that a page does not show. Between
``<!-- synpic:yours -->`` and ``<!-- /synpic:yours -->`` stands what the publisher wrote, and each
release's changes, and the results of a model's evaluations, stand between two such lines of their
own. A mark counts where it is a line of its
own outside blocks of code; text of others cannot make one, since it is escaped or in such a block.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from synpic.errors import PublishError
from synpic.readers.card_head import read_head

__all__ = [
    "NOTHING",
    "Previous",
    "changes_block",
    "decode_card",
    "parse_previous",
    "with_evaluation",
    "with_yours",
    "yours_block",
]

_YOURS = "synpic:yours"
_CHANGES = "synpic:changes"
_EVALUATION = "synpic:evaluation"
_HINT = "mend it between the two lines of `---`, then publish again"
_MARK = re.compile(r"<!-- (synpic:yours|synpic:evaluation|synpic:changes (\S+)) -->")
_FENCE = re.compile(r" {0,3}(`{3,}(?=[^`]*$)|~{3,})")


@dataclass(frozen=True)
class Previous:
    """Of a card that is to be written anew, what stays.

    Args:
        prose: between the marks of the publisher's own words, byte for byte; None where the card
            has no such marks.
        changes: tag → the lines of its entry, byte for byte, in the card's order.
        head: the values of the YAML head.
        written: its keys → the lines that set them. A value may not survive being read and written
            again: an arXiv number that ends in 0 is a float to YAML.
        body: what follows the head.
        evaluation: between the marks of a model's evaluations; None where there are none.
    """

    prose: str | None = None
    changes: Mapping[str, str] = field(default_factory=dict)
    head: Mapping[str, Any] = field(default_factory=dict)
    written: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    evaluation: str | None = None


NOTHING = Previous()
"""Of no card."""


def decode_card(data: bytes, where: str) -> str:
    """The text of a card, with its line ends as they are and without a byte order mark.

    Raises:
        PublishError: it is not UTF-8.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PublishError(
            f"{where} is not UTF-8: {error}", hint="correct its encoding, then publish again"
        ) from error


def parse_previous(text: str, where: str = "README.md") -> Previous:
    """Read what stays of a card.

    Args:
        text: the whole file, as :func:`decode_card` gives it; any card, synpic's or not.
        where: its name, for messages.

    Raises:
        PublishError: a mark is not closed or is there twice, or the head is no YAML: writing the
            card anew would lose what someone wrote.
    """
    blocks: dict[str, str] = {}
    changes: dict[str, str] = {}
    for one in _blocks(text, where):
        if one.mark in blocks:
            raise PublishError(
                f"{where}: `<!-- {one.mark} -->` is there twice",
                hint="join the two into one, then publish again",
            )
        blocks[one.mark] = one.content
        if one.tag is not None:
            changes[one.tag] = one.content
    head = read_head(text, where, error=PublishError, hint=_HINT)
    if head.in_braces:
        raise PublishError(
            f"{where}: its head is not what the Hub would read (expected `key: value` lines)",
            hint=_HINT,
        )
    body = text.partition("\n---")[2].partition("\n")[2] if head.values else text
    prose, evaluation = blocks.get(_YOURS), blocks.get(_EVALUATION)
    return Previous(prose, changes, head.values, head.written, body, evaluation)


def yours_block(prose: str) -> str:
    """The publisher's own words between their marks."""
    return _block(_YOURS, prose)


def with_yours(card: str, prose: str) -> str:
    """``card`` with ``prose`` as the publisher's own words, where it has a place for them."""
    return _with_block(card, _YOURS, prose) or card


def with_evaluation(card: str, section: str | None) -> str:
    """``card`` with ``section`` between the marks of evaluations; without them if None.

    They stand where they stood; in a card that has none after the publisher's own words, or last.
    """
    if section is None:
        return _without_block(card, _EVALUATION)
    replaced = _with_block(card, _EVALUATION, section)
    if replaced is not None:
        return replaced
    block = _block(_EVALUATION, section)
    for one in _blocks(card, "README.md"):
        if one.mark == _YOURS:
            return f"{card[: one.end].rstrip()}\n\n{block}\n{card[one.end :]}"
    return f"{card.rstrip()}\n\n{block}\n"


def _with_block(card: str, mark: str, content: str) -> str | None:
    """``card`` with ``content`` between the two lines of ``mark``; None where it has none."""
    for one in _blocks(card, "README.md"):
        if one.mark == mark:
            return card[: one.inner] + content + card[one.inner + len(one.content) :]
    return None


def _without_block(card: str, mark: str) -> str:
    for one in _blocks(card, "README.md"):
        if one.mark == mark:
            return card[: one.start] + card[one.end :].lstrip("\r\n")
    return card


def changes_block(tag: str, lines: str) -> str:
    """One release's changes between their marks.

    Raises:
        PublishError: ``tag`` cannot be part of a mark.
    """
    if not re.fullmatch(r"[\w.+/]+(-[\w.+/]+)*", tag):
        raise PublishError(
            f"{tag!r} cannot be the tag of a release",
            hint="use letters, digits, dots and single hyphens, as in v1.2.0",
        )
    return _block(f"{_CHANGES} {tag}", lines)


def _block(mark: str, content: str) -> str:
    return f"<!-- {mark} -->\n{content}<!-- /{mark} -->"


@dataclass(frozen=True)
class _Marked:
    """A marked block of a text.

    Args:
        mark: what its first line says, with the tag.
        tag: of a release's changes; None of the others.
        content: between its first and last line.
        start, inner, end: where its first line begins, the content, and what follows its last line.
    """

    mark: str
    tag: str | None
    content: str
    start: int
    inner: int
    end: int


def _blocks(text: str, where: str) -> Iterator[_Marked]:
    """Every marked block, in the order of the text.

    Raises:
        PublishError: one is not closed.
    """
    mark = tag = ""
    fence = ""
    content: list[str] = []
    start = inner = at = 0
    for line in re.findall(r"[^\n]*\n|[^\n]+", text):
        plain = line.rstrip("\r\n")
        if mark:
            if plain == f"<!-- /{mark} -->":
                yield _Marked(mark, tag or None, "".join(content), start, inner, at + len(line))
                mark, content = "", []
            else:
                content.append(line)
        elif fence:
            # A fence ends with at least as many of the same signs, alone on a line.
            if re.fullmatch(rf" {{0,3}}{re.escape(fence[0])}{{{len(fence)},}}[ \t]*", plain):
                fence = ""
        elif opened := _FENCE.match(plain):
            fence = opened[1]
        elif found := _MARK.fullmatch(plain):
            mark, tag, start, inner = found[1], found[2] or "", at, at + len(line)
        at += len(line)
    if mark:
        raise PublishError(
            f"{where}: `<!-- {mark} -->` is never closed",
            hint=f"put `<!-- /{mark} -->` on a line of its own where it ends, then publish again",
        )
