"""Which rewards a server has: those that were named, or those of a workspace's recipe."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from synpic.engine.device import pick_device
from synpic.errors import HubUnreachable, RewardError, SynpicError, did_you_mean
from synpic.hub.lock import LockEntry
from synpic.recipe import RewardSettings
from synpic.score.judged import reads_suite
from synpic.score.lock_environments import lock_environments
from synpic.score.reward import Reward, WantedReward, open_reward, registered_reward, resolve_reward
from synpic.score.unlocked import open_unlocked
from synpic.score.wires.synpic import RewardDescription
from synpic.serve.served import ServedReward
from synpic.workspace import Snapshot
from synpic.workspace.suite import read_suite

__all__ = ["WantedService", "named_rewards", "parsed_scales", "rewards_of_recipe"]


@dataclass(frozen=True)
class WantedService:
    """Rewards that are resolved and not opened yet.

    Args:
        rewards: name → what it is; without a commit where the Hub could not be asked for it.
        settings: name → what to open.
        snapshot: of the workspace whose rewards they are, if any.
    """

    rewards: Mapping[str, WantedReward | None]
    settings: Mapping[str, RewardSettings]
    snapshot: Snapshot | None = None

    def described(self, scales: Mapping[str, float]) -> dict[str, RewardDescription]:
        """What callers are shown of each.

        Args:
            scales: name → what its scores are divided by; 1 where none is given.

        Raises:
            RewardError: a scale of a reward that is not there, or that is not above 0.
        """
        for name, scale in scales.items():
            if name not in self.rewards:
                raise RewardError(
                    f"--scale {name}: no such reward is served.{did_you_mean(name, self.rewards)}",
                    hint=f"served: {', '.join(self.rewards)}",
                )
            if not 0 < scale < float("inf"):
                raise RewardError(
                    f"--scale {name}={scale:g}: a scale is above 0",
                    hint="every score is divided by it",
                )
        return {name: self._described(name, scales.get(name, 1.0)) for name in self.rewards}

    def open(
        self, descriptions: Mapping[str, RewardDescription], device: str, batch_size: int | None
    ) -> dict[str, ServedReward]:
        """All of them, with their weights.

        Args:
            batch_size: images at a time; as the recipe says, or 32, if None.

        Raises:
            SynpicError: one cannot be opened; the message says why.
        """
        pick_device(device)
        return {
            name: ServedReward(
                self._opened(name, device),
                descriptions[name],
                batch_size or self.settings[name].batch_size,
            )
            for name in self.rewards
        }

    def _described(self, name: str, scale: float) -> RewardDescription:
        wanted, settings = self.rewards[name], self.settings[name]
        info = wanted.info if wanted else registered_reward(name, settings).info  # type: ignore[attr-defined]
        weights = settings.checkpoint or (info.checkpoint if info else None)
        return RewardDescription(
            reward=settings.code or name,
            version=str(info.version) if info else None,
            fingerprint=wanted.fingerprint if wanted else None,
            scale=scale,
            reads_prompt=info.reads_prompt if info else True,
            score_range=info.score_range if info else None,
            checkpoint=weights,
            licence=info.licence if info else None,
        )

    def _opened(self, name: str, device: str) -> Reward:
        wanted, settings = self.rewards[name], self.settings[name]
        if self.snapshot is not None and wanted is not None:
            return open_reward(wanted, self.snapshot.workspace, device)
        if wanted is not None:
            settings = _pinned(settings, wanted)
        opened: Reward = open_unlocked(name, settings, device)
        return opened


def named_rewards(names: Iterable[str]) -> WantedService:
    """Registered rewards, or ``package.module:callable``, by name, with what they declare.

    Raises:
        UnknownName: nothing is called so.
        RewardError: it is no reward; or one is named twice.
        CheckpointError: its weights are not there.
    """
    rewards: dict[str, WantedReward | None] = {}
    settings: dict[str, RewardSettings] = {}
    lock = _Resolved()
    for name in names:
        if name in rewards:
            raise RewardError(f"--reward {name} is there twice", hint="name each reward once")
        settings[name] = RewardSettings(reward=name)
        lock_environments({name: settings[name]}, lock)
        try:
            rewards[name] = resolve_reward(name, settings[name], lock)
        except HubUnreachable:  # what is in its cache will do
            rewards[name] = None
    return WantedService(rewards, settings)


def rewards_of_recipe(snapshot: Snapshot) -> WantedService:
    """The rewards of a recipe that score images: no comparers, and no labels.

    Raises:
        RewardError: it has none; or as :func:`synpic.score.reward.resolve_reward`.
    """
    settings = {
        name: one
        for name, one in snapshot.recipe.rewards.items()
        if one.labels is None and one.comparer is None
    }
    if not settings:
        raise RewardError(
            "the recipe has no [rewards.NAME] that scores images",
            hint="add one, or name rewards: synpic serve --reward clip_score",
        )
    lock_environments(settings, snapshot.lock)
    asks = reads_suite(settings, snapshot.workspace.folder)
    suite = read_suite(snapshot.workspace).identity if asks else None
    rewards = {
        name: resolve_reward(name, one, snapshot.lock, suite) for name, one in settings.items()
    }
    return WantedService(rewards, settings, snapshot)


def _pinned(settings: RewardSettings, wanted: WantedReward) -> RewardSettings:
    """``settings`` with the commits that ``wanted`` was resolved to, so that these are opened."""
    companions = {
        name: f"{entry.source}@{entry.identity}"
        for name, entry in wanted.companions.items()
        if entry.kind == "model"
    }
    update: dict[str, object] = {"options": {**settings.options, **companions}}
    if wanted.checkpoint is not None and wanted.checkpoint.kind == "model":
        update["revision"] = wanted.checkpoint.identity
    return settings.model_copy(update=update)


class _Resolved:
    """What was resolved by this process; see :class:`synpic.hub.lock.Lock`."""

    def __init__(self) -> None:
        self._entries: dict[tuple[str, str, str | None], LockEntry] = {}

    @property
    def folder(self) -> Path:
        return Path()

    def get(self, kind: str, source: str, revision: str | None) -> LockEntry | None:
        return self._entries.get((kind, source, revision))

    def remember(self, entry: LockEntry) -> LockEntry:
        return self._entries.setdefault(entry.key, entry)


def parsed_scales(texts: Sequence[str]) -> dict[str, float]:
    """``NAME=NUMBER`` of the command line.

    Raises:
        SynpicError: one is not written so.
    """
    scales: dict[str, float] = {}
    for text in texts:
        name, equals, number = text.rpartition("=")
        try:
            scales[name] = float(number)
        except ValueError:
            equals = ""
        if not equals or not name:
            raise SynpicError(
                f"--scale {text}: expected NAME=NUMBER", hint="for example --scale pickscore=26"
            )
    return scales
