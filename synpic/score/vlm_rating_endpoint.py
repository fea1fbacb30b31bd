"""The reward ``vlm_rating_endpoint``: what ``vlm_rating`` asks, of a model behind an endpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from synpic.score.reward import RewardInfo
from synpic.score.templates import check_template
from synpic.score.vlm.endpoint_asker import ENDPOINT
from synpic.score.vlm.endpoint_reward import EndpointReward
from synpic.score.vlm.fitting import check_pixels
from synpic.score.vlm.questions import SentImage, VlmAnswer, VlmQuestion
from synpic.score.vlm.ratings import ANSWER, MEAN, RUBRIC, rating_template

__all__ = ["VlmRatingEndpoint"]


class VlmRatingEndpoint(EndpointReward):
    """The expected rating of an axis, or the mean of all axes that one answer rates.

    Two rewards that differ in ``axis`` alone ask one question.

    Args:
        model: as the server names it.
        endpoint: its address, such as "http://localhost:8000/v1"; "$NAME" names an environment
            variable. Or a table of url, key, concurrency, timeout and patience. It decides no
            score, and is no part of the fingerprint.
        variant: tells apart what is served under one name: a revision, a quantisation.
        request: added to the body of every request.
        rubric: what is asked; ``{}`` stands for the prompt.
        answer: what a model answers to it, with ``{name}`` in the place of each axis's rating.
        axis: the name of one of them, or "mean".
        scale: the least and the greatest rating, each a digit.
        max_tokens: how many an answer may have.
        max_pixels: larger images are made smaller, bicubic, before they are sent.

    Raises:
        RewardError: an option is out of its range.
    """

    info: ClassVar[RewardInfo] = RewardInfo(
        summary="vlm_rating of a model behind an endpoint: vLLM, SGLang, a provider",
        score_range="that of `scale`: 1 … 5",
        paper="2503.05236",
        text_limit="the server's; what is longer is refused by it, and gets no score",
        verified="against vlm_rating, through a server that computes its answers with the same "
        "model, and against the requests of UnifiedReward's own client "
        "(tests/score/test_vlm_rating_endpoint.py)",
    )

    def __init__(
        self,
        *,
        model: str = "",
        endpoint: str | Mapping[str, Any] = ENDPOINT,
        variant: str | None = None,
        request: Mapping[str, Any] | None = None,
        rubric: str = RUBRIC,
        answer: str = ANSWER,
        axis: str = MEAN,
        scale: Sequence[int] = (1, 5),
        max_tokens: int | None = None,
        max_pixels: int = 1 << 20,
    ) -> None:
        check_template("vlm_rating_endpoint", "rubric", rubric, of_prompt=True)
        check_pixels("vlm_rating_endpoint", max_pixels)
        super().__init__("vlm_rating_endpoint", max_pixels)
        self._rubric = rubric
        self._rating = rating_template("vlm_rating_endpoint", answer, axis, scale, max_tokens)
        self._middle = sum(scale) / 2
        self.connect(model, endpoint, variant, request)

    def question(self, prompt: str, picture: SentImage) -> VlmQuestion:
        """The image, and after it the rubric, as ``vlm_rating`` has them."""
        return VlmQuestion((picture, self._rubric.format(prompt)), self._rating.tokens)

    def read(self, answer: VlmAnswer) -> float:
        """The expected rating.

        Raises:
            ValueError: a rating is missing.
        """
        return self._rating.score(answer)

    def affirms(self, answer: VlmAnswer) -> bool:
        """Whether an image is rated above the middle, where an axis is called alignment: of an
        image that shows nothing, other axes may well be praised."""
        return self._rating.expected(answer).get("alignment", self._middle) > self._middle
