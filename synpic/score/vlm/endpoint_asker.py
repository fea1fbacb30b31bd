"""What asks an endpoint: what rewards and comparers whose model answers there have in common."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from PIL.Image import Image

from synpic.score.vlm.questions import SentImage, VlmAnswer, VlmQuestion, refuse_likely_marks

if TYPE_CHECKING:  # `synpic list rewards` asks what this is, and should not wait for its client
    from synpic.score.vlm.asking import EndpointVlm

__all__ = ["ENDPOINT", "EndpointAsker"]

ENDPOINT = "$OPENAI_BASE_URL"
"""Where an endpoint is, if a recipe does not say."""


class EndpointAsker(ABC):
    """Nothing is computed here, so that it needs no device.

    What it says is not reproducible bit for bit: a server's batches move low bits. One question is
    asked before all others: it shows whether the endpoint answers.

    Args:
        name: of the reward or comparer, for messages.
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
    def read(self, answer: VlmAnswer) -> float:
        """The number that an answer gives.

        Raises:
            ValueError: it gives none; it is the failure of what was asked about.
        """

    @abstractmethod
    def ask_first(self, vlm: EndpointVlm) -> None:
        """Ask the first question, and report an answer that makes the model doubtful."""

    def remember_in(self, folder: Path) -> None:
        """Keep answers below ``folder``, and use those that are there."""
        self._vlm.remember_in(folder)

    def pixels(self, image: Image) -> SentImage:
        """The image as it is sent."""
        return SentImage.of(image, self.max_pixels)

    def begin(
        self,
        prompts: Sequence[str],
        questions: Sequence[VlmQuestion],
        reads: Sequence[Callable[[VlmAnswer], object]] | None = None,
    ) -> None:
        """Have ``questions`` asked, one for each of ``prompts``, and do not wait.

        Before the first question is answered, nothing is asked.

        Args:
            reads: of each question what raises ValueError for an answer that is none; :meth:`read`
                if None.
        """
        if not self._proven:
            return
        for at, (prompt, question) in enumerate(zip(prompts, questions, strict=True)):
            with suppress(ValueError):  # It is found again when the answer is asked for.
                refuse_likely_marks(prompt)
                self._vlm.begin([question], None if reads is None else [reads[at]])

    def numbers(self, prompts: Sequence[str], questions: Sequence[VlmQuestion]) -> list[float]:
        """What :meth:`read` gives of the answers to ``questions``, one for each of ``prompts``.

        Raises:
            ValueError: one of them has none.
            RewardError: the endpoint answers nothing.
        """
        return [self.read(answer) for answer in self.answers(prompts, questions)]

    def answers(
        self,
        prompts: Sequence[str],
        questions: Sequence[VlmQuestion],
        reads: Sequence[Callable[[VlmAnswer], object]] | None = None,
    ) -> list[VlmAnswer]:
        """The answers to ``questions``, one for each of ``prompts``.

        Args:
            reads: as of :meth:`begin`.

        Raises:
            ValueError: one of them has none.
            RewardError: the endpoint answers nothing.
        """
        with self._proving:
            if not self._proven:
                self.ask_first(self._vlm)
                self._proven = True
        self.begin(prompts, questions, reads)  # all at once, whatever is wrong with one of them
        for prompt in prompts:
            refuse_likely_marks(prompt)
        return self._vlm.answers(questions, reads)

    def close(self) -> None:
        """Ask nothing that is not under way; wait for what is, and keep it."""
        self._vlm.close()
