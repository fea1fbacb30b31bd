"""The YAML head of a card, as the Hub reads it, with limits that hold before anything is composed.

A card may be anybody's. Nesting, size and aliases are limited on the stream of YAML's events, so
that no document, however nested or however often it names itself, takes stack or memory.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from synpic.errors import SynpicError
from synpic.readers.display import count
from synpic.readers.json_models import DEPTH, DIGITS, unusable

__all__ = ["CardHead", "read_head", "with_key"]

BYTES = 1 << 20
"""How long a head may be: ten times that of a release with a thousand files."""

_HEAD = re.compile(r"\ufeff?\s*---[ \t]*\r?\n(.*?)^---[ \t]*\r?$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class CardHead:
    """The head of a card.

    Args:
        values: key → value.
        written: key → the lines that set it, as they are written. A value may not survive being
            read and written again: an arXiv number that ends in 0 is a float to YAML.
        in_braces: whether it is written as ``{key: value}``, so that no lines set a key.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    written: Mapping[str, str] = field(default_factory=dict)
    in_braces: bool = False


def read_head(text: str, where: str, *, error: type[SynpicError], hint: str) -> CardHead:
    """The head of the card ``text``; an empty one where it has none.

    Args:
        text: the whole file; a byte order mark before the head is skipped.
        where: the file's name, for messages.
        error: what is raised.
        hint: what to do about a head that is not valid.

    Raises:
        SynpicError: an ``error`` that says what the Hub would not read, and on which line.
    """
    found = _HEAD.match(text)
    if not found:
        return CardHead()
    try:
        return _parsed(found[1])
    except ValueError as raised:
        reason = " ".join(str(raised).split())
        raise error(
            f"{where}: its head is not what the Hub would read ({reason})", hint=hint
        ) from (raised)


def with_key(text: str, key: str, lines: str | None) -> str:
    """The card ``text`` with ``key`` set by ``lines`` in its head; without the key if None.

    Other lines of the head stay as they are written; a key that is new comes last.

    Args:
        text: a card that :func:`read_head` reads, with its head not in braces.
        lines: ``key: value`` as YAML, without a line end; perhaps with further lines.
    """
    found = _HEAD.match(text)
    if not found:
        return text if lines is None else f"---\n{lines}\n---\n\n{text}"
    head = found[1]
    starts = [*_key_starts(head), ("", len(head))]
    for (name, start), (_, end) in pairwise(starts):
        if name == key:
            kept = head[:start], head[end:]
            break
    else:
        kept = head, ""
    ending = "\r\n" if "\r\n" in head else "\n"
    added = "" if lines is None else "".join(line + ending for line in lines.splitlines())
    changed = kept[0] + added + kept[1]
    if not changed.strip():
        return text[found.end() :].lstrip("\r\n")
    return f"{text[: found.start(1)]}{changed}{text[found.end(1) :]}"


def _key_starts(head: str) -> list[tuple[str, int]]:
    """Each key of a head, and where its lines begin."""
    import yaml  # type: ignore[import-untyped]

    root = yaml.compose(head)
    return [] if root is None else [(k.value, k.start_mark.index) for k, _ in root.value]


def _parsed(written: str) -> CardHead:
    """The values of a head.

    Raises:
        ValueError: it is not valid.
    """
    import yaml

    try:
        _limit(written)
        values = yaml.safe_load(written)
        if values is None:
            return CardHead()
        if not isinstance(values, dict):
            raise ValueError("expected `key: value` lines")
        wrong = unusable(values)
        if wrong:
            raise ValueError(wrong)
        root = yaml.compose(written)
    except (yaml.YAMLError, OverflowError) as raised:
        raise ValueError(str(raised)) from raised
    if root.flow_style:
        return CardHead(values, in_braces=True)
    starts = [key.start_mark.index for key, _ in root.value]
    lines = [written[i:j].rstrip() for i, j in pairwise([*starts, len(written)])]
    return CardHead(
        values, {key.value: one for (key, _), one in zip(root.value, lines, strict=True)}
    )


def _limit(written: str) -> None:
    """Refuse what would take stack or memory to compose, and tags, which name types.

    Raises:
        ValueError: naming the line.
    """
    import yaml

    if len(written) > BYTES:
        raise ValueError(f"{count(len(written), 'character')}, where at most {BYTES:,} are read")
    depth = 0
    for event in yaml.parse(written):
        line = event.start_mark.line + 2  # counted from the card's first line, `---`
        if isinstance(event, yaml.AliasEvent):
            raise ValueError(f"line {line}: write out what `*{event.anchor}` stands for")
        if getattr(event, "tag", None) not in (None, "!"):
            raise ValueError(f"line {line}: write it without the tag {event.tag}")
        value = getattr(event, "value", "")
        if len(value) > DIGITS and event.style is None and value.lstrip("+-").isdigit():
            raise ValueError(f"line {line}: a number of {count(len(value), 'digit')}")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > DEPTH:
            raise ValueError(f"line {line}: nested more than {DEPTH} deep")
