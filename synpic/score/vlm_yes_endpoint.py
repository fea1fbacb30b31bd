"""The reward ``vlm_yes_endpoint``: what ``vlm_yes`` asks, of a model behind an endpoint."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from synpic.score.reward import RewardInfo
from synpic.score.templates import check_template
from synpic.score.vlm.endpoint_asker import ENDPOINT
from synpic.score.vlm.endpoint_reward import EndpointReward
from synpic.score.vlm.questions import SentImage, VlmAnswer, VlmQuestion
from synpic.score.vlm_yes import NO, QUESTION, YES, check_options

__all__ = ["VlmYesEndpoint"]


class VlmYesEndpoint(EndpointReward):
    """ln P(yes) − ln P(no), where P sums over the spellings of an answer.

    A server returns the 20 likeliest tokens. Where one of the two answers is not among them, the
    least likely of these stands in for it, which bounds its probability; where neither is, the
    image has no score.

    Args:
        model: as the server names it.
        endpoint: its address, such as "http://localhost:8000/v1"; "$NAME" names an environment
            variable. Or a table of url, key, concurrency, timeout and patience. It decides no
            score, and is no part of the fingerprint.
        variant: tells apart what is served under one name: a revision, a quantisation.
        request: added to the body of every request.
        question: what is asked; ``{}`` stands for the prompt.
        yes: spellings of the answer that counts for the image, each a single token.
        no: spellings of the answer that counts against it.
        measure: "log-odds"; or "probability", P(yes).
        max_pixels: larger images are made smaller, bicubic, before they are sent.

    Raises:
        RewardError: an option is out of its range.
    """

    info: ClassVar[RewardInfo] = RewardInfo(
        summary="vlm_yes of a model behind an endpoint: vLLM, SGLang, a provider",
        score_range="-∞ … ∞ (log-odds), or 0 … 1 (probability)",
        paper="2404.01291",
        text_limit="the server's; what is longer is refused by it, and gets no score",
        verified="against vlm_yes, through a server that computes its answers with the same model "
        "(tests/score/test_vlm_yes_endpoint.py)",
    )

    def __init__(
        self,
        *,
        model: str = "",
        endpoint: str | Mapping[str, Any] = ENDPOINT,
        variant: str | None = None,
        request: Mapping[str, Any] | None = None,
        question: str = QUESTION,
        yes: Sequence[str] = YES,
        no: Sequence[str] = NO,
        measure: str = "log-odds",
        max_pixels: int = 1 << 20,
    ) -> None:
        check_template("vlm_yes_endpoint", "question", question, of_prompt=True)
        check_options("vlm_yes_endpoint", measure, max_pixels, yes=yes, no=no)
        super().__init__("vlm_yes_endpoint", max_pixels)
        self._question, self._measure = question, measure
        self._yes, self._no = tuple(yes), tuple(no)
        self.connect(model, endpoint, variant, request)

    def question(self, prompt: str, picture: SentImage) -> VlmQuestion:
        """The image, and after it the question, as ``vlm_yes`` has them."""
        return VlmQuestion((picture, self._question.format(prompt)))

    def read(self, answer: VlmAnswer) -> float:
        """Log-odds, or a probability.

        Raises:
            ValueError: neither answer is among the likeliest tokens.
        """
        yes, no = answer.either(self._yes, self._no)
        return math.exp(yes) if self._measure == "probability" else yes - no

    def affirms(self, answer: VlmAnswer) -> bool:
        """Whether yes is likelier than no, or than one half."""
        return self.read(answer) > (0.5 if self._measure == "probability" else 0)
