"""A reward whose model answers behind an endpoint: what all of these have in common."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from PIL.Image import Image

from synpic.score.two_stage import TwoStageReward
from synpic.score.vlm.canary import NOT_THERE, grey_image, report_affirmation
from synpic.score.vlm.questions import SentImage, VlmAnswer, VlmQuestion, refuse_likely_marks

if TYPE_CHECKING:  # `synpic list rewards` asks what this is, and should not wait for its client
    from synpic.score.vlm.asking import EndpointVlm

__all__ = ["ENDPOINT", "EndpointReward"]

ENDPOINT = "$OPENAI_BASE_URL"
"""Where an endpoint is, if a recipe does not say."""


class EndpointReward(TwoStageReward):
    """A reward that asks an endpoint. Nothing is computed here, so that it needs no device.

    Scores are not reproducible bit for bit: a server's batches move low bits. The first question
    is asked about a grey image that shows nothing, before any other: it shows whether the endpoint
    answers, and a model that affirms it is reported.

    Args:
        name: of the reward, for messages.
        max_pixels: larger images are made smaller, bicubic, before they are sent.
    """

    asks_endpoint: ClassVar[bool] = True

    def __init__(self, name: str, max_pixels: int) -> None:
        self._name, self.max_pixels = name, max_pixels
        self.preprocessing: Hashable = ("png", max_pixels)
        self._vlm: EndpointVlm
        self._proving = threading.Lock()
        self._proven = False

    def connect(
        self,
        model: str,
        endpoint: str | Mapping[str, Any],
        variant: str | None,
        request: Mapping[str, Any] | None,
    ) -> None:
        """Make ready to ask; nothing is sent.

        Raises:
            RewardError: an option is out of its range.
        """
        from synpic.score.vlm.asking import EndpointVlm

        self._vlm = EndpointVlm(
            self._name, model, endpoint, variant=variant, request=request, read=self.read
        )

    @property
    def model(self) -> str:
        """As the server names it."""
        return self._vlm.model

    @abstractmethod
    def question(self, prompt: str, picture: SentImage) -> VlmQuestion:
        """What is asked about one image."""

    @abstractmethod
    def read(self, answer: VlmAnswer) -> float:
        """The score that an answer gives.

        Raises:
            ValueError: it gives none; it is the failure of its image.
        """

    @abstractmethod
    def affirms(self, answer: VlmAnswer) -> bool:
        """Whether ``answer``, which gives a score, says that an image shows its prompt."""

    def remember_in(self, folder: Path) -> None:
        """Keep answers below ``folder``, and use those that are there."""
        self._vlm.remember_in(folder)

    def pixels(self, image: Image) -> SentImage:
        """The image as it is sent."""
        return SentImage.of(image, self.max_pixels)

    def side_by_side(self, pixels: Sequence[Any]) -> Sequence[Any]:
        """Images of any sizes."""
        return list(pixels)

    def ahead(self, prompts: Sequence[str], pixels: Any) -> None:
        """Begin to ask about the next images, while those before them are waited for."""
        if self._proven:
            self._vlm.begin(
                [
                    self.question(prompt, picture)
                    for prompt, picture in zip(prompts, pixels, strict=True)
                    if not _holds_marks(prompt)
                ]
            )

    def judge(self, prompts: Sequence[str], pixels: Any) -> list[float]:
        """Scores of n prompts and n images.

        Raises:
            ValueError: one of them has none.
            RewardError: the endpoint answers nothing.
        """
        self._prove()
        self.ahead(prompts, pixels)  # all at once, whatever is wrong with one of them
        for prompt in prompts:
            refuse_likely_marks(prompt)
        pairs = zip(prompts, pixels, strict=True)
        answers = self._vlm.answers([self.question(*pair) for pair in pairs])
        return [self.read(answer) for answer in answers]

    def close(self) -> None:
        """Ask nothing that is not under way; wait for what is, and keep it."""
        self._vlm.close()

    def _prove(self) -> None:
        with self._proving:
            if self._proven:
                return
            question = self.question(NOT_THERE, self.pixels(grey_image()))
            if self.affirms(self._vlm.prove(question)):
                report_affirmation(self._name, self.model)
            self._proven = True


def _holds_marks(prompt: str) -> bool:
    try:
        refuse_likely_marks(prompt)
    except ValueError:
        return True
    return False
