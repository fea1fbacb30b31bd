"""What a new card keeps of the one before it: the publisher's own words, and older changes.

A card has lines that only synpic writes, comments that a page does not show. Between
``<!-- synpic:yours -->`` and ``<!-- /synpic:yours -->`` stands what the publisher wrote, and each
release's changes stand between two such lines of their own. A mark counts where it is a line of its
own outside blocks of code; text of others cannot make one, since it is escaped or in such a block.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from synpic.errors import PublishError
from synpic.readers.card_head import read_head

__all__ = ["NOTHING", "Previous", "changes_block", "decode_card", "parse_previous", "yours_block"]

_YOURS = "synpic:yours"
_CHANGES = "synpic:changes"
_HINT = "mend it between the two lines of `---`, then publish again"
_MARK = re.compile(r"<!-- (synpic:yours|synpic:changes (\S+)) -->")
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
    """

    prose: str | None = None
    changes: Mapping[str, str] = field(default_factory=dict)
    head: Mapping[str, Any] = field(default_factory=dict)
    written: Mapping[str, str] = field(default_factory=dict)
    body: str = ""


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
    prose: str | None = None
    changes: dict[str, str] = {}
    for mark, tag, content in _blocks(text, where):
        if (prose is not None) if tag is None else (tag in changes):
            raise PublishError(
                f"{where}: `<!-- {mark} -->` is there twice",
                hint="join the two into one, then publish again",
            )
        if tag is None:
            prose = content
        else:
            changes[tag] = content
    head = read_head(text, where, error=PublishError, hint=_HINT)
    if head.in_braces:
        raise PublishError(
            f"{where}: its head is not what the Hub would read (expected `key: value` lines)",
            hint=_HINT,
        )
    body = text.partition("\n---")[2].partition("\n")[2] if head.values else text
    return Previous(prose, changes, head.values, head.written, body)


def yours_block(prose: str) -> str:
    """The publisher's own words between their marks."""
    return _block(_YOURS, prose)


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


def _blocks(text: str, where: str) -> Iterator[tuple[str, str | None, str]]:
    """Every marked block: its mark, its tag (None for the publisher's words) and its content."""
    mark = tag = ""
    fence = ""
    content: list[str] = []
    for line in re.findall(r"[^\n]*\n|[^\n]+", text):
        plain = line.rstrip("\r\n")
        if mark:
            if plain == f"<!-- /{mark} -->":
                yield mark, tag or None, "".join(content)
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
            mark, tag = found[1], found[2] or ""
    if mark:
        raise PublishError(
            f"{where}: `<!-- {mark} -->` is never closed",
            hint=f"put `<!-- /{mark} -->` on a line of its own where it ends, then publish again",
        )
