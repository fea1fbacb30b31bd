"""A contact sheet: prompts down the page, each with its images from best to worst."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl
from PIL import Image, ImageDraw

from synpic.errors import PublishError
from synpic.readers.images import ImageError, decode
from synpic.release.cards.sheet import fit
from synpic.release.cards.text_layout import (
    ACCENT,
    FAINT,
    INK,
    LINE,
    PAPER,
    Colour,
    clip,
    font,
    line_height,
    plain,
    wrap,
)

__all__ = ["PicturedPrompt", "choose_examples", "contact_sheet"]

_CELL = 192
_GAP = 16
_MARGIN = 28
_COLUMNS = 4
_LEFT_OUT = 60
"""The width, in pixels, of the place that says how many images are not drawn."""

_PROMPT_LINES = 2


@dataclass(frozen=True)
class PicturedPrompt:
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


def contact_sheet(examples: Sequence[PicturedPrompt], *, cell: int = _CELL) -> Image.Image:
    """Draw ``examples``, one below the other.

    Under each image stand its rank, its preference, its model and its scores. Of more than 4 images
    the 3 best and the worst are shown, and between them how many are not: a wider sheet would be
    too small to read on a page. Small images are enlarged by whole factors with hard edges, large
    ones reduced.

    Args:
        cell: the square, in pixels, that an image is fitted into.

    Raises:
        ValueError: there is nothing to draw.
        PublishError: an image is not whole; its model and prompt are named.
    """
    if not examples:
        raise ValueError("a contact sheet needs at least one example")
    columns = max(min(len(example.images), _COLUMNS) for example in examples)
    rewards = max(len(example.scores) for example in examples)
    width = 2 * _MARGIN + max(columns, 3) * (cell + _GAP) - _GAP
    if any(map(_left_out, examples)):
        width += _LEFT_OUT
    caption = 2 * line_height(15) + rewards * line_height(13)
    heading = _PROMPT_LINES * line_height(17) + 10
    row = heading + cell + 10 + caption
    height = 2 * _MARGIN + len(examples) * row + (len(examples) - 1) * 2 * _GAP
    sheet = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    top = _MARGIN
    for number, example in enumerate(examples):
        if number:
            draw.line([(_MARGIN, top - _GAP), (width - _MARGIN, top - _GAP)], fill=LINE)
        lines = wrap(example.prompt, font(17), width - 2 * _MARGIN, _PROMPT_LINES)
        # One line stands close to its images, not far above them.
        y = top + (_PROMPT_LINES - len(lines)) * line_height(17)
        for line in lines:
            draw.text((_MARGIN, y), line, fill=INK, font=font(17))
            y += line_height(17)
        for column, place in enumerate(_shown(example)):
            left = _MARGIN + column * (cell + _GAP)
            if column == _COLUMNS - 1 and (more := _left_out(example)):
                middle = left + (_LEFT_OUT - _GAP) // 2
                label = f"{more} more"
                draw.text((middle, top + heading + cell // 2), label, FAINT, font(15), "mm")
                left += _LEFT_OUT
            _draw_candidate(sheet, draw, example, place, (left, top + heading), cell)
        top += row + 2 * _GAP
    return sheet


def _shown(example: PicturedPrompt) -> list[int]:
    """Which images are drawn, from best to worst; equals in the order they came in."""
    order = sorted(range(len(example.images)), key=lambda place: example.rank[place])
    return [*order[: _COLUMNS - 1], order[-1]] if _left_out(example) else order


def _left_out(example: PicturedPrompt) -> int:
    """How many images are not drawn."""
    return max(0, len(example.images) - _COLUMNS)


def _draw_candidate(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    example: PicturedPrompt,
    place: int,
    corner: tuple[int, int],
    cell: int,
) -> None:
    left, top = corner
    image = fit(_decoded(example, place), cell)
    at = (left + (cell - image.width) // 2, top + (cell - image.height) // 2)
    sheet.paste(image, at)
    rank = example.rank[place]
    line = 2 if rank == 1 else 1
    right, bottom = at[0] + image.width + line - 1, at[1] + image.height + line - 1
    frame = (at[0] - line, at[1] - line, right, bottom)
    draw.rectangle(frame, outline=ACCENT if rank == 1 else LINE, width=line)
    y = top + cell + 8
    ink = ACCENT if rank == 1 else INK
    draw.text((left, y), f"#{rank}", fill=ink, font=font(15))
    _right(draw, f"preference {example.preference[place]:z.2f}", left + cell, y, ink, 15)
    y += line_height(15)
    draw.text((left, y), clip(example.models[place], font(15), cell), fill=INK, font=font(15))
    y += line_height(15)
    for reward, scores in example.scores.items():
        score = scores[place]
        value = "–" if score is None else f"{score:z.4g}"
        room = cell - int(font(13).getlength(plain(value))) - 8
        draw.text((left, y), clip(reward, font(13), room), fill=FAINT, font=font(13))
        _right(draw, value, left + cell, y, FAINT, 13)
        y += line_height(13)


def _decoded(example: PicturedPrompt, place: int) -> Image.Image:
    try:
        return decode(example.images[place])
    except ImageError as error:
        raise PublishError(
            f"the image by {example.models[place]!r} for {example.prompt!r:.80} cannot be drawn in "
            f"the card: {error}",
            hint="replace it where it comes from, then ingest, score and publish again",
        ) from error


def _right(
    draw: ImageDraw.ImageDraw, text: str, right: int, y: int, ink: Colour, size: int
) -> None:
    text = plain(text)
    draw.text((right - font(size).getlength(text), y), text, fill=ink, font=font(size))
