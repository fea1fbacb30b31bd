"""A reward whose model answers behind an endpoint: what all of these have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from synpic.score.two_stage import TwoStageReward
from synpic.score.vlm.canary import NOT_THERE, grey_image, report_affirmation
from synpic.score.vlm.endpoint_asker import EndpointAsker
from synpic.score.vlm.questions import SentImage, VlmAnswer, VlmQuestion

if TYPE_CHECKING:  # `synpic list rewards` asks what this is, and should not wait for its client
    from synpic.score.vlm.asking import EndpointVlm

__all__ = ["EndpointReward"]


class EndpointReward(EndpointAsker, TwoStageReward):
    """A reward that asks an endpoint.

    The first question is about a grey image that shows nothing: a model that affirms it is
    reported.
    """

    @abstractmethod
    def question(self, prompt: str, picture: SentImage) -> VlmQuestion:
        """What is asked about one image."""

    @abstractmethod
    def affirms(self, answer: VlmAnswer) -> bool:
        """Whether ``answer``, which gives a score, says that an image shows its prompt."""

    def side_by_side(self, pixels: Sequence[Any]) -> Sequence[Any]:
        """Images of any sizes."""
        return list(pixels)

    def ahead(self, prompts: Sequence[str], pixels: Any) -> None:
        """Begin to ask about the next images, while those before them are waited for."""
        self.begin(prompts, self._questions(prompts, pixels))

    def judge(self, prompts: Sequence[str], pixels: Any) -> list[float]:
        """Scores of n prompts and n images.

        Raises:
            ValueError: one of them has none.
            RewardError: the endpoint answers nothing.
        """
        return self.numbers(prompts, self._questions(prompts, pixels))

    def ask_first(self, vlm: EndpointVlm) -> None:
        """Ask whether a grey image shows something."""
        if self.affirms(vlm.prove(self.question(NOT_THERE, self.pixels(grey_image())))):
            report_affirmation(self._name, self.model)

    def _questions(self, prompts: Sequence[str], pixels: Any) -> list[VlmQuestion]:
        return [self.question(*one) for one in zip(prompts, pixels, strict=True)]
