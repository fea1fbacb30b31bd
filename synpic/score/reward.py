"""A reward: a function (prompt, image) → float, higher is better, comparable within a prompt only.

Two shapes are accepted. A class gets batches; a plain function gets one prompt and one image:

    def redness(prompt: str, image: Image) -> float:
        return float(np.asarray(image)[..., 0].mean())

Either is named in a recipe as ``package.module:redness``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Protocol, cast, runtime_checkable

from PIL.Image import Image

from synpic import ids
from synpic.errors import RewardError
from synpic.hub import checkpoints
from synpic.hub.lock import Lock, LockEntry
from synpic.recipe import CodeSettings, RewardSettings
from synpic.registry import REWARDS
from synpic.registry.own_code import naming_own_errors
from synpic.score.environments import (
    environment_arguments,
    environment_source,
    module_hash,
    recorded_environment,
)
from synpic.score.kinds import Kind, settled
from synpic.score.option_files import with_files
from synpic.score.reward_info import Companion, RewardInfo
from synpic.score.spelling import spelled_out
from synpic.workspace import Snapshot, Workspace
from synpic.workspace.lock import RecipeLock

__all__ = [
    "ANSWERS",
    "REWARD",
    "Companion",
    "HeldToLock",
    "HoldsSomething",
    "RemembersAnswers",
    "Reward",
    "RewardInfo",
    "WantedReward",
    "companion_sources",
    "construct_reward",
    "open_reward",
    "opened",
    "registered_reward",
    "require_openable",
    "resolve_reward",
    "resolved",
]

ANSWERS = "answers"
"""The folder of a workspace in which answers of endpoints are kept."""

CHAT_COMPLETIONS = "chat completions"
"""How endpoints are asked; part of the fingerprint of what they answer."""


@runtime_checkable
class Reward(Protocol):
    """What scores batches. One image's score does not depend on the others of its batch.

    The constructor takes ``checkpoint``, ``revision`` and ``device`` if ``info.checkpoint`` is set,
    ``<name>`` and ``<name>_revision`` for each of ``info.companions``, and the recipe's ``options``
    as keywords. A class with ``asks_endpoint = True`` has an option ``endpoint``, which says where
    the server is that scores, and how it is asked; it is no part of the fingerprint. A text in
    place of True says in what messages it is asked, and is part of the fingerprint.
    """

    info: ClassVar[RewardInfo]

    def score(self, prompts: Sequence[str], images: Sequence[Image]) -> Sequence[float]:
        """A finite score for each of n prompts and n RGB images."""
        ...


@runtime_checkable
class RemembersAnswers(Protocol):
    """A reward that asks others, and need not ask again what was answered once."""

    def remember_in(self, folder: Path) -> None:
        """Keep answers below ``folder``, from when they arrive, and use those that are there."""
        ...


@runtime_checkable
class HeldToLock(Protocol):
    """A reward that may come to be another, and is held to what it was at first."""

    def hold_to(self, lock: Lock) -> None:
        """Keep what it is in ``lock``; refuse to score where another is there."""
        ...


@runtime_checkable
class HoldsSomething(Protocol):
    """A reward that holds more than memory."""

    def close(self) -> None:
        """Let go of it; called once, at the end."""
        ...


@dataclass(frozen=True)
class WantedReward:
    """A reward of a recipe, resolved as far as needed to know what its scores are called.

    Args:
        name: the recipe's name for it: scores lie in the column ``score_<name>``.
        registered: the registry's name.
        info: what it declares; None for a plain function.
        checkpoint: resolved; None for a reward without weights.
        companions: resolved, by name.
        asks_endpoint: a server scores, asked in these messages. Its option ``endpoint`` says where
            that is and how it is asked; it decides no score.
        suite: name and version of the suite, where what that asks decides a score; else None.
        judge: the registered judge of whose verdicts its scores are a form; None of other rewards.
    """

    name: str
    registered: str
    settings: CodeSettings
    info: RewardInfo | None
    checkpoint: LockEntry | None
    source_hash: str | None = None
    companions: Mapping[str, LockEntry] = field(default_factory=dict)
    asks_endpoint: str | None = None
    suite: Mapping[str, str] | None = None
    judge: str | None = None

    @property
    def options(self) -> dict[str, Any]:
        """The recipe's options, less those that say where a companion is."""
        return {k: v for k, v in self.settings.options.items() if k not in self.companions}

    @property
    def fingerprint_inputs(self) -> dict[str, Any]:
        """Everything that decides the score of one image, and nothing else."""
        companions = {
            name: checkpoints.identity(entry) for name, entry in sorted(self.companions.items())
        }
        options = {k: v for k, v in self.options.items() if not self._is_place(k)}
        inputs: dict[str, Any] = {
            "reward": self.registered,
            "version": self.info.version if self.info else None,
            "source": self.source_hash,
            "checkpoint": checkpoints.identity(self.checkpoint) if self.checkpoint else None,
            "options": options or None,
        }
        also = {
            "companions": companions,
            "endpoint": self.asks_endpoint,
            "suite": dict(self.suite or {}),
            "judge": self.judge,
        }
        return inputs | {key: value for key, value in also.items() if value}

    def _is_place(self, option: str) -> bool:
        return self.asks_endpoint is not None and option == "endpoint"

    @cached_property
    def fingerprint(self) -> str:
        """The hash of :attr:`fingerprint_inputs`."""
        return ids.fingerprint(self.fingerprint_inputs)

    @property
    def folder(self) -> str:
        """Where its scores lie in a workspace."""
        return f"scores/{self.name}-{ids.short(self.fingerprint)}"


def resolve_reward(
    name: str,
    settings: RewardSettings,
    lock: Lock,
    suite: Mapping[str, str] | None = None,
) -> WantedReward:
    """The reward that a recipe calls ``name``, with its checkpoint resolved.

    Args:
        suite: name and version of that of the workspace, for rewards that read what it asks.

    Raises:
        UnknownName: no registry knows it.
        RewardError: it is no reward, or an option it does not take.
        CheckpointError: its checkpoint cannot be resolved.
    """
    settings = spelled_out(name, with_files(name, settings, lock.folder))
    thing = registered_reward(name, settings, lock.folder)
    found = resolved(name, thing, settings, lock)
    asked = suite if getattr(thing, "reads_suite", False) else None
    return WantedReward(name, settings.reward or name, settings, **found, suite=asked)


def resolved(
    name: str, thing: Any, settings: CodeSettings, lock: Lock, kind: Kind | None = None
) -> dict[str, Any]:
    """The fields of a :class:`WantedReward` that ``lock`` and its class or function decide.

    Raises:
        RewardError, CheckpointError: as :func:`resolve_reward`; or it is code without source.
    """
    kind = kind or REWARD
    info: RewardInfo | None = getattr(thing, "info", None)
    weights = settings.checkpoint or (info.checkpoint if info else None)
    # A function has no version to raise: its own text stands in, so that editing it scores anew.
    source = None if info else ids.source_hash(getattr(thing, "function", thing))
    asks = getattr(thing, "asks_endpoint", False)
    apart = {}
    if (environment := environment_source(thing, settings.options)) is not None:
        apart = {"environment": recorded_environment(lock, environment, lock.folder)}
        source = module_hash(str(settings.options.get("code", "")), lock.folder)
    if info is None and source is None:
        raise RewardError(
            f"{kind.table}.{name}: {settings.code or name} has no source to tell its versions by",
            hint="wrap it in a function of your own, or give it an `info` (a RewardInfo)",
        )
    return {
        "info": info,
        "checkpoint": checkpoints.resolve(lock, weights, settings.revision) if weights else None,
        "source_hash": source,
        "companions": {
            companion: checkpoints.resolve(lock, *where)
            for companion, where in companion_sources(info, settings.options).items()
        }
        | apart,
        "asks_endpoint": CHAT_COMPLETIONS if asks is True else asks or None,
        "judge": getattr(thing, "form_of_judge", None),
    }


def registered_reward(
    name: str, settings: CodeSettings, beside: Path | None = None, kind: Kind | None = None
) -> Callable[..., Any]:
    """The class or function that ``settings`` are for; no weights are looked for.

    Args:
        beside: a folder in which modules of one's own are looked for too.
        kind: a reward if None.

    Raises:
        UnknownName: no registry knows it.
        RewardError: it is no reward, or takes no such option, or no checkpoint.
    """
    kind, settings = kind or REWARD, spelled_out(name, settings)
    registered = settings.code or name
    thing = kind.load(name, registered, beside)
    lacks = [one for one in kind.methods if inspect.isclass(thing) and not hasattr(thing, one)]
    if not callable(thing) or lacks:
        what = kind.registry.kind
        is_a = f"a class without `{lacks[0]}`" if lacks else f"a {type(thing).__name__}"
        raise RewardError(
            f"{kind.table}.{name}: {registered} is {is_a}, not a {what}",
            hint=f"name a class with a `{kind.methods[0]}` method, or a function of "
            f"{' and '.join(kind.takes)}",
        )
    thing = settled(name, thing, settings.options, beside)
    info: RewardInfo | None = getattr(thing, "info", None)
    if not isinstance(info, RewardInfo | None):
        raise RewardError(
            f"{kind.table}.{name}: the `info` of {registered} is of type {type(info).__name__}, "
            "not a RewardInfo",
            hint="make it an attribute of the class: info = RewardInfo(…); or leave it out",
        )
    _check_options(name, registered, thing, settings, kind)
    if settings.checkpoint and not (info and info.checkpoint):
        raise RewardError(
            f"{kind.table}.{name}: {registered} loads no weights, so it takes no checkpoint",
            hint="leave `checkpoint` out",
        )
    return cast(Callable[..., Any], thing)


def companion_sources(
    info: RewardInfo | None, options: Mapping[str, Any]
) -> dict[str, tuple[str, str | None]]:
    """Companion → source and revision: where the reward declares it, or where its option says."""
    found: dict[str, tuple[str, str | None]] = {}
    for name, companion in (info.companions if info else {}).items():
        source, _, revision = str(options.get(name, companion.repository)).partition("@")
        found[name] = (source, revision or None)
    return found


def open_reward(wanted: WantedReward, workspace: Workspace, device: str) -> Reward:
    """Load ``wanted`` onto ``device``.

    Raises:
        RewardError: it cannot be opened; the message says why.
    """
    return cast(Reward, opened(wanted, workspace, device))


def opened(
    wanted: WantedReward, workspace: Workspace, device: str, kind: Kind | None = None
) -> Any:
    """What ``wanted`` stands for, loaded onto ``device``.

    Raises:
        RewardError: it cannot be opened; the message says why.
    """
    kind = kind or REWARD
    arguments = wanted.options
    if wanted.checkpoint is not None:
        location, commit = checkpoints.load_from(workspace.folder, wanted.checkpoint)
        arguments |= {"checkpoint": location, "revision": commit, "device": device}
    for name, entry in wanted.companions.items():
        if entry.kind == "environment":
            arguments |= environment_arguments(entry, workspace.folder)
            continue
        location, commit = checkpoints.load_from(workspace.folder, entry)
        arguments |= {name: location, f"{name}_revision": commit}
    code = kind.load(wanted.name, wanted.registered, workspace.folder)
    code = settled(wanted.name, code, arguments, workspace.folder)
    thing = construct_reward(wanted.name, code, arguments, kind)
    if isinstance(thing, RemembersAnswers) and workspace.store.is_local:
        thing.remember_in(workspace.folder / ANSWERS)
    if isinstance(thing, HeldToLock):
        thing.hold_to(RecipeLock(workspace.store))
    return thing


def require_openable(name: str, settings: RewardSettings, snapshot: Snapshot) -> None:
    """See that a reward can be opened, as far as that is known without its weights.

    Raises:
        UnknownName, RewardError, CheckpointError: as :func:`resolve_reward`; what it reads is not
            installed; or its options cannot be followed by one that asks an endpoint.
    """
    wanted = resolve_reward(name, settings, snapshot.lock)
    thing = registered_reward(name, settings, snapshot.workspace.folder)
    # What a reward reads besides its weights, where it can say so.
    getattr(thing, "check_installed", lambda: None)()
    if wanted.asks_endpoint:
        open_reward(wanted, snapshot.workspace, "cpu")  # it sends nothing


def construct_reward(
    name: str, thing: Callable[..., Any], arguments: dict[str, Any], kind: Kind | None = None
) -> Any:
    """``thing``, a class or a function, with these arguments of its constructor or call.

    Raises:
        RewardError: it cannot be opened; the message says why.
    """
    kind = kind or REWARD
    what = kind.registry.kind
    hint = f"check its checkpoint and options; `synpic list {what}s` shows what it expects"
    with naming_own_errors(f"{what} {name!r} cannot be opened", RewardError, hint):
        return thing(**arguments) if inspect.isclass(thing) else kind.of_function(thing, arguments)


class _OneAtATime:
    """A plain function of one prompt and one image, given batches."""

    info: ClassVar[RewardInfo] = RewardInfo(summary="a plain function")

    def __init__(self, function: Callable[..., float], options: dict[str, Any]) -> None:
        self._function, self._options = function, options

    def score(self, prompts: Sequence[str], images: Sequence[Image]) -> list[float]:
        pairs = zip(prompts, images, strict=True)
        return [float(self._function(prompt, image, **self._options)) for prompt, image in pairs]


REWARD = Kind(REWARDS, ("score",), ("a prompt", "an image"), _OneAtATime)


def _check_options(
    name: str, registered: str, thing: Any, settings: CodeSettings, kind: Kind
) -> None:
    given = {"checkpoint", "revision", "device"}
    try:
        parameters = inspect.signature(thing).parameters
    except (TypeError, ValueError):
        return
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return
    info: RewardInfo | None = getattr(thing, "info", None)
    given |= {f"{name}_revision" for name in (info.companions if info else ())}
    known = [key for key in parameters if key not in given]
    if not inspect.isclass(thing):
        known = known[len(kind.takes) :]
    for key in settings.options:
        if key not in known:
            raise RewardError(
                f"{kind.table}.{name}.options.{key}: {registered} takes no such option",
                hint=f"it takes: {', '.join(known) or 'none'}",
            )
