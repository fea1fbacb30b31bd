"""What a manifest counts, drawn: how scores are spread, and how far rewards agree.

Letters and lines are large: a page shows wide pictures at half their size. A picture follows from
its manifest alone. Colours read the same to the colour-blind, and every cell has its number.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

from PIL import Image, ImageDraw

from synpic.readers.display import count
from synpic.release.agreements import Agreement, LeftOut
from synpic.release.cards.text_layout import (
    FAINT,
    INK,
    LINE,
    PAPER,
    Colour,
    clip,
    font,
    line_height,
)
from synpic.release.manifest import Histogram, Manifest

__all__ = ["AGREEMENT", "SCORES", "chart_paths", "draw_charts", "matrix", "spreads"]

SCORES = "pictures/scores.png"
AGREEMENT = "pictures/agreement.png"

_MARGIN = 48
_TITLE, _TEXT, _SMALL = 30, 26, 22

_PANEL = (480, 240)
_PANEL_GAP = 64

_CELL = (132, 84)
_LABEL = 420
_OTHERS_GAP = 24
_BAR = (396, 20)

_BARS: Colour = (96, 138, 176)
_SAME: Colour = (38, 92, 148)
_OPPOSITE: Colour = (176, 84, 44)
_NEITHER: Colour = (243, 241, 234)


def chart_paths(manifest: Manifest) -> list[str]:
    """The pictures that ``manifest`` has the numbers for.

    They are ``SCORES``, and, where two rewards or more rank, ``AGREEMENT``.
    """
    several = len(manifest.ranking.weights) > 1
    return [SCORES] * bool(manifest.histograms) + [AGREEMENT] * several


def draw_charts(manifest: Manifest) -> dict[str, bytes]:
    """Path → PNG of every picture of :func:`chart_paths`."""
    return {path: _png(_DRAWN[path](manifest)) for path in chart_paths(manifest)}


def _spreads_of(manifest: Manifest) -> Image.Image:
    return spreads(manifest.histograms)


def _matrix_of(manifest: Manifest) -> Image.Image:
    # Of two, the others together are the other one, and its number stands there already.
    others = manifest.agreement.leave_one_out if len(manifest.ranking.weights) > 2 else []
    return matrix(manifest.agreement.rewards, others)


_DRAWN = {SCORES: _spreads_of, AGREEMENT: _matrix_of}


def spreads(histograms: Mapping[str, Histogram]) -> Image.Image:
    """A histogram of each reward's scores, side by side, each with a scale of its own.

    Args:
        histograms: reward → its histogram, as in a manifest.

    Raises:
        ValueError: there is none.
    """
    if not histograms:
        raise ValueError("there is no histogram to draw")
    number = len(histograms)
    # A page shows no more than three side by side at a size at which they can be read.
    columns = 2 if number % 2 == 0 else min(number, 3)
    lines = -(-number // columns)
    across, down = _PANEL
    pitch = line_height(_TITLE) + 40 + down + line_height(_SMALL) + 12
    width = 2 * _MARGIN + columns * across + (columns - 1) * _PANEL_GAP
    height = 2 * _MARGIN + lines * pitch + (lines - 1) * _PANEL_GAP
    sheet = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    for place, (reward, histogram) in enumerate(histograms.items()):
        left = _MARGIN + place % columns * (across + _PANEL_GAP)
        top = _MARGIN + place // columns * (pitch + _PANEL_GAP)
        _histogram(draw, (left, top), reward, histogram)
    return sheet


def _histogram(
    draw: ImageDraw.ImageDraw, corner: tuple[int, int], reward: str, histogram: Histogram
) -> None:
    (left, top), (across, down) = corner, _PANEL
    counts = histogram.counts
    base = top + line_height(_TITLE)
    draw.text((left, base), clip(reward, font(_TITLE), across), INK, font(_TITLE), "ls")
    floor = base + 40 + down
    tallest = max(counts)
    for number, height in enumerate(counts):
        x0 = left + across * number // len(counts)
        x1 = left + across * (number + 1) // len(counts) - 1
        if len(counts) == 1:  # all scores are one value
            x0, x1 = left + across * 9 // 20, left + across * 11 // 20 - 1
        # A bin that holds anything shows.
        rise = max(2, round(down * height / tallest)) if height else 0
        if rise:
            draw.rectangle((x0 + 1, floor - rise, x1 - 1, floor - 1), fill=_BARS)
        if height == tallest and height not in counts[:number]:
            label = f"{height:,}"
            half = font(_SMALL).getlength(label) / 2
            middle = min(max((x0 + x1) / 2, left + half), left + across - half)
            draw.text((middle, floor - rise - 8), label, FAINT, font(_SMALL), "ms")
    draw.rectangle((left, floor, left + across - 1, floor + 1), fill=FAINT)
    under = floor + line_height(_SMALL) + 4
    low, high = (f"{end:.4g}" for end in (histogram.low, histogram.high))
    middle = left + across / 2
    if len(counts) == 1:
        draw.text((middle, under), low, FAINT, font(_SMALL), "ms")
        return
    draw.text((left, under), low, FAINT, font(_SMALL), "ls")
    draw.text((middle, under), count(sum(counts), "score"), FAINT, font(_SMALL), "ms")
    draw.text((left + across, under), high, FAINT, font(_SMALL), "rs")


def matrix(rewards: Sequence[Agreement], others: Sequence[LeftOut]) -> Image.Image:
    """The agreement of every two rewards as a field of colours with numbers in it.

    Args:
        rewards: one for every ordered pair.
        others: of each reward with all others; drawn as a column apart, and not at all if there
            are none.

    Raises:
        ValueError: there is no reward.
    """
    if not rewards:
        raise ValueError("there is no agreement to draw")
    names = list(dict.fromkeys(row.reward_a for row in rewards))
    taus = {(row.reward_a, row.reward_b): row.tau for row in rewards}
    apart = {row.reward: row.tau for row in others}
    heads = [clip(name, font(_TEXT), _LABEL) for name in names]
    longest = max(font(_TEXT).getlength(head) for head in heads)
    above = max(longest, font(_TEXT).getlength("the others") if apart else 0)
    (wide, high), left, top = _CELL, _MARGIN + int(longest) + 24, _MARGIN + int(above) + 20
    field = len(names) * wide + (_OTHERS_GAP + wide if apart else 0)
    width = max(left + field, _MARGIN + _BAR[0]) + _MARGIN
    floor = top + len(names) * high
    height = floor + 36 + _BAR[1] + 2 * line_height(_SMALL) + _MARGIN
    sheet = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    for place, (name, head) in enumerate(zip(names, heads, strict=True)):
        y = top + place * high
        draw.text((left - 20, y + high / 2), head, INK, font(_TEXT), "rm")
        _upright(sheet, head, left + place * wide + wide // 2, top - 16)
        for column, other in enumerate(names):
            corner = (left + column * wide, y)
            if other != name:
                _cell(draw, corner, taus[name, other])
        if apart:
            _cell(draw, (left + len(names) * wide + _OTHERS_GAP, y), apart[name])
    if apart:
        _upright(sheet, "the others", left + field - wide // 2, top - 16)
    _scale(draw, (min(left, width - _MARGIN - _BAR[0]), floor + 36))
    return sheet


def _cell(draw: ImageDraw.ImageDraw, corner: tuple[int, int], tau: float | None) -> None:
    (left, top), (wide, high) = corner, _CELL
    frame = (left + 2, top + 2, left + wide - 3, top + high - 3)
    middle = (left + wide / 2, top + high / 2)
    if tau is None:
        draw.rectangle(frame, outline=LINE, width=2)
        draw.text(middle, "-", FAINT, font(_TEXT), "mm")
        return
    draw.rectangle(frame, fill=_colour(tau))
    ink = PAPER if abs(tau) > 0.55 else INK
    draw.text(middle, f"{tau:z.2f}", ink, font(_TEXT), "mm")


def _scale(draw: ImageDraw.ImageDraw, corner: tuple[int, int]) -> None:
    """What the colours mean."""
    (left, top), (across, down) = corner, _BAR
    for x in range(across):
        draw.line((left + x, top, left + x, top + down), _colour(2 * x / (across - 1) - 1))
    under = top + down + line_height(_SMALL)
    for share, text, anchor in (
        (0, "-1, opposite", "ls"),
        (0.5, "0", "ms"),
        (1, "1, the same", "rs"),
    ):
        draw.text((left + share * across, under), text, FAINT, font(_SMALL), anchor)


def _colour(tau: float) -> Colour:
    end, share = (_SAME if tau > 0 else _OPPOSITE), min(1.0, abs(tau))
    red, green, blue = (
        round(here + (there - here) * share) for here, there in zip(_NEITHER, end, strict=True)
    )
    return red, green, blue


def _upright(sheet: Image.Image, text: str, middle: int, bottom: int) -> None:
    """``text`` read from bottom to top, above (``middle``, ``bottom``)."""
    length, deep = int(font(_TEXT).getlength(text)) + 2, line_height(_TEXT)
    label = Image.new("RGB", (length, deep), PAPER)
    ImageDraw.Draw(label).text((0, deep / 2), text, INK, font(_TEXT), "lm")
    sheet.paste(label.transpose(Image.Transpose.ROTATE_90), (middle - deep // 2, bottom - length))


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
