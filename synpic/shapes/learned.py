"""The reward ``shapes_clip``: a small CLIP that learned the world from pictures and captions.

Scored by the code of ``clip_score``. Trained on rendered scenes alone (``contrast``), it
learnt everything but place: "left of" and "above" are one to it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from synpic.score.clip_score import ClipScore
from synpic.score.lineage import Lineage
from synpic.score.reward import RewardInfo

__all__ = ["ShapesClip"]


class ShapesClip(ClipScore):
    """``clip_score`` with the world's own checkpoint."""

    info: ClassVar[RewardInfo] = replace(
        ClipScore.info,
        summary="shapes world: cosine under a small CLIP trained on rendered scenes",
        checkpoint="package:synpic.shapes/weights/clip",
        licence="Apache-2.0",
        text_limit="16 tokens; the world's longest prompt has 14 words",
        verified="prefers a picture's caption to a near miss (tests/shapes/test_learned.py)",
    )

    lineage: ClassVar[Lineage] = Lineage(
        "a small CLIP of the world's own", None, "rendered scenes of the world, and their prompts"
    )
