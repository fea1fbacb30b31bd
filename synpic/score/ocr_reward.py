"""Text in images as a reward, by the rule of Flow-GRPO."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from synpic.score.judged import JudgedReward
from synpic.score.judges.ocr import Ocr
from synpic.score.reward import RewardInfo

__all__ = ["OcrReward"]


class OcrReward(JudgedReward):
    """How near what is read in an image is to the text that its prompt has in quotes.

    Args:
        form: ``graded``, 1 − normalised edit distance; ``strict``, 1 where all of it is read, else
            0.
        checkpoint, revision, device, dtype, max_tokens: as those of the judge ``ocr``.

    Raises:
        RewardError: an unknown form; or as :class:`Ocr`.
        CheckpointError: as there.
    """

    form_of_judge: ClassVar[str] = "ocr"
    check = staticmethod(Ocr.check)
    info: ClassVar[RewardInfo] = replace(
        Ocr.info, summary="text in quotes, read by GOT-OCR 2.0: 1 − normalised edit distance"
    )

    def __init__(
        self,
        checkpoint: str,
        revision: str | None,
        device: str,
        *,
        dtype: str = "float32",
        max_tokens: int = 256,
        form: str = "graded",
    ) -> None:
        judge = Ocr(checkpoint, revision, device, dtype=dtype, max_tokens=max_tokens)
        super().__init__(judge, form)
