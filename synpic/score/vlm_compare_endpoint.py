"""The comparer ``vlm_compare_endpoint``: ``vlm_compare`` of a model behind an endpoint."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from PIL import Image

from synpic.score.comparer import PreparedComparer
from synpic.score.reward import RewardInfo
from synpic.score.vlm.endpoint_asker import ENDPOINT, EndpointAsker
from synpic.score.vlm.pair_question import FIRST, IMAGES, QUESTION, SECOND, PairQuestion
from synpic.score.vlm.questions import SentImage, VlmAnswer, VlmQuestion

if TYPE_CHECKING:  # `synpic list comparers` asks what this is, and should not wait for its client
    from synpic.score.vlm.asking import EndpointVlm

__all__ = ["VlmCompareEndpoint"]

_SHOWN = "a red square"
"""What a first question asks for, of a red and a blue image."""

_LOG = logging.getLogger(__name__)


class VlmCompareEndpoint(EndpointAsker, PreparedComparer):
    """P(first) / (P(first) + P(second)), where P sums over the spellings of an answer.

    A server returns the 20 likeliest tokens. Where one of the two answers is not among them, the
    least likely of these stands in for it, which bounds its probability; where neither is, the pair
    has no probability.

    Probabilities are not reproducible bit for bit: a server's batches move low bits. The first
    question is about a red and a blue image: a model that takes blue for red is reported.

    Args:
        model: as the server names it.
        endpoint: its address, such as "http://localhost:8000/v1"; "$NAME" names an environment
            variable. Or a table of url, key, concurrency, timeout and patience. It decides no
            probability, and is no part of the fingerprint.
        variant: tells apart what is served under one name: a revision, a quantisation.
        request: added to the body of every request.
        question: what is asked; ``{}`` stands for the prompt, ``{first}`` and ``{second}`` for the
            images.
        first: spellings of the answer that the first image is better, each a single token.
        second: spellings of the answer that the second is.
        max_pixels: larger images are made smaller, bicubic, before they are sent.

    Raises:
        RewardError: an option is out of its range.
    """

    info: ClassVar[RewardInfo] = RewardInfo(
        summary="vlm_compare of a model behind an endpoint: vLLM, SGLang, a provider",
        score_range="0 … 1",
        text_limit="the server's; what is longer is refused by it, and gets no probability",
        verified="against vlm_compare, through a server that computes its answers with the same "
        "model (tests/score/test_vlm_compare_endpoint.py)",
    )

    def __init__(
        self,
        *,
        model: str = "",
        endpoint: str | Mapping[str, Any] = ENDPOINT,
        variant: str | None = None,
        request: Mapping[str, Any] | None = None,
        question: str = QUESTION,
        first: Sequence[str] = FIRST,
        second: Sequence[str] = SECOND,
        max_pixels: int = 1 << 20,
    ) -> None:
        super().__init__("vlm_compare_endpoint", max_pixels)
        self._question = PairQuestion.of(self._name, question, first, second, max_pixels)
        self._first, self._second = tuple(first), tuple(second)
        self.connect(model, endpoint, variant, request)

    def question(self, prompt: str, first: SentImage, second: SentImage) -> VlmQuestion:
        """What is asked about two images, as ``vlm_compare`` has it."""
        images = dict(zip(IMAGES, (first, second), strict=True))
        return VlmQuestion(tuple(images.get(part, part) for part in self._question.filled(prompt)))

    def read(self, answer: VlmAnswer) -> float:
        """The probability that the first image is better.

        Raises:
            ValueError: neither answer is among the likeliest tokens.
        """
        first, second = answer.either(self._first, self._second)
        return (1 + math.tanh((first - second) / 2)) / 2

    def ahead(
        self, prompts: Sequence[str], first: Sequence[SentImage], second: Sequence[SentImage]
    ) -> None:
        """Begin to ask about the next pairs, while those before them are waited for."""
        self.begin(prompts, self._questions(prompts, first, second))

    def judge(
        self, prompts: Sequence[str], first: Sequence[SentImage], second: Sequence[SentImage]
    ) -> list[float]:
        """Probabilities that the first is better, of n prompts and twice n images.

        Raises:
            ValueError: one of them has none.
            RewardError: the endpoint answers nothing.
        """
        return self.numbers(prompts, self._questions(prompts, first, second))

    def ask_first(self, vlm: EndpointVlm) -> None:
        """Ask which of a red and a blue image is the red one."""
        red, blue = (self.pixels(Image.new("RGB", (224, 224), color)) for color in ("red", "blue"))
        asked = self.question(_SHOWN, red, blue)
        if self.read(vlm.prove(asked, "a red and a blue image")) < 0.5:
            _LOG.warning(
                "%s: of a red and a blue image, %s takes the blue one for %r",
                self._name,
                self.model,
                _SHOWN,
            )

    def _questions(
        self, prompts: Sequence[str], first: Sequence[SentImage], second: Sequence[SentImage]
    ) -> list[VlmQuestion]:
        return [self.question(*one) for one in zip(prompts, first, second, strict=True)]
