"""A plan: for each model and reward what is wanted, what is left, and how fast it goes; sums."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from synpic.engine.progress import label
from synpic.errors import SynpicError
from synpic.pipeline.costs.arithmetic import Cost, cost_of
from synpic.pipeline.costs.calibration import Timing

__all__ = ["CostItem", "CostPlan", "Which"]

Which = Literal["whole", "left"]

PAIRS = {"best-worst": 0, "best-rest": 1, "adjacent": 1, "all": 2, "random": 0, "own": 1}
"""The power of k with which a strategy's number of pairs grows; of pairs that came with labels, a
guess."""


_COUNTED = {"score": "scores", "compare": "pairs", "judge": "verdicts"}
"""Of each stage, what is counted: images, where nothing is written here."""


@dataclass(frozen=True)
class CostItem:
    """One model at one size, the images of a source, one reward, one comparer or one judge.

    Args:
        stage: "generate", "ingest", "score", "compare" or "judge".
        size: of the images, as "1280x768"; None where the pipeline chooses, of ingested images, and
            of a reward.
        batch_size: images at once, as the recipe has it; None of ingested images.
        wanted: images in all; of a comparer pairs, each of which is two questions.
        left: of those, neither made nor failed for good.
        work: images that a run would make: a batch with anything missing is drawn whole.
        bytes_per_image: encoded: the mean of those in the workspace, else of what was drawn for
            timing, else a guess; None of a reward.
        timing: what calibration measured; None without it.
        problem: why it could not be opened, or it made nothing.
        mean_of: ``bytes_per_image`` is the mean of this number of images; 0 where the workspace has
            none of them.
    """

    stage: str
    name: str
    size: str | None
    batch_size: int | None
    wanted: int
    left: int
    work: int
    bytes_per_image: float | None = None
    timing: Timing | None = None
    problem: SynpicError | None = None
    mean_of: int = 0

    @property
    def label(self) -> str:
        """What people call it."""
        return label(self.name, self.size)

    def cost(self, which: Which, devices: int, rate: float | None, pace: str = "mean") -> Cost:
        """Of all that is wanted, or of what is left, at the mean, fastest or slowest pace."""
        if self.timing is None:
            return cost_of(0, 0.0, devices, rate)
        seconds = {
            "mean": self.timing.seconds_per_image,
            "fastest": self.timing.fastest,
            "slowest": self.timing.slowest,
        }[pace]
        images, batches = self._images(which), self.batches(which)
        return cost_of(images, seconds, devices, rate, self.timing.opening, batches)

    def batches(self, which: Which) -> int:
        """Into which that is cut; 0 where it was not timed."""
        if self.timing is None:
            return 0
        size = self.batch_size or self.timing.batches[0][0]
        return math.ceil(self._images(which) / size)

    def _images(self, which: Which) -> int:
        return self.wanted if which == "whole" else self.work

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        timing, problem = self.timing, self.problem
        return {
            **vars(self),
            "timing": timing and {**vars(timing), "images_per_second": timing.images_per_second},
            "problem": problem and {"message": problem.message, "hint": problem.hint},
        }


@dataclass(frozen=True)
class CostPlan:
    """What a workspace will cost.

    Args:
        prompts: distinct ones.
        device: what it was timed on, as its maker calls it; None if nothing was to be timed.
        devices: how many of them `synpic generate` would take here.
        items: models, rewards, comparers, then judges, in the recipe's order.
        configs, pairs: which tables are published, and how pairs are chosen.
    """

    prompts: int
    device: str | None
    items: Sequence[CostItem]
    configs: Sequence[str] = ()
    pairs: str = "best-worst"
    devices: int = 1
    notes: list[str] = field(default_factory=list)

    @property
    def problems(self) -> list[tuple[str, SynpicError]]:
        """What could not be opened, or gave nothing: labels and reasons."""
        return [(item.label, item.problem) for item in self.items if item.problem]

    @property
    def untimed(self) -> list[str]:
        """Labels of what no sum of costs includes."""
        return [item.label for item in self.items if item.timing is None]

    def images(self, which: Which = "whole") -> int:
        """To be drawn or ingested, in all or still."""
        return self._count("images", which)

    def scores(self, which: Which = "whole") -> int:
        """To be given, in all or still."""
        return self._count("scores", which)

    def verdicts(self, which: Which = "whole") -> int:
        """To be given, in all or still."""
        return self._count("verdicts", which)

    def questions(self, which: Which = "whole") -> int:
        """To be asked of comparers, in all or still: two for each pair."""
        return 2 * self._count("pairs", which)

    def image_bytes(self, which: Which = "whole") -> int:
        """On the disk, of images alone: prompts and scores are a few hundred bytes a row."""
        return round(
            sum(
                (item.wanted if which == "whole" else item.left) * item.bytes_per_image
                for item in self.items
                if item.bytes_per_image
            )
        )

    def published_bytes(self) -> int:
        """Of all tables that hold pixels, at most: tied images make no pair."""
        images = self.images()
        if not images or not self.prompts:
            return 0
        k = images / self.prompts
        pairs = {0: 1.0, 1: k - 1, 2: k * (k - 1) / 2}[PAIRS[self.pairs]] * self.prompts
        copies = {"ranked": images, "images": images, "pairwise": 2 * pairs, "pickapic": 2 * pairs}
        held = sum(copies.get(config, 0.0) for config in self.configs)
        return round(max(0.0, held) * self.image_bytes() / images)

    def cost(
        self,
        which: Which = "whole",
        stage: str | None = None,
        devices: int | None = None,
        rate: float | None = None,
        pace: str = "mean",
    ) -> Cost:
        """The sum over what was timed.

        One device works on one model at a time, so a stage takes its sum divided by the devices
        (by its batches, if these are fewer), and no less than any of its models or rewards alone.

        Args:
            which: all that is wanted, or what is left of it.
            stage: "generate", "ingest" or "score" alone; all of them if None.
            devices: equal ones, each of which opens every model and reward; :attr:`devices` if
                None.
            rate: dollars for an hour of one device.
            pace: that of the "fastest" or "slowest" batch, instead of the "mean".
        """
        devices = devices or self.devices
        total = cost_of(0, 0.0, devices, rate)
        for name in dict.fromkeys(item.stage for item in self.items):
            if stage in (None, name):
                total += self._stage_cost(name, which, devices, rate, pace)
        return total

    def as_dict(self, devices: int | None = None, rate: float | None = None) -> dict[str, Any]:
        """For JSON."""
        devices = devices or self.devices
        whiches: tuple[Which, Which] = ("whole", "left")
        return {
            "prompts": self.prompts,
            "device": self.device,
            "devices": devices,
            "dollars_per_device_hour": rate,
            "items": [item.as_dict() for item in self.items],
            **{
                which: {
                    "images": self.images(which),
                    "scores": self.scores(which),
                    "questions": self.questions(which),
                    "verdicts": self.verdicts(which),
                    "image_bytes": self.image_bytes(which),
                    **{
                        pace: self.cost(which, None, devices, rate, pace).as_dict()
                        for pace in ("mean", "fastest", "slowest")
                    },
                }
                for which in whiches
            },
            "published_bytes": self.published_bytes(),
            "untimed": self.untimed,
            "notes": self.notes,
        }

    def _stage_cost(
        self, stage: str, which: Which, devices: int, rate: float | None, pace: str
    ) -> Cost:
        items = [item for item in self.items if item.stage == stage]
        costs = [item.cost(which, devices, rate, pace) for item in items]
        total = sum(costs, cost_of(0, 0.0, devices, rate))
        at_work = max(1, min(devices, sum(item.batches(which) for item in items)))
        longest = max(cost.wall_seconds for cost in costs)
        return replace(total, wall_seconds=max(total.device_seconds / at_work, longest))

    def _count(self, what: str, which: Which) -> int:
        return sum(
            item.wanted if which == "whole" else item.left
            for item in self.items
            if _COUNTED.get(item.stage, "images") == what
        )
