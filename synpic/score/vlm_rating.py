"""The reward ``vlm_rating``: a vision-language model rates an image, and the rating is expected.

Models such as UnifiedReward-2.0 (github.com/CodeGoat24/UnifiedReward) are tuned to write ratings of
several axes. What they write has ties; the mean over the probabilities of all ratings has none, and
knows how sure the model is.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, ClassVar

from PIL.Image import Image

from synpic.score.reward import RewardInfo
from synpic.score.templates import check_template
from synpic.score.two_stage import TwoStageReward
from synpic.score.vlm.fitting import check_pixels
from synpic.score.vlm.ratings import ANSWER, MEAN, RUBRIC, rating_template
from synpic.score.vlm_yes import VlmYes
from synpic.score.weights import as_dtype

__all__ = ["VlmRating"]


class VlmRating(TwoStageReward):
    """The expected rating of an axis, or the mean of all axes that one answer rates.

    The answer is generated greedily. At the place of each rating, the expectation is
    Σ d·P(d) / Σ P(d) over the ratings d.

    Args:
        checkpoint: folder or repository of any model that ``AutoModelForImageTextToText`` opens,
            with its processor and chat template.
        revision: its commit.
        device: where it runs.
        dtype: of its weights: "float32", "bfloat16" or "float16".
        rubric: what is asked; ``{}`` stands for the prompt.
        answer: what a model answers to it, with ``{name}`` in the place of each axis's rating.
        axis: the name of one of them, or "mean".
        scale: the least and the greatest rating, each a digit.
        max_tokens: how many an answer may have.
        max_pixels: larger images are made smaller, bicubic, before the model's own processor.

    Raises:
        RewardError: an option is out of its range, or the model cannot be asked.
        CheckpointError: a repository lacks a file, or cannot be reached.
    """

    info: ClassVar[RewardInfo] = RewardInfo(
        summary="any vision-language model: the expected rating of one axis, or of several",
        score_range="that of `scale`: 1 … 5",
        checkpoint="Qwen/Qwen3-VL-8B-Instruct",
        files=VlmYes.info.files,
        licence="Apache-2.0 (Qwen3-VL-8B-Instruct)",
        paper="2503.05236",
        text_limit="the model's context; nothing is cut off",
        verified="against transformers' own generate, on three architectures, at a reduced size, "
        "with random weights in float32 (tests/score/test_vlm_rating.py)",
    )

    def __init__(
        self,
        checkpoint: str,
        revision: str | None,
        device: str,
        *,
        dtype: str = "float32",
        rubric: str = RUBRIC,
        answer: str = ANSWER,
        axis: str = MEAN,
        scale: Sequence[int] = (1, 5),
        max_tokens: int | None = None,
        max_pixels: int = 1 << 20,
    ) -> None:
        from synpic.score.vlm.local import open_local

        check_template("vlm_rating", "rubric", rubric, of_prompt=True)
        check_pixels("vlm_rating", max_pixels)
        self._rubric = rubric
        self._rating = rating_template("vlm_rating", answer, axis, scale, max_tokens)
        self._vlm = open_local(checkpoint, revision, device, as_dtype(dtype), max_pixels)
        self.preprocessing: Hashable = self._vlm.preprocessing

    def pixels(self, image: Image) -> Image:
        """The image in at most ``max_pixels``."""
        return self._vlm.fit(image)

    def side_by_side(self, pixels: Sequence[Any]) -> Sequence[Any]:
        """Images of any sizes."""
        return list(pixels)

    def judge(self, prompts: Sequence[str], pixels: Any) -> list[float]:
        """Expected ratings of n prompts and n images.

        Raises:
            ValueError: one of the answers lacks a rating.
        """
        chats = self._vlm.chats(prompts, self._rubric)
        answers = self._vlm.answers(chats, pixels, self._rating.tokens)
        return [self._rating.score(answer) for answer in answers]
