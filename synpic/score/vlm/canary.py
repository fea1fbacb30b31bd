"""A question to which yes is wrong: a model that says yes to everything ranks nothing."""

from __future__ import annotations

import logging

from PIL import Image

__all__ = ["NOT_THERE", "grey_image", "report_affirmation"]

NOT_THERE = "a red elephant that rides a bicycle"
"""What the question asks for."""

_LOG = logging.getLogger(__name__)


def grey_image() -> Image.Image:
    """What it asks about: nothing, in the least size that every model takes."""
    return Image.new("RGB", (224, 224), (128, 128, 128))


def report_affirmation(reward: str, model: str) -> None:
    """Warn that ``model`` affirmed it."""
    _LOG.warning(
        "%s: asked about a grey image, %s says that it shows %r; a model that affirms everything "
        "ranks nothing",
        reward,
        model,
        NOT_THERE,
    )
