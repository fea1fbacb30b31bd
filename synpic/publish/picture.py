"""A contact sheet: prompts down the page, each with its images from best to worst.

Text is set in the scalable font that Pillow brings, so a sheet looks the same on every machine. It
has Latin letters only: accents are dropped, and what it lacks is shown as a box.
"""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl
from PIL import Image, ImageDraw, ImageFont

__all__ = ["Example", "choose_examples", "contact_sheet"]

_CELL = 192
_GAP = 16
_MARGIN = 28
_COLUMNS = 8
_PROMPT_LINES = 2

_PAPER = (252, 252, 250)
_INK = (32, 33, 36)
_FAINT = (120, 122, 126)
_LINE = (226, 226, 222)
_BEST = (34, 120, 84)

_SPELLINGS = str.maketrans("‘’‚“”„–—−", "'''\"\"\"---")


@dataclass(frozen=True)
class Example:
    """One prompt with its k images, in any order.

    Args:
        prompt: its text.
        images: encoded, k of them.
        models: who drew each.
        preference: of each, higher is better.
        rank: of each, 1 is the best.
        scores: reward → k scores, None where one is missing.
    """

    prompt: str
    images: Sequence[bytes]
    models: Sequence[str]
    preference: Sequence[float]
    rank: Sequence[int]
    scores: dict[str, Sequence[float | None]]


def choose_examples(ranked: pl.DataFrame, count: int) -> pl.DataFrame:
    """``count`` rows of ``ranked`` that show something, the same ones for the same rows.

    From the quarter of prompts whose best image leads the second by most, those with the smallest
    prompt_ids, which are hashes, and so of any subject. Prompts with a flagged image come last.
    """
    best_two = pl.col("preference").list.sort(descending=True)
    marked = ranked.with_columns(
        lead=best_two.list.get(0) - best_two.list.get(1),
        shy=pl.col("flagged").list.any().fill_null(False),
    )
    clear = marked.sort("shy", "lead", "prompt_id", descending=[False, True, False])
    pool = clear.head(max(count, -(-clear.height // 4)))
    return pool.sort("shy", "prompt_id").head(count).drop("lead", "shy")


def contact_sheet(examples: Sequence[Example], *, cell: int = _CELL) -> Image.Image:
    """Draw ``examples``, one below the other.

    Under each image stand its rank, its preference, its model and its scores. Of more than 8 images
    the 7 best and the worst are shown. Small images are enlarged by whole factors with hard edges,
    large ones reduced.

    Args:
        cell: the square, in pixels, that an image is fitted into.

    Raises:
        ValueError: there is nothing to draw.
    """
    if not examples:
        raise ValueError("a contact sheet needs at least one example")
    columns = max(min(len(example.images), _COLUMNS) for example in examples)
    rewards = max(len(example.scores) for example in examples)
    width = 2 * _MARGIN + max(columns, 3) * (cell + _GAP) - _GAP
    caption = 2 * _line(15) + rewards * _line(13)
    heading = _PROMPT_LINES * _line(17) + 10
    row = heading + cell + 10 + caption
    height = 2 * _MARGIN + len(examples) * row + (len(examples) - 1) * 2 * _GAP
    sheet = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    top = _MARGIN
    for number, example in enumerate(examples):
        if number:
            draw.line([(_MARGIN, top - _GAP), (width - _MARGIN, top - _GAP)], fill=_LINE)
        lines = _wrap(example.prompt, _font(17), width - 2 * _MARGIN, _PROMPT_LINES)
        # One line stands close to its images, not far above them.
        y = top + (_PROMPT_LINES - len(lines)) * _line(17)
        for line in lines:
            draw.text((_MARGIN, y), line, fill=_INK, font=_font(17))
            y += _line(17)
        for column, place in enumerate(_shown(example)):
            left = _MARGIN + column * (cell + _GAP)
            _draw_candidate(sheet, draw, example, place, (left, top + heading), cell)
        top += row + 2 * _GAP
    return sheet


def _shown(example: Example) -> list[int]:
    """Which images are drawn, from best to worst; equals in the order they came in."""
    order = sorted(range(len(example.images)), key=lambda place: example.rank[place])
    return order if len(order) <= _COLUMNS else [*order[: _COLUMNS - 1], order[-1]]


def _draw_candidate(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    example: Example,
    place: int,
    corner: tuple[int, int],
    cell: int,
) -> None:
    left, top = corner
    with Image.open(io.BytesIO(example.images[place])) as opened:
        image = _fit(opened.convert("RGB"), cell)
    at = (left + (cell - image.width) // 2, top + (cell - image.height) // 2)
    sheet.paste(image, at)
    rank = example.rank[place]
    line = 2 if rank == 1 else 1
    right, bottom = at[0] + image.width + line - 1, at[1] + image.height + line - 1
    frame = (at[0] - line, at[1] - line, right, bottom)
    draw.rectangle(frame, outline=_BEST if rank == 1 else _LINE, width=line)
    y = top + cell + 8
    ink = _BEST if rank == 1 else _INK
    draw.text((left, y), f"#{rank}", fill=ink, font=_font(15))
    _right(draw, f"preference {example.preference[place]:.2f}", left + cell, y, ink, 15)
    y += _line(15)
    draw.text((left, y), _clip(example.models[place], _font(15), cell), fill=_INK, font=_font(15))
    y += _line(15)
    for reward, scores in example.scores.items():
        score = scores[place]
        value = "–" if score is None else f"{score:.4g}"
        room = cell - int(_font(13).getlength(_plain(value))) - 8
        draw.text((left, y), _clip(reward, _font(13), room), fill=_FAINT, font=_font(13))
        _right(draw, value, left + cell, y, _FAINT, 13)
        y += _line(13)


def _fit(image: Image.Image, cell: int) -> Image.Image:
    """``image`` as large as fits a square of ``cell`` pixels."""
    factor = cell / max(image.size)
    if factor >= 2:
        whole = int(factor)
        return image.resize((image.width * whole, image.height * whole), Image.Resampling.NEAREST)
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    return image.resize(size, Image.Resampling.LANCZOS)


def _wrap(text: str, font: _Font, room: float, lines: int) -> list[str]:
    """``text`` in at most ``lines`` lines of ``room`` pixels; what is left over is cut off."""
    # No glyph is narrower than a pixel: the rest could not be shown, and is not worth measuring.
    rest = _plain(text[: int(room) * lines + 1])
    done: list[str] = []
    while rest and len(done) < lines - 1 and font.getlength(rest) > room:
        length = _fitting(rest, font, room)
        space = rest.rfind(" ", 0, length + 1)
        cut = space if space > 0 else length
        done.append(rest[:cut].rstrip())
        rest = rest[cut:].lstrip()
    return [*done, _clip(rest, font, room)] if rest else done


def _clip(text: str, font: _Font, room: float) -> str:
    text = _plain(text)
    if font.getlength(text) <= room:
        return text
    return text[: _fitting(text, font, room - font.getlength("…"))].rstrip() + "…"


def _fitting(text: str, font: _Font, room: float) -> int:
    """How many characters of ``text`` fit, at least one."""
    low, high = 1, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if font.getlength(text[:middle]) <= room:
            low = middle
        else:
            high = middle - 1
    return low


def _plain(text: str) -> str:
    """``text`` on one line, in letters the font may have."""
    spelt = unicodedata.normalize("NFKD", text.translate(_SPELLINGS))
    kept = "".join(c for c in spelt if not unicodedata.combining(c))
    return " ".join("".join(c if c.isprintable() else " " for c in kept).split())


def _right(
    draw: ImageDraw.ImageDraw, text: str, right: int, y: int, ink: tuple[int, int, int], size: int
) -> None:
    text = _plain(text)
    draw.text((right - _font(size).getlength(text), y), text, fill=ink, font=_font(size))


_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def _font(size: int) -> _Font:
    return ImageFont.load_default(size)


def _line(size: int) -> int:
    """The height of a line of text, in pixels."""
    return round(size * 1.4)
