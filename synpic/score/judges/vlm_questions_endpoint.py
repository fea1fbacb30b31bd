"""The judge ``vlm_questions_endpoint``: ``vlm_questions``, of a model behind an endpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from synpic.errors import RewardError
from synpic.score.judges.judge import Judge, Requirement
from synpic.score.judges.question_options import CANARY, QUESTION, AskedImages, QuestionOptions
from synpic.score.judges.question_spec import questions_of
from synpic.score.judges.verdict import Verdict
from synpic.score.reward import RewardInfo
from synpic.score.vlm.canary import NOT_THERE, grey_image
from synpic.score.vlm.endpoint_asker import ENDPOINT, EndpointAsker
from synpic.score.vlm.questions import SentImage, VlmAnswer, VlmQuestion
from synpic.score.vlm_yes import NO, YES

if TYPE_CHECKING:  # `synpic list judges` asks what this is, and should not wait for its client
    from synpic.score.vlm.asking import EndpointVlm

__all__ = ["VlmQuestionsEndpoint"]


class VlmQuestionsEndpoint(EndpointAsker, Judge):
    """Each question of an image is one request, and the questions of a batch are under way at once.

    A server returns the 20 likeliest tokens. Where the expected answer is not among them, the least
    likely of these stands in for it, which bounds its probability. Where neither yes nor no is, or
    the answer is several tokens of the model, the image has no verdict.

    Args:
        model: as the server names it.
        endpoint: its address, such as "http://localhost:8000/v1"; "$NAME" names an environment
            variable. Or a table of url, key, concurrency, timeout and patience. It decides no
            verdict, and is no part of the fingerprint.
        variant: tells apart what is served under one name: a revision, a quantisation.
        request: added to the body of every request.
        rule, question, measure, yes, no, quirks, max_pixels: as of
            :class:`synpic.score.judges.vlm_questions.VlmQuestions`; spellings are single tokens.

    Raises:
        RewardError: an option is out of its range.
    """

    any_model: ClassVar[bool] = True
    info: ClassVar[RewardInfo] = RewardInfo(
        summary="vlm_questions of a model behind an endpoint: vLLM, SGLang, a provider",
        score_range="0 … 1",
        paper="2403.05135, 2310.18235, 2512.16853",
        text_limit="the server's; what is longer is refused by it, and gets no verdict",
        verified="against vlm_questions, through a server that computes its answers with the same "
        "model (tests/score/judges/test_vlm_questions_endpoint.py)",
    )

    def __init__(
        self,
        *,
        model: str = "",
        endpoint: str | Mapping[str, Any] = ENDPOINT,
        variant: str | None = None,
        request: Mapping[str, Any] | None = None,
        rule: str = "dsg",
        question: str = QUESTION,
        measure: str | None = None,
        yes: Sequence[str] = YES,
        no: Sequence[str] = NO,
        quirks: str = "none",
        max_pixels: int = 1 << 20,
    ) -> None:
        name = "vlm_questions_endpoint"
        self._options = QuestionOptions.of(
            name, question, rule, measure, (yes, no), quirks, max_pixels
        )
        if self._options.first_tokens:
            raise RewardError(
                f'{name}: quirks = "official" of {rule} counts the first token of a spelling, and '
                "the tokens of a server are not known here",
                hint="leave it out, or run vlm_questions",
            )
        super().__init__(name, max_pixels)
        self.connect(model, endpoint, variant, request)

    @staticmethod
    def check(requirement: Requirement) -> None:
        """Refuse an item whose questions cannot be asked.

        Raises:
            EvaluationError: naming the question.
        """
        questions_of(requirement.spec)

    def judge(self, requirements: Sequence[Requirement], pixels: Sequence[Any]) -> list[Verdict]:
        """The verdicts on n images.

        Raises:
            ValueError: one of the questions has no answer.
            RewardError: the endpoint answers nothing.
        """
        asked = AskedImages.of([one.spec for one in requirements])
        answers = self.answers(*self._asking(asked, pixels))
        replies = [
            self._options.expected(question).read(answer, self._options.measure)
            for question, answer in zip(asked.flat, answers, strict=True)
        ]
        return self._options.verdicts(asked, replies)

    def questions(self, requirement: Requirement, picture: SentImage) -> list[VlmQuestion]:
        """What is asked about one image."""
        _, sent, _ = self._asking(AskedImages.of([requirement.spec]), [picture])
        return sent

    def ahead(self, requirements: Sequence[Requirement], pixels: Sequence[Any]) -> None:
        """Begin to ask about the next images, while those before them are waited for."""
        self.begin(*self._asking(AskedImages.of([one.spec for one in requirements]), pixels))

    def canary(self) -> Requirement:
        """A question about a grey image to which yes is wrong."""
        return Requirement(NOT_THERE, spec=CANARY)

    def read(self, answer: VlmAnswer) -> float:
        """P(yes) of the first question.

        Raises:
            ValueError: neither yes nor no is among the likeliest tokens.
        """
        (first,) = questions_of(CANARY)
        return self._options.expected(first).read(answer, self._options.measure).probability

    def ask_first(self, vlm: EndpointVlm) -> None:
        """Ask about a grey image: whether the endpoint answers at all."""
        asked = AskedImages.of([CANARY])
        _, (question,), _ = self._asking(asked, [self.pixels(grey_image())])
        vlm.prove(question)

    def _asking(
        self, asked: AskedImages, pixels: Sequence[SentImage]
    ) -> tuple[list[str], list[VlmQuestion], list[Callable[[VlmAnswer], object]]]:
        """Texts, what is sent, and what reads each answer."""
        questions, measure = asked.flat, self._options.measure
        sent = [
            VlmQuestion((picture, self._options.template.format(one.text)))
            for one, picture in zip(questions, asked.beside(pixels), strict=True)
        ]
        reads = [partial(self._options.expected(one).read, measure=measure) for one in questions]
        return [one.text for one in questions], sent, list(reads)
