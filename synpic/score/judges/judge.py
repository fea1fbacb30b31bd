"""A judge: a function (what a prompt asks for, image) → verdict.

A verdict is absolute: right or not, or how much of it is right. It says something of one model
alone, where the scores of a reward mean something only beside others of the same prompt.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from PIL.Image import Image

from synpic.score.judges.verdict import Verdict
from synpic.score.reward import RewardInfo

__all__ = ["Judge", "Requirement"]


@dataclass(frozen=True)
class Requirement:
    """What an image is asked to show.

    Args:
        prompt: the text that it was drawn for.
        tag: the group of the suite's items that it belongs to: "counting", say; "" without groups.
        spec: what a suite knows beside the prompt, as JSON has it: ``objects``, ``questions``,
            ``phrases``; empty where the prompt says it all.
    """

    prompt: str
    tag: str = ""
    spec: Mapping[str, Any] = field(default_factory=dict)


class Judge(ABC):
    """What judges batches, in two steps: an image is made ready on the CPU, then judged.

    The constructor takes what that of a :class:`synpic.score.reward.Reward` takes. The verdict on
    one image does not depend on the others of its batch.

    Attributes:
        preprocessing: equal for two judges or rewards if, and only if, their :meth:`pixels` give
            equal results for every image.
        beside: ids of parts of its verdicts that evaluations show as numbers of their own.
        any_model: whether any model can answer in it: then evaluations name the model beside the
            suite, since numbers of two models are not comparable.
        forms_given: what :meth:`forms` gives.
        form_range: of these.
    """

    info: ClassVar[RewardInfo]
    beside: ClassVar[tuple[str, ...]] = ()
    any_model: ClassVar[bool] = False
    forms_given: ClassVar[tuple[str, ...]] = ("graded", "strict")
    form_range: ClassVar[str] = "0 … 1"
    preprocessing: Hashable

    @staticmethod
    def check(requirement: Requirement) -> None:
        """Refuse what cannot be judged; called of every item before the judge is opened.

        Raises:
            EvaluationError: what is missing or wrong; the caller names the item.
        """
        del requirement

    @abstractmethod
    def pixels(self, image: Image) -> Any:
        """An RGB image made ready. Called from several threads at once."""

    @abstractmethod
    def judge(self, requirements: Sequence[Requirement], pixels: Sequence[Any]) -> list[Verdict]:
        """The verdicts on n images that :meth:`pixels` made ready.

        Raises:
            ValueError: an image cannot be judged. It becomes a failure row with the message.
        """

    def forms(
        self, requirements: Sequence[Requirement], pixels: Sequence[Any]
    ) -> list[dict[str, float]]:
        """What n verdicts are as rewards: ``graded``, the score, else the share of parts that are
        right, else as ``strict``; and ``strict``, 1 where all is correct, else 0.

        Raises:
            ValueError: as :meth:`judge`.
        """
        return [_forms(one) for one in self.judge(requirements, pixels)]

    @abstractmethod
    def canary(self) -> Requirement | None:
        """What a plain grey image does not show: a judge that says it does judges nothing.

        None where that is not known: of a plain function.
        """

    def ahead(  # noqa: B027 - a hook
        self, requirements: Sequence[Requirement], pixels: Sequence[Any]
    ) -> None:
        """Learn what :meth:`judge` will be asked next. Called in another thread, while it is at
        work.

        For a judge that waits for others: it may begin to ask them.
        """

    def close(self) -> None:  # noqa: B027 - a hook
        """Let go of what the judge holds besides memory; called once, at the end."""


def _forms(verdict: Verdict) -> dict[str, float]:
    strict = float(verdict.score == 1 if verdict.correct is None else verdict.correct)
    graded = verdict.score
    if graded is None and verdict.parts:
        graded = sum(part.correct for part in verdict.parts) / len(verdict.parts)
    return {"graded": strict if graded is None else graded, "strict": strict}
