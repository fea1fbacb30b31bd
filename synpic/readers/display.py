"""How text that others wrote, numbers, sizes and durations are shown on a terminal and in messages.

visible, visible_lines  text with nothing in it that a terminal obeys, or that cannot be seen
number, count           2,345 · 2,345 images · 1 image
size                    12.3 MB
duration                1 h 05 min
"""

from __future__ import annotations

import re
import unicodedata

__all__ = ["count", "duration", "number", "size", "visible", "visible_lines"]

_UNITS = ("B", "kB", "MB", "GB", "TB")

_JOINERS = "\u200c\u200d"
"""Characters of the kind "format" on which the shape of letters and emojis depends."""

_MARKS = "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2"
"""Characters of the kind "format" that have a shape (Unicode: Prepended_Concatenation_Mark)."""

_HIDDEN = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))


def visible(text: str, width: int | None = None) -> str:
    r"""``text`` on one line, as characters that can be seen.

    Control characters (so escape sequences), line ends, characters that turn the direction of
    writing or show nothing, and half characters are written as in a Python string: ``\x1b``,
    ``\n``, ``\u202e``. A byte of a file name that is not UTF-8 is written ``\xe9``.

    Args:
        width: the most columns of a terminal to take; what is cut off is marked by ``…``.
    """
    if not (text.isascii() and text.isprintable()):
        text = "".join(map(_shown, text))
    if width is None:
        return text
    from rich.cells import cell_len, set_cell_size

    if cell_len(text) <= width:
        return text
    return set_cell_size(text, max(width - 1, 0)).rstrip() + "…"


def visible_lines(text: str) -> str:
    """``text`` as :func:`visible` shows it, in as many lines as it has."""
    return "\n".join(map(visible, text.split("\n")))


def number(value: int) -> str:
    """``2,345``."""
    return f"{value:,}"


def count(value: int, noun: str, plural: str | None = None) -> str:
    """``1 image``, ``2,345 images``.

    Args:
        plural: ``noun`` with an s if None.
    """
    return f"{number(value)} {noun if value == 1 else plural or noun + 's'}"


def size(value: float) -> str:
    """A number of bytes as ``12.3 MB``, in powers of ten."""
    unit = 0
    while abs(value) >= (999.5, 999.95)[min(unit, 1)] and unit < len(_UNITS) - 1:
        value /= 1000
        unit += 1
    return f"{value:,.{min(unit, 1)}f} {_UNITS[unit]}"


def duration(seconds: float) -> str:
    """``1 h 05 min``, ``3 min 20 s``, ``12 s``."""
    whole = round(seconds)
    if whole >= 3600:
        return f"{number(whole // 3600)} h {whole % 3600 // 60:02d} min"
    return f"{whole // 60} min {whole % 60:02d} s" if whole >= 60 else f"{whole} s"


def _shown(character: str) -> str:
    if unicodedata.category(character) not in _HIDDEN or character in _JOINERS + _MARKS:
        return character
    # What os.fsdecode makes of a byte that is not UTF-8.
    if re.match("[\udc80-\udcff]", character):
        return f"\\x{ord(character) - 0xDC00:02x}"
    return ascii(character)[1:-1]
