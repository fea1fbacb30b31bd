"""A judge as a reward: how much of what a prompt asks for an image shows.

A reward sees a prompt and an image; a judge sees what a suite knows beside the prompt too. An
:class:`AskedPrompt` carries that: a text to every reward, and more to those here.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, Self

from PIL.Image import Image

from synpic.errors import EvaluationError, RewardError, SynpicError
from synpic.recipe import RewardSettings
from synpic.score.judges.judge import Judge, Requirement
from synpic.score.reward import registered_reward
from synpic.score.two_stage import TwoStageReward

__all__ = ["AskedPrompt", "FormScore", "JudgedReward", "asked_of", "reads_suite"]


class AskedPrompt(str):
    """A prompt that knows what it asks for.

    Args:
        metadata: a row of GenEval's list (``tag``, ``include``, ``exclude``); or ``tag`` and the
            keys of a suite's ``spec``.
    """

    metadata: Mapping[str, Any]

    def __new__(cls, prompt: str, metadata: Mapping[str, Any]) -> Self:
        """The text, with what it asks for."""
        made = super().__new__(cls, prompt)
        made.metadata = metadata
        return made


class FormScore(float):
    """A score with the other forms of it.

    Args:
        parts: form → value.
    """

    parts: Mapping[str, float]

    def __new__(cls, value: float, parts: Mapping[str, float]) -> Self:
        """The value, with the others."""
        made = super().__new__(cls, value)
        made.parts = parts
        return made


class JudgedReward(TwoStageReward):
    """A judge, as a reward that gives one form of its verdict.

    A prompt that is no :class:`AskedPrompt` asks for nothing that is known, and has no score.

    Args:
        judge: opened; closed with the reward.
        form: one of its ``forms_given``.

    Raises:
        RewardError: it has no such form.
    """

    reads_suite: ClassVar[bool] = True

    def __init__(self, judge: Judge, form: str) -> None:
        if form not in judge.forms_given:
            raise RewardError(
                f"it has no form {form!r}", hint=f"forms: {', '.join(judge.forms_given)}"
            )
        self.opened_judge, self._form = judge, form
        self.preprocessing: Hashable = judge.preprocessing

    def pixels(self, image: Image) -> Any:
        """An RGB image as the judge takes it."""
        return self.opened_judge.pixels(image)

    def side_by_side(self, pixels: Sequence[Any]) -> Any:
        """A list: a judge lays them side by side itself."""
        return list(pixels)

    def judge(self, prompts: Sequence[str], pixels: Any) -> list[float]:
        """The form of n verdicts, each with the other forms as its ``parts``.

        Raises:
            ValueError: a prompt does not say what it asks for, or the judge cannot look for it.
        """
        asked = [self.requirement(prompt) for prompt in prompts]
        return [FormScore(one[self._form], one) for one in self.opened_judge.forms(asked, pixels)]

    def score(self, prompts: Sequence[str], images: Sequence[Image]) -> list[float]:
        """The same, of RGB images."""
        return self.judge(prompts, [self.pixels(image) for image in images])

    def requirement(self, prompt: str) -> Requirement:
        """What is asked of a prompt's images.

        Raises:
            ValueError: it is not known, or cannot be looked for.
        """
        requirement = asked_of(prompt)
        try:
            self.opened_judge.check(requirement)
        except EvaluationError as error:
            raise ValueError(f"{error.message} ({error.hint})") from error
        return requirement

    def close(self) -> None:
        """Let go of what the judge holds."""
        self.opened_judge.close()


def asked_of(prompt: str) -> Requirement:
    """What a prompt asks for, as a judge takes it.

    Raises:
        ValueError: nothing but its text is known.
    """
    metadata = dict(prompt.metadata) if isinstance(prompt, AskedPrompt) else {}
    if not metadata:
        raise ValueError(
            "what the prompt asks for is not known: a judge wants metadata, such as "
            '{"tag": "counting", "include": [{"class": "dog", "count": 2}]}'
        )
    tag = metadata.pop("tag", "")
    metadata.pop("prompt", None)
    if "include" in metadata or "exclude" in metadata:
        objects = {key: metadata.pop(key) for key in ("include", "exclude") if key in metadata}
        metadata["objects"] = objects
    return Requirement(str(prompt), str(tag), metadata)


def reads_suite(rewards: Mapping[str, RewardSettings], beside: Path) -> bool:
    """Whether one of ``rewards`` reads what a suite asks; what is not found does not."""
    for name, settings in rewards.items():
        with suppress(SynpicError):
            if getattr(registered_reward(name, settings, beside), "reads_suite", False):
                return True
    return False
