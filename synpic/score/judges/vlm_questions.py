"""The judge ``vlm_questions``: a vision-language model answers a suite's questions about an image.

DPG-Bench (arXiv 2403.05135), DSG (2310.18235), Soft-TIFA of GenEval 2 (2512.16853), and questions
of one's own, by any model that transformers opens.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from PIL.Image import Image

from synpic.score.judges.expected_answers import QuestionReply
from synpic.score.judges.judge import Judge, Requirement
from synpic.score.judges.question_options import (
    CANARY,
    QUESTION,
    WHY,
    AskedImages,
    QuestionOptions,
)
from synpic.score.judges.question_spec import questions_of
from synpic.score.judges.verdict import Verdict
from synpic.score.reward import RewardInfo
from synpic.score.vlm.answers import Spelling, refuse_shared
from synpic.score.vlm.canary import NOT_THERE
from synpic.score.vlm_yes import NO, YES, VlmYes
from synpic.score.weights import as_dtype

if TYPE_CHECKING:  # `synpic list judges` asks what this is, and should not wait for torch
    from torch import Tensor

__all__ = ["VlmQuestions"]


class VlmQuestions(Judge):
    """Each question of an image is asked, and answered by the probabilities of the first token.

    A forward pass has as many questions as images were given, so that the memory it takes is that
    of a batch of images. Where a spelling of the expected answer is a single token, those that are
    single tokens count; otherwise the probabilities of its tokens are multiplied.

    Args:
        checkpoint: folder or repository of any model that ``AutoModelForImageTextToText`` opens,
            with its processor and chat template.
        revision: its commit.
        device: where it runs.
        dtype: of its weights: "float32", "bfloat16" or "float16".
        rule: "dpg", "dsg", "soft-tifa-am", "soft-tifa-gm" or "all"; see
            :func:`synpic.score.judges.question_rules.question_verdict`.
        question: what is asked; ``{}`` stands for a question of the suite.
        measure: "yes-or-no", P(yes) / (P(yes) + P(no)); or "probability", P of the expected answer
            among all tokens, which is that of numbers and words in any case. If None, the second of
            Soft-TIFA, and the first of other rules.
        yes, no: spellings of these answers.
        quirks: "official" counts as the suite's own program does
            (:data:`synpic.score.judges.official_quirks.QUIRKS`).
        max_pixels: larger images are made smaller, bicubic, before the model's own processor.

    Raises:
        RewardError: an option is out of its range, a yes is a no, or the model cannot be asked.
        CheckpointError: a repository lacks a file, or cannot be reached.
    """

    any_model: ClassVar[bool] = True
    info: ClassVar[RewardInfo] = RewardInfo(
        summary="any vision-language model answers a suite's questions about the image",
        score_range="0 … 1",
        checkpoint=VlmYes.info.checkpoint,
        files=VlmYes.info.files,
        licence=VlmYes.info.licence,
        paper="2403.05135, 2310.18235, 2512.16853",
        text_limit="the model's context; nothing is cut off",
        verified="probabilities against transformers' own generate, rules against the suites' own "
        "functions, with random weights in float32 (tests/score/judges/test_vlm_questions.py)",
    )

    def __init__(
        self,
        checkpoint: str,
        revision: str | None,
        device: str,
        *,
        dtype: str = "float32",
        rule: str = "dsg",
        question: str = QUESTION,
        measure: str | None = None,
        yes: Sequence[str] = YES,
        no: Sequence[str] = NO,
        quirks: str = "none",
        max_pixels: int = 1 << 20,
    ) -> None:
        from synpic.score.vlm.local import open_local

        self._options = QuestionOptions.of(
            "vlm_questions", question, rule, measure, (yes, no), quirks, max_pixels
        )
        self._vlm = open_local(checkpoint, revision, device, as_dtype(dtype), max_pixels)
        self.preprocessing: Hashable = self._vlm.preprocessing
        self._spelt: dict[tuple[str, ...], list[Spelling]] = {}
        refuse_shared(
            "vlm_questions", WHY, yes=self._vlm.spellings(yes), no=self._vlm.spellings(no)
        )

    @staticmethod
    def check(requirement: Requirement) -> None:
        """Refuse an item whose questions cannot be asked.

        Raises:
            EvaluationError: naming the question.
        """
        questions_of(requirement.spec)

    def pixels(self, image: Image) -> Image:
        """The image in at most ``max_pixels``."""
        return self._vlm.fit(image)

    def judge(self, requirements: Sequence[Requirement], pixels: Sequence[Any]) -> list[Verdict]:
        """The verdicts on n images.

        Raises:
            ValueError: a question holds one of the tokenizer's marks.
        """
        asked = AskedImages.of([one.spec for one in requirements])
        questions, images = asked.flat, asked.beside(pixels)
        chats = self._vlm.chats([one.text for one in questions], self._options.template)
        # Spellings use the tokenizer, which then belongs to the thread that makes passes ready.
        expected = [self._options.expected(one) for one in questions]
        for one in expected:
            self._spellings(one.spellings)
            self._spellings(one.against)
        passes = self._vlm.first_tokens(chats, images, len(pixels))
        # One row at a time: each is as long as the vocabulary.
        found = [
            (answer, self._chance(row, one.spellings), self._chance(row, one.against))
            for one, (row, answer) in zip(expected, passes, strict=True)
        ]
        replies: list[QuestionReply] = []
        for at, (answer, this, other) in enumerate(found):
            chat, image = chats[at], images[at]
            this = (
                this if this is not None else self._by_tokens(chat, image, expected[at].spellings)
            )
            if expected[at].against and other is None:
                other = self._by_tokens(chat, image, expected[at].against)
            replies.append(expected[at].reply(answer, this, other, self._options.measure))
        return self._options.verdicts(asked, replies)

    def canary(self) -> Requirement:
        """A question about a grey image to which yes is wrong."""
        return Requirement(NOT_THERE, spec=CANARY)

    def _spellings(self, texts: tuple[str, ...]) -> list[Spelling]:
        if texts not in self._spelt:
            found = self._vlm.spellings(texts) if texts else []
            single = [one for one in found if len(one.tokens) == 1]
            if self._options.first_tokens:
                single = [Spelling(one.text, one.tokens[:1]) for one in found]
            self._spelt[texts] = single or found
        return self._spelt[texts]

    def _chance(self, row: Tensor, texts: tuple[str, ...]) -> float | None:
        """ln P of an answer; None where its spellings are not single tokens, or there is none."""
        tokens = [one.tokens[0] for one in self._spellings(texts) if len(one.tokens) == 1]
        return float(row[tokens].logsumexp(dim=0)) if tokens else None

    def _by_tokens(self, chat: str, image: Image, texts: tuple[str, ...]) -> float:
        found = self._vlm.log_probabilities([chat], [image], self._spellings(texts))
        return float(found[0].logsumexp(dim=0))
