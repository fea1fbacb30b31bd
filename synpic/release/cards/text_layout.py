"""What pictures have in common: their colours, and text that is cut off where room ends.

The font is the one that Pillow brings. It has Latin letters only, and looks the same on every
machine. Accents are dropped, and what it lacks is shown as a box.
"""

from __future__ import annotations

import unicodedata

from PIL import ImageFont

__all__ = [
    "ACCENT",
    "FAINT",
    "INK",
    "LINE",
    "PAPER",
    "Colour",
    "Font",
    "clip",
    "font",
    "line_height",
    "plain",
    "wrap",
]

Colour = tuple[int, int, int]

PAPER: Colour = (252, 252, 250)
INK: Colour = (32, 33, 36)
FAINT: Colour = (120, 122, 126)
LINE: Colour = (226, 226, 222)
ACCENT: Colour = (34, 120, 84)

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_SPELLINGS = str.maketrans("‘’‚“”„–—−", "'''\"\"\"---")


def font(size: int) -> Font:
    """The font at ``size`` pixels."""
    return ImageFont.load_default(size)


def line_height(size: int) -> int:
    """The height of a line of text, in pixels."""
    return round(size * 1.4)


def plain(text: str) -> str:
    """``text`` on one line, in letters the font may have."""
    spelt = unicodedata.normalize("NFKD", text.translate(_SPELLINGS))
    kept = "".join(c for c in spelt if not unicodedata.combining(c))
    return " ".join("".join(c if c.isprintable() else " " for c in kept).split())


def clip(text: str, face: Font, room: float) -> str:
    """``text`` in at most ``room`` pixels; what is left over becomes an ellipsis."""
    text = plain(text)
    if face.getlength(text) <= room:
        return text
    return text[: _fitting(text, face, room - face.getlength("…"))].rstrip() + "…"


def wrap(text: str, face: Font, room: float, lines: int) -> list[str]:
    """``text`` in at most ``lines`` lines of ``room`` pixels; what is left over is cut off."""
    # No glyph is narrower than a pixel: the rest could not be shown, and is not worth measuring.
    rest = plain(text[: int(room) * lines + 1])
    done: list[str] = []
    while rest and len(done) < lines - 1 and face.getlength(rest) > room:
        length = _fitting(rest, face, room)
        space = rest.rfind(" ", 0, length + 1)
        cut = space if space > 0 else length
        done.append(rest[:cut].rstrip())
        rest = rest[cut:].lstrip()
    return [*done, clip(rest, face, room)] if rest else done


def _fitting(text: str, face: Font, room: float) -> int:
    """How many characters of ``text`` fit, at least one."""
    low, high = 1, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if face.getlength(text[:middle]) <= room:
            low = middle
        else:
            high = middle - 1
    return low
