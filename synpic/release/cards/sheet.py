"""A sheet of pictures with the prompt below each group: samples of training, before and after."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from synpic.release.cards.text_layout import (
    FAINT,
    INK,
    LINE,
    PAPER,
    clip,
    font,
    line_height,
    wrap,
)

__all__ = ["PictureGroup", "captioned_sheet", "fit"]

CELL = 256
_GAP = 16
_MARGIN = 24
_BETWEEN = 4
"""Pixels between two images of a group."""
_TEXT = 14
_LINES = 2
_NARROWEST = 160
"""A group is at least so wide, in pixels, that its prompt can be read."""


@dataclass(frozen=True)
class PictureGroup:
    """Images of one prompt.

    Args:
        prompt: the text below them.
        images: side by side, in this order; at least one.
        names: what stands below each, such as "before" and "after"; nothing if empty.
    """

    prompt: str
    images: Sequence[Image.Image]
    names: Sequence[str] = ()


def captioned_sheet(
    groups: Sequence[PictureGroup], *, columns: int | None = None, cell: int = CELL
) -> Image.Image:
    """Draw ``groups`` in reading order.

    Small images are enlarged by whole factors with hard edges, large ones reduced. A long prompt is
    cut off after two lines.

    Args:
        columns: groups in a row; about as many as there are rows if None.
        cell: the square, in pixels, that an image is fitted into.

    Raises:
        ValueError: there is no group, or one without an image.
    """
    if not groups or not all(group.images for group in groups):
        raise ValueError("a sheet needs at least one group, and a group at least one image")
    columns = columns or math.ceil(math.sqrt(len(groups)))
    pictures = [[fit(image, cell) for image in group.images] for group in groups]
    tall = max(image.height for images in pictures for image in images)
    wide = max(_NARROWEST, *(_width(images) for images in pictures))
    names = line_height(_TEXT) if any(group.names for group in groups) else 0
    high = tall + 6 + names + _LINES * line_height(_TEXT)
    rows = -(-len(groups) // columns)
    sheet = Image.new(
        "RGB",
        (2 * _MARGIN + columns * (wide + _GAP) - _GAP, 2 * _MARGIN + rows * (high + _GAP) - _GAP),
        PAPER,
    )
    draw = ImageDraw.Draw(sheet)
    face = font(_TEXT)
    for place, (group, images) in enumerate(zip(groups, pictures, strict=True)):
        left = _MARGIN + place % columns * (wide + _GAP)
        top = _MARGIN + place // columns * (high + _GAP)
        x = left
        for number, image in enumerate(images):
            sheet.paste(image, (x, top))
            draw.rectangle((x - 1, top - 1, x + image.width, top + image.height), outline=LINE)
            if number < len(group.names):
                name = clip(group.names[number], face, image.width)
                draw.text((x, top + tall + 6), name, fill=FAINT, font=face)
            x += image.width + _BETWEEN
        y = top + tall + 6 + names
        for line in wrap(group.prompt, face, wide, _LINES):
            draw.text((left, y), line, fill=INK, font=face)
            y += line_height(_TEXT)
    return sheet


def fit(image: Image.Image, cell: int) -> Image.Image:
    """``image`` as large as fits a square of ``cell`` pixels."""
    factor = cell / max(image.size)
    if factor >= 2:
        whole = int(factor)
        return image.resize((image.width * whole, image.height * whole), Image.Resampling.NEAREST)
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    return image.resize(size, Image.Resampling.LANCZOS)


def _width(images: Sequence[Image.Image]) -> int:
    return sum(image.width for image in images) + _BETWEEN * (len(images) - 1)
