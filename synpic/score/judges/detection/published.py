"""The published file of weights: its name, and that it is what its name says."""

from __future__ import annotations

import re
from pathlib import Path

from synpic import ids
from synpic.errors import RewardError

__all__ = ["ADDRESS", "FILE", "SHORT_NAME", "hold_to_name", "is_published"]

_NAMED = re.compile(r"-([0-9a-f]{8,64})\.pth$")

FILE = "mask2former_swin-s-p4-w7-224_lsj_8x2_50e_coco_20220504_001756-743b7d99.pth"
"""As mmdet's model zoo names it: with the first eight digits of its SHA-256."""

SHORT_NAME = "mask2former_swin-s-p4-w7-224_lsj_8x2_50e_coco.pth"
"""As GenEval's own script saves it."""

ADDRESS = (
    "https://download.openmmlab.com/mmdetection/v2.0/mask2former/"
    f"mask2former_swin-s-p4-w7-224_lsj_8x2_50e_coco/{FILE}"
)
"""Where mmdet's model zoo has it."""


def is_published(digest: str, published: str) -> bool:
    """Whether a SHA-256 begins with the digits that a name ends in."""
    named = _NAMED.search(published)
    return named is not None and digest.startswith(named[1])


def hold_to_name(file: Path, published: str) -> str:
    """The SHA-256 of ``file``, which begins with the digits that a name ends in.

    Args:
        published: that name; the file may have another.

    Raises:
        RewardError: it does not.
    """
    digest = ids.file_hash(file)
    if not is_published(digest, published):
        named = _NAMED.search(published)
        expected = f"{named[1]}…" if named else f"digits of it at the end of {published}"
        raise RewardError(
            f"{file} has the SHA-256 {digest[:16]}…, expected {expected}",
            hint="the file is not whole, or is another: download it again",
        )
    return digest
