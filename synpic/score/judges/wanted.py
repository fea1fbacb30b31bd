"""Judges of a recipe: resolved, and opened.

Two shapes are accepted. A subclass of :class:`synpic.score.judges.judge.Judge` gets batches; a
plain function gets what is asked and one image, and gives a truth value or a whole verdict:

    def is_dark(asked: Requirement, image: Image) -> bool:
        return float(np.mean(image)) < 64

Either is named in a recipe as ``judge = "package.module:is_dark"``.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import numpy as np
from PIL.Image import Image

from synpic import ids
from synpic.errors import RewardError
from synpic.hub.lock import Lock
from synpic.recipe import JudgeSettings
from synpic.registry import JUDGES
from synpic.score.judges.judge import Judge, Requirement
from synpic.score.judges.verdict import Verdict
from synpic.score.kinds import Kind
from synpic.score.option_files import with_files
from synpic.score.prefetch import WHOLE_IMAGE
from synpic.score.reward import RewardInfo, WantedReward, opened, registered_reward, resolved
from synpic.workspace import Workspace
from synpic.workspace.suite import NO_SUITE, SuiteItems

__all__ = ["JUDGE", "WantedJudge", "open_judge", "require_judge_openable", "resolve_judge"]


class _OneImageAtATime(Judge):
    """A plain function of a requirement and an image, given batches."""

    info: ClassVar[RewardInfo] = RewardInfo(summary="a plain function")
    preprocessing: Hashable = WHOLE_IMAGE

    def __init__(self, function: Callable[..., Any], options: dict[str, Any]) -> None:
        self._function, self._options = function, options

    def pixels(self, image: Image) -> Image:
        """The image as it is."""
        return image

    def judge(self, requirements: Sequence[Requirement], pixels: Sequence[Any]) -> list[Verdict]:
        """What the function says of each."""
        # One each: what is drawn on it is not seen by others that are given this image.
        asked = zip(requirements, pixels, strict=True)
        return [_verdict(self._function(r, p.copy(), **self._options)) for r, p in asked]

    def canary(self) -> Requirement | None:
        """None: what it does not affirm is not known."""
        return None


def _verdict(said: Any) -> Verdict:
    if isinstance(said, bool | np.bool_):
        return Verdict(bool(said), None, (), "" if said else "not what was asked for")
    if not isinstance(said, Verdict):
        raise RewardError(
            f"a judge gave a {type(said).__name__}, expected True, False or a Verdict",
            hint="a function of (requirement, image) returns one of these for each image",
        )
    return said


JUDGE = Kind(JUDGES, ("judge", "canary"), ("a requirement", "an image"), _OneImageAtATime, "judges")


@dataclass(frozen=True)
class WantedJudge(WantedReward):
    """A judge of a recipe, resolved as far as needed to know what its verdicts are called.

    Args:
        beside, any_model: as :class:`Judge` has them.
    """

    beside: tuple[str, ...] = ()
    any_model: bool = False

    @property
    def model(self) -> str | None:
        """The model that answers, where that may be any; None of other judges."""
        if not self.any_model:
            return None
        own = self.checkpoint.source if self.checkpoint else self.registered
        return str(self.settings.options.get("model") or own)

    @property
    def fingerprint_inputs(self) -> dict[str, Any]:
        """Everything that decides its verdict on one image, and nothing else."""
        inputs = super().fingerprint_inputs
        return {"judge": inputs.pop("reward"), **inputs}

    @property
    def folder(self) -> str:
        """Where its verdicts lie in a workspace."""
        return f"verdicts/{self.name}-{ids.short(self.fingerprint)}"


def resolve_judge(
    name: str, settings: JudgeSettings, lock: Lock, suite: SuiteItems = NO_SUITE
) -> WantedJudge:
    """The judge that a recipe calls ``name``, with its checkpoint resolved.

    Args:
        suite: whose items it judges.

    Raises:
        UnknownName: no registry knows it.
        RewardError: it is no judge, or an option it does not take.
        CheckpointError: its checkpoint cannot be resolved.
    """
    settings = with_files(name, settings, lock.folder)
    thing = registered_reward(name, settings, lock.folder, JUDGE)
    found = resolved(name, thing, settings, lock, JUDGE)
    return WantedJudge(
        name,
        settings.code or name,
        settings,
        **found,
        suite=suite.identity,
        beside=getattr(thing, "beside", ()),
        any_model=getattr(thing, "any_model", False),
    )


def open_judge(wanted: WantedJudge, workspace: Workspace, device: str) -> Judge:
    """Load ``wanted`` onto ``device``.

    Raises:
        RewardError: it cannot be opened; the message says why.
    """
    return cast(Judge, opened(wanted, workspace, device, JUDGE))


def require_judge_openable(wanted: WantedJudge, workspace: Workspace) -> None:
    """See that a judge can be opened, as far as that is known without its weights.

    Raises:
        RewardError, MissingExtra: what it reads is not installed, or its options cannot be
            followed by one that asks an endpoint.
    """
    assert isinstance(wanted.settings, JudgeSettings)
    thing = registered_reward(wanted.name, wanted.settings, workspace.folder, JUDGE)
    getattr(thing, "check_installed", lambda: None)()
    if wanted.asks_endpoint:
        open_judge(wanted, workspace, "cpu").close()  # it sends nothing
