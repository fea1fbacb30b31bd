"""Rewards as classes of Flow-Factory.

    rewards:
      - name: hpsv2
        reward_model: synpic.serve.adapters.flow_factory.FlowFactoryReward
        reward: hpsv2            # or an address beside it: server_url: http://host:8080
        batch_size: 16

Flow-Factory finds out what a reward is by its base class. It is not imported here: when it makes a
reward, it is loaded already, and the class registers itself as a virtual subclass.

Source: ``src/flow_factory/rewards/abc.py``, ``loader.py``, ``registry.py`` and
``reward_processor.py`` of Flow-Factory at a0b2bc5.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from PIL import Image

from synpic.errors import RewardError
from synpic.rank.aggregations import AGGREGATIONS
from synpic.rank.weights import exact_weights
from synpic.serve.adapters.pictures import as_pictures
from synpic.serve.adapters.scoring import Scoring, scoring
from synpic.serve.group import rank_group

__all__ = ["FlowFactoryGroupPreference", "FlowFactoryReward", "FlowFactoryRewards"]

_THEIRS = "flow_factory.rewards.abc"


@dataclass
class FlowFactoryRewards:
    """What Flow-Factory reads of an answer: ``rewards``, n floats."""

    rewards: Any
    extra_info: dict[str, Any] = field(default_factory=dict)


class _Base:
    """What Flow-Factory expects of any of its rewards."""

    required_fields: ClassVar[tuple[str, ...]] = ("prompt", "image")
    use_tensor_inputs: ClassVar[bool] = False
    _kind: ClassVar[str]

    def __init__(self, config: Any, accelerator: Any) -> None:
        self.config, self.accelerator = config, accelerator
        self.device: Any = accelerator.device
        if _THEIRS in sys.modules:
            getattr(sys.modules[_THEIRS], self._kind).register(type(self))

    def to(self, device: Any) -> Any:
        """Rewards here stay where they were opened."""
        del device
        return self

    def _setting(self, name: str, default: Any = None) -> Any:
        return getattr(self.config, name, default)

    def _scoring(self, name: str | None, options: Mapping[str, Any] | None) -> Scoring:
        url, scale = self._setting("server_url"), self._setting("scale", 1.0)
        device = None if url is not None else str(self.device)
        return scoring(name, server_url=url, scale=scale, device=device, options=options)


class FlowFactoryReward(_Base):
    """A score for each image.

    Settings beside Flow-Factory's own: ``reward`` (a name), ``server_url`` (of a ``synpic serve``),
    ``scale``, ``options`` (the reward's own).
    """

    _kind = "PointwiseRewardModel"

    def __init__(self, config: Any, accelerator: Any) -> None:
        super().__init__(config, accelerator)
        self._reward = self._scoring(self._setting("reward"), self._setting("options"))

    def __call__(self, prompt: Sequence[str], image: Sequence[Image.Image]) -> FlowFactoryRewards:
        """Scores of n images, each for its prompt."""
        return FlowFactoryRewards(self._reward.score(list(prompt), as_pictures(image)))


class FlowFactoryGroupPreference(_Base):
    """φ of each image within its group, by several rewards: a reward without a scale.

    Settings beside Flow-Factory's own: ``rewards`` (names, or name → weight), ``server_url``,
    ``aggregation``, ``options`` (name → the reward's own).
    """

    _kind = "GroupwiseRewardModel"

    def __init__(self, config: Any, accelerator: Any) -> None:
        super().__init__(config, accelerator)
        named = self._setting("rewards") or {}
        weights = dict(named) if isinstance(named, Mapping) else dict.fromkeys(named, 1.0)
        if not weights:
            raise RewardError("no rewards are named", hint="name them: rewards: [hpsv2, pickscore]")
        options = self._setting("options") or {}
        aggregation = self._setting("aggregation", "win-rate")
        if aggregation not in AGGREGATIONS:
            raise RewardError(
                f"no aggregation is called {aggregation!r}", hint=f"{', '.join(AGGREGATIONS)}"
            )
        self._aggregation = AGGREGATIONS[aggregation]
        exact_weights(weights)  # refuses what is none, before weights of models are loaded
        self._weights = weights
        self._rewards = {name: self._scoring(name, options.get(name)) for name in weights}

    def __call__(self, prompt: Sequence[str], image: Sequence[Image.Image]) -> FlowFactoryRewards:
        """φ of k ≥ 2 images of one prompt."""
        prompts, pictures = list(prompt), as_pictures(image)
        if len(set(prompts)) != 1 or len(pictures) < 2:
            raise RewardError(
                f"a group has {len(set(prompts))} prompts and {len(pictures)} images",
                hint="φ compares images of one prompt: group_size is 2 or more",
            )
        scores = {name: one.score(prompts, pictures) for name, one in self._rewards.items()}
        ranked = rank_group(scores, self._weights, self._aggregation)
        return FlowFactoryRewards(ranked.preference)
