"""Text that others wrote: what a file is decoded from, and which texts are refused.

A file is UTF-8, with or without a byte order mark at its start. A text of it (a line, a cell, a
value) may hold any character but NUL, a byte order mark and half of a surrogate pair, and has at
most ``LONGEST`` characters. A text without a visible character is blank.
"""

from __future__ import annotations

import io
import re
import shlex
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from synpic.errors import SynpicError
from synpic.readers.display import count

__all__ = [
    "LONGEST",
    "At",
    "Fault",
    "decode",
    "fault_of",
    "is_blank",
    "lines",
    "refuse_faults",
    "require_texts",
    "shown",
]

LONGEST = 131_072
"""Characters that one text may have: what Python's csv module takes in a cell."""

At = Callable[[int], str]
"""Row number, counted from 0 → the place as messages name it: ``prompts.csv:17``."""

_SHOWN = 3
"""How many more places a message lists."""


@dataclass(frozen=True)
class Fault:
    """Why a text is refused.

    Args:
        what: after "has": ``a NUL at character 5``.
        hint: what to do about it.
    """

    what: str
    hint: str


def decode(data: bytes, where: str, *, error: type[SynpicError]) -> str:
    """The text of a file in UTF-8; a byte order mark at its start is left out.

    Raises:
        SynpicError: an ``error`` that names the encoding, if it is UTF-16 or UTF-32 (with a mark,
            or known by its NULs), else the first line that is not UTF-8.
    """
    encoding = _wide(data)
    if encoding is None:
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as raised:
            encoding = _wide_by_trial(data)
            if encoding is None:
                line = data.count(b"\n", 0, raised.start) + 1
                raise error(
                    f"{where}:{line}: not UTF-8 (byte 0x{data[raised.start]:02x})",
                    hint="save it as UTF-8; from Latin-1: " + _iconv("LATIN1", where),
                ) from raised
    raise error(
        f"{where}: the file is {encoding}, not UTF-8",
        hint="turn it into UTF-8: " + _iconv(encoding, where),
    )


def lines(data: bytes, where: str, *, error: type[SynpicError]) -> list[str]:
    """The lines of a file without their ends: LF, CRLF or CR.

    Not ``str.splitlines``, which also cuts where a text holds U+2028, NEL or a form feed.

    Raises:
        SynpicError: as :func:`decode`.
    """
    stream = io.StringIO(decode(data, where, error=error), newline=None)
    return [line.removesuffix("\n") for line in stream]


def fault_of(text: str) -> Fault | None:
    """Why ``text`` is refused; None if it is not."""
    if (at := text.find("\0")) >= 0:
        return Fault(f"a NUL at character {at + 1}", "take it out: it is no character of a text")
    if (at := text.find("\ufeff")) >= 0:
        return Fault(
            f"a byte order mark (U+FEFF) at character {at + 1}",
            r"take it out; joined files keep theirs: sed -i 's/\xEF\xBB\xBF//g' FILE",
        )
    if len(text) > LONGEST:
        return Fault(
            f"{count(len(text), 'character')}, where at most {LONGEST:,} are taken",
            'shorten it; in CSV, look for a quote (") that is never closed',
        )
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return Fault(
            f"half of a surrogate pair at character {error.start + 1}",
            "write the character itself, or both halves",
        )
    return None


def require_texts(texts: Iterable[object], name: str, at: At, *, error: type[SynpicError]) -> None:
    """Refuse the texts among ``texts`` that :func:`fault_of` refuses; other values pass.

    Args:
        name: of their column, for messages.
        at: the number of a text → its place.

    Raises:
        SynpicError: an ``error`` with the place of the first, how many there are, and the next.
    """
    faults = [
        (row, fault)
        for row, text in enumerate(texts)
        if isinstance(text, str) and (fault := fault_of(text)) is not None
    ]
    refuse_faults(faults, name, at, error=error)


def refuse_faults(
    faults: Sequence[tuple[int, Fault]], name: str, at: At, *, error: type[SynpicError]
) -> None:
    """Raise one error for all of ``faults``, (row, what is wrong) in order; none if there is none.

    Raises:
        SynpicError: an ``error`` with the place of the first, how many there are, and the next.
    """
    if not faults:
        return
    (row, first), *others = faults
    message = f"{at(row)}: {name!r:.60} has {first.what}"
    if others:
        places = ", ".join(at(other) for other, _ in others[:_SHOWN])
        more = ", …" if len(others) > _SHOWN else ""
        message += f"; {count(len(faults), 'text')} of this column are refused, the next at "
        message += f"{places}{more}"
    raise error(message, hint=first.hint)


def shown(name: str) -> str:
    r"""A file's name as UTF-8 holds it: a byte that is not UTF-8 is written ``\xe9``."""
    return name.encode(errors="surrogateescape").decode(errors="backslashreplace")


def is_blank(text: str) -> bool:
    """Whether ``text`` has nothing to see: spaces, control and invisible characters only."""
    return _ASCII_SHAPE.search(text) is None and not any(map(_has_shape, text))


_ASCII_SHAPE = re.compile("[!-~]")

_EMPTY_SHAPES = frozenset("\u115f\u1160\u2800\u3164\uffa0\u034f\u17b4\u17b5")
"""Letters and symbols without a shape: Hangul's fillers, blank Braille, Khmer's inherent vowels."""


def _has_shape(character: str) -> bool:
    if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Cn", "Zs", "Zl", "Zp"):
        return False
    # Mongolian's and the other variation selectors change what stands before them.
    selector = "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"
    return not (selector or "\u180b" <= character <= "\u180f" or character in _EMPTY_SHAPES)


def _wide(data: bytes) -> str | None:
    """UTF-16 or UTF-32 as iconv calls it, if a mark or the places of NULs say so."""
    if data.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        return "UTF-32"
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "UTF-16"
    if b"\0" not in data:
        return None
    # Of Latin text in UTF-16 every other byte is NUL, in UTF-32 three of four.
    if len(data) % 4 == 0:
        share = [data[place::4].count(0) * 4 / len(data) for place in range(4)]
        if share[2] > 0.8 and share[3] == 1:
            return "UTF-32LE"
        if share[1] > 0.8 and share[0] == 1:
            return "UTF-32BE"
    if len(data) % 2 == 0:
        even, odd = (data[place::2].count(0) * 2 / len(data) for place in (0, 1))
        if odd > 0.4 and even < 0.05:
            return "UTF-16LE"
        if even > 0.4 and odd < 0.05:
            return "UTF-16BE"
    return None


def _wide_by_trial(data: bytes) -> str | None:
    """The same of a file that is not UTF-8, by what it decodes to."""
    if b"\0" not in data or len(data) % 2:
        return None
    for name in ("UTF-16LE", "UTF-16BE"):
        try:
            text = data.decode(name)
        except UnicodeDecodeError:
            continue
        if "\0" not in text and ("\n" in text or " " in text):
            return name
    return None


def _iconv(encoding: str, where: str) -> str:
    path = PurePosixPath(where)
    made = path.with_name(f"{path.stem}.utf8{path.suffix}") if path.name else "utf8.txt"
    return f"iconv -f {encoding} -t UTF-8 {shlex.quote(where)} > {shlex.quote(str(made))}"
