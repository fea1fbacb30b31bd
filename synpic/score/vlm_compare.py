"""The comparer ``vlm_compare``: a vision-language model is asked which of two images is better.

Models prefer a place, first or second: like any comparer, it is asked about each pair in both
orders (:mod:`synpic.score.comparing_task`), and says how likely "first" is.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import ClassVar

from PIL.Image import Image

from synpic.score.comparer import PreparedComparer
from synpic.score.reward import RewardInfo
from synpic.score.vlm.answers import refuse_shared
from synpic.score.vlm.pair_question import FIRST, IMAGES, QUESTION, SECOND, WHY, PairQuestion
from synpic.score.vlm_yes import VlmYes
from synpic.score.weights import as_dtype

__all__ = ["VlmCompare"]


class VlmCompare(PreparedComparer):
    """P(first) / (P(first) + P(second)), where P sums over the spellings of an answer.

    Probabilities are of the first answer after the chat template's own beginning of an answer; of a
    spelling of several tokens they are multiplied.

    Args:
        checkpoint: folder or repository of any model that ``AutoModelForImageTextToText`` opens,
            with its processor and chat template.
        revision: its commit.
        device: where it runs.
        dtype: of its weights: "float32", "bfloat16" or "float16".
        question: what is asked; ``{}`` stands for the prompt, ``{first}`` and ``{second}`` for the
            images.
        first: spellings of the answer that the first image is better.
        second: spellings of the answer that the second is.
        max_pixels: larger images are made smaller, bicubic, before the model's own processor.

    Raises:
        RewardError: an option is out of its range, the answers have equal tokens, or the model
            cannot be asked.
        CheckpointError: a repository lacks a file, or cannot be reached.
    """

    info: ClassVar[RewardInfo] = RewardInfo(
        summary="any vision-language model, asked which of two images is better",
        score_range="0 … 1",
        checkpoint="Qwen/Qwen3-VL-8B-Instruct",
        files=VlmYes.info.files,
        licence="Apache-2.0 (Qwen3-VL-8B-Instruct)",
        text_limit="the model's context; nothing is cut off",
        verified="against transformers' own generate, on three architectures, at a reduced size, "
        "with random weights in float32 (tests/score/test_vlm_compare.py)",
    )

    def __init__(
        self,
        checkpoint: str,
        revision: str | None,
        device: str,
        *,
        dtype: str = "float32",
        question: str = QUESTION,
        first: Sequence[str] = FIRST,
        second: Sequence[str] = SECOND,
        max_pixels: int = 1 << 20,
    ) -> None:
        from synpic.score.vlm.local import open_local

        self._question = PairQuestion.of("vlm_compare", question, first, second, max_pixels)
        self._vlm = open_local(checkpoint, revision, device, as_dtype(dtype), max_pixels)
        self.preprocessing: Hashable = self._vlm.preprocessing
        self._first, self._second = self._vlm.spellings(first), self._vlm.spellings(second)
        refuse_shared("vlm_compare", WHY, first=self._first, second=self._second)

    def pixels(self, image: Image) -> Image:
        """The image in at most ``max_pixels``."""
        return self._vlm.fit(image)

    def judge(
        self, prompts: Sequence[str], first: Sequence[Image], second: Sequence[Image]
    ) -> list[float]:
        """Probabilities that the first is better, of n prompts and twice n images.

        Raises:
            ValueError: a prompt holds one of the tokenizer's marks.
        """
        chats = [
            self._vlm.chat(
                [None if part in IMAGES else part for part in self._question.filled(prompt)],
                prompt,
            )
            for prompt in prompts
        ]
        shown = list(zip(first, second, strict=True))
        found = self._vlm.log_probabilities(chats, shown, [*self._first, *self._second])
        for_first = found[:, : len(self._first)].logsumexp(dim=1)
        for_second = found[:, len(self._first) :].logsumexp(dim=1)
        probabilities: list[float] = (for_first - for_second).sigmoid().tolist()
        return probabilities
