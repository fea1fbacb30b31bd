"""A comparer: a function (prompt, image a, image b) → probability that a is the better one.

Two shapes are accepted. A class gets batches; a plain function gets one prompt and two images:

    def brighter(prompt: str, a: Image, b: Image) -> float:
        return float(np.mean(a) > np.mean(b))

Either is named in a recipe as ``comparer = "package.module:brighter"``. It is asked about each pair
twice, with the images in both orders, and the mean counts (:mod:`synpic.score.comparing_task`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, cast, runtime_checkable

from PIL.Image import Image

from synpic import ids
from synpic.hub.lock import Lock
from synpic.recipe import RewardSettings
from synpic.registry import COMPARERS
from synpic.score.kinds import Kind
from synpic.score.option_files import with_files
from synpic.score.reward import RewardInfo, WantedReward, opened, registered_reward, resolved
from synpic.workspace import Workspace

__all__ = [
    "COMPARER",
    "Comparer",
    "PreparedComparer",
    "WantedComparer",
    "open_comparer",
    "resolve_comparer",
]


@runtime_checkable
class Comparer(Protocol):
    """What compares batches. What it says of one pair does not depend on the others of its batch.

    The constructor takes what that of a :class:`synpic.score.reward.Reward` takes.
    """

    info: ClassVar[RewardInfo]

    def compare(
        self, prompts: Sequence[str], first: Sequence[Image], second: Sequence[Image]
    ) -> Sequence[float]:
        """For each of n prompts, the probability, 0 … 1, that the first of two RGB images is better
        than the second."""
        ...


class PreparedComparer(ABC):
    """A comparer in two steps: images made ready on the CPU, each once, then compared.

    Attributes:
        preprocessing: equal for two comparers or rewards if, and only if, their :meth:`pixels` give
            equal results for every image.
    """

    info: ClassVar[RewardInfo]
    preprocessing: Hashable

    @abstractmethod
    def pixels(self, image: Image) -> Any:
        """An RGB image made ready. Called from several threads at once."""

    @abstractmethod
    def judge(
        self, prompts: Sequence[str], first: Sequence[Any], second: Sequence[Any]
    ) -> list[float]:
        """:meth:`compare` of what :meth:`pixels` gave."""

    def ahead(  # noqa: B027 - a hook
        self, prompts: Sequence[str], first: Sequence[Any], second: Sequence[Any]
    ) -> None:
        """Learn what :meth:`judge` will be asked next. Called in another thread, while it is at
        work.

        For a comparer that waits for others: it may begin to ask them.
        """

    def close(self) -> None:  # noqa: B027 - a hook
        """Let go of what the comparer holds besides memory; called once, at the end."""

    def compare(
        self, prompts: Sequence[str], first: Sequence[Image], second: Sequence[Image]
    ) -> list[float]:
        """As :class:`Comparer` has it."""
        ready = [self.pixels(image) for image in (*first, *second)]
        return self.judge(prompts, ready[: len(first)], ready[len(first) :])


class _OnePairAtATime:
    """A plain function of one prompt and two images, given batches."""

    info: ClassVar[RewardInfo] = RewardInfo(summary="a plain function")

    def __init__(self, function: Callable[..., float], options: dict[str, Any]) -> None:
        self._function, self._options = function, options

    def compare(
        self, prompts: Sequence[str], first: Sequence[Image], second: Sequence[Image]
    ) -> list[float]:
        asked = zip(prompts, first, second, strict=True)
        return [float(self._function(*one, **self._options)) for one in asked]


COMPARER = Kind(COMPARERS, ("compare",), ("a prompt", "an image", "another"), _OnePairAtATime)


@dataclass(frozen=True)
class WantedComparer(WantedReward):
    """A comparer of a recipe, resolved as far as needed to know what its comparisons are called."""

    settings: RewardSettings

    @property
    def fingerprint_inputs(self) -> dict[str, Any]:
        """Everything that decides what it says of one pair, and nothing else."""
        inputs = super().fingerprint_inputs
        return {"comparer": inputs.pop("reward"), **inputs}

    @property
    def folder(self) -> str:
        """Where its comparisons lie in a workspace."""
        return f"comparisons/{self.name}-{ids.short(self.fingerprint)}"


def resolve_comparer(name: str, settings: RewardSettings, lock: Lock) -> WantedComparer:
    """The comparer that a recipe calls ``name``, with its checkpoint resolved.

    Raises:
        UnknownName: no registry knows it.
        RewardError: it is no comparer, or an option it does not take.
        CheckpointError: its checkpoint cannot be resolved.
    """
    settings = with_files(name, settings, lock.folder)
    thing = registered_reward(name, settings, lock.folder, COMPARER)
    found = resolved(name, thing, settings, lock, COMPARER)
    return WantedComparer(name, str(settings.comparer), settings, **found)


def open_comparer(wanted: WantedComparer, workspace: Workspace, device: str) -> Comparer:
    """Load ``wanted`` onto ``device``.

    Raises:
        RewardError: it cannot be opened; the message says why.
    """
    return cast(Comparer, opened(wanted, workspace, device, COMPARER))
