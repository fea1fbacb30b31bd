"""A judge as a reward: how much of what a prompt asks for an image shows.

A reward sees a prompt and an image; a judge sees what a suite knows beside the prompt too. An
:class:`AskedPrompt` carries that: a text to every reward, and more to those here.

In a recipe ``[rewards.mine] judge = "shapes"`` stands for the registered reward ``judged``, whose
options are the judge's own, ``judge`` and ``form``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

from PIL.Image import Image

from synpic.errors import EvaluationError, RewardError, SynpicError
from synpic.recipe import JudgeSettings, RewardSettings
from synpic.score.judges.judge import Judge, Requirement
from synpic.score.judges.wanted import JUDGE
from synpic.score.reward import RewardInfo, construct_reward, registered_reward
from synpic.score.two_stage import TwoStageReward

__all__ = ["AskedPrompt", "FormScore", "Judged", "JudgedReward", "asked_of", "reads_suite"]


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

    Of a prompt that is no :class:`AskedPrompt`, its text is all that it asks for: judges that look
    for more refuse it.

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
        asked = [self._requirement(prompt) for prompt in prompts]
        return [FormScore(one[self._form], one) for one in self.opened_judge.forms(asked, pixels)]

    def score(self, prompts: Sequence[str], images: Sequence[Image]) -> list[float]:
        """The same, of RGB images."""
        return self.judge(prompts, [self.pixels(image) for image in images])

    def ahead(self, prompts: Sequence[str], pixels: Any) -> None:
        """Have the judge learn what it will be asked next."""
        self.opened_judge.ahead([self._requirement(prompt) for prompt in prompts], pixels)

    def close(self) -> None:
        """Let go of what the judge holds."""
        self.opened_judge.close()

    def _requirement(self, prompt: str) -> Requirement:
        """What is asked of a prompt's images.

        Raises:
            ValueError: it is not known, or cannot be looked for.
        """
        requirement = asked_of(prompt)
        try:
            self.opened_judge.check(requirement)
        except EvaluationError as error:
            unknown = "" if requirement.spec else "what the prompt asks for is not known: "
            raise ValueError(f"{unknown}{error.message} ({error.hint})") from error
        return requirement


class Judged(JudgedReward):
    """Any judge, as a reward. Its other options, its weights and what it declares are the judge's.

    Args:
        judge: as it is registered, or ``package.module:callable``.
        form: "graded", the judge's score, else the share of the parts of its verdict that are
            right, else as "strict"; or "strict", 1 where all of it is right, else 0. A judge may
            have others (``forms_given``).

    Raises:
        RewardError: no judge is named, or it has no such form; or as the judge.
    """

    info: ClassVar[RewardInfo] = RewardInfo(
        summary="a judge of synpic eval: how much of what a prompt asks for is there",
        score_range="the judge's, mostly 0 … 1",
        text_limit="the judge's",
        verified="against the verdicts of the same judge (tests/score/test_judged.py)",
    )

    def __init__(self, judge: str = "", form: str = "graded") -> None:
        opened = construct_reward("judged", _judge_of("judged", judge, None), {}, JUDGE)
        super().__init__(opened, form)

    @classmethod
    def settled(
        cls, name: str, options: Mapping[str, Any], beside: Path | None
    ) -> type[JudgedReward]:
        """The class of the judge that ``options`` name.

        Args:
            name: the recipe's, for messages.
            beside: a folder in which modules of one's own are looked for too.

        Raises:
            UnknownName: no registry knows the judge.
            RewardError: none is named, or it is no judge.
        """
        registered = options.get("judge")
        return _class_of(name, str(registered or ""), _judge_of(name, registered, beside))


def _judge_of(name: str, registered: Any, beside: Path | None) -> Callable[..., Any]:
    if not isinstance(registered, str) or not registered:
        raise RewardError(
            f"rewards.{name}: no judge is named",
            hint='write judge = "shapes"; `synpic list judges` names them',
        )
    kind = replace(JUDGE, table="rewards")
    return registered_reward(name, JudgeSettings(judge=registered), beside, kind)


def _class_of(name: str, registered: str, code: Callable[..., Any]) -> type[JudgedReward]:
    """A reward that declares what a judge does, and takes its options."""
    own = dict(inspect.signature(code).parameters)
    own = own if inspect.isclass(code) else dict(list(own.items())[len(JUDGE.takes) :])
    ours = inspect.signature(Judged).parameters
    if both := own.keys() & ours.keys():
        raise RewardError(
            f"rewards.{name}: the judge {registered} has an option {min(both)}, which says here "
            "how it is a reward",
            hint="give its option another name",
        )

    def construct(self: Any, judge: str = "", form: str = "graded", **options: Any) -> None:
        del judge
        opened = construct_reward(name, code, options, JUDGE)
        JudgedReward.__init__(self, opened, form)
        if not hasattr(type(self), "info"):  # of a plain function
            self.info = opened.info

    options = [one.replace(kind=one.KEYWORD_ONLY) for one in (*own.values(), *ours.values())]
    members: dict[str, Any] = {
        "__init__": construct,
        "__signature__": inspect.Signature(options),
        "form_of_judge": registered,
        "function": code,
        "check": staticmethod(getattr(code, "check", Judge.check)),
    }
    for one in ("check_installed", "asks_endpoint", "remember_in"):
        if hasattr(code, one):
            members[one] = getattr(code, one)
    if "remember_in" in members:
        members["remember_in"] = lambda self, folder: self.opened_judge.remember_in(folder)
    if info := getattr(code, "info", None):
        scores = getattr(code, "form_range", Judge.form_range)
        members["info"] = replace(info, score_range=scores)
    return type("JudgedReward", (JudgedReward,), members)


def asked_of(prompt: str) -> Requirement:
    """What a prompt asks for, as a judge takes it.

    Returns:
        With an empty ``spec`` where nothing but its text is known.
    """
    metadata = dict(prompt.metadata) if isinstance(prompt, AskedPrompt) else {}
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
