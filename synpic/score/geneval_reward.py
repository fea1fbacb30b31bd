"""GenEval as a reward, in the forms in which Flow-GRPO trains on it."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from synpic.score.judged import JudgedReward
from synpic.score.judges.geneval_judge import GenEvalJudge
from synpic.score.reward import RewardInfo

__all__ = ["GenEvalReward"]


class GenEvalReward(JudgedReward):
    """How much of the objects that a prompt asks for an image shows.

    Args:
        form: ``graded``, Flow-GRPO's score; ``strict``, 1 where every number is exact, else 0;
            ``correct``, 1 where GenEval itself calls the image correct, else 0.
        checkpoint, revision, device, clip, clip_revision, dtype: as those of the judge ``geneval``.

    Raises:
        RewardError: an unknown form; or as :class:`GenEvalJudge`.
        CheckpointError: as there.
    """

    form_of_judge: ClassVar[str] = "geneval"
    check = staticmethod(GenEvalJudge.check)
    info: ClassVar[RewardInfo] = replace(
        GenEvalJudge.info,
        summary="GenEval as a reward: how much of what a prompt asks for is there, by a detector",
        score_range=GenEvalJudge.form_range,
        paper="2505.05470",
        verified="cases of Flow-GRPO's own server (tests/score/judges/test_geneval_forms.py)",
    )

    def __init__(
        self,
        checkpoint: str,
        revision: str | None,
        device: str,
        clip: str,
        clip_revision: str | None = None,
        *,
        dtype: str = "float32",
        form: str = "graded",
    ) -> None:
        judge = GenEvalJudge(checkpoint, revision, device, clip, clip_revision, dtype=dtype)
        super().__init__(judge, form)
