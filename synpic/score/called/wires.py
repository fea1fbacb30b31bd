"""How each kind of server is asked for scores, and how its answers are read."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from synpic.score.servers.outcomes import NotAsked, Unreadable
from synpic.score.servers.server import Call
from synpic.score.wires.flow_factory import ComputeAnswer, ComputeRequest
from synpic.score.wires.synpic import RewardDescription, RewardsAnswer, ScoreAnswer, ScoreRequest
from synpic.score.wires.unirl import ItemRequest, RewardNames, Turn, UnirlAnswer, UnirlRequest

__all__ = ["WIRES", "AskedImage", "NoScore", "Served", "Wire"]


@dataclass(frozen=True)
class AskedImage:
    """What is asked about.

    Args:
        png: the bytes of a file.
        asks: JSON of what the prompt asks for, where a reward reads more than its text; only a
            server of synpic is sent it.
    """

    prompt: str
    png: bytes
    asks: str = "null"

    @property
    def base64(self) -> str:
        """The image as it stands in JSON."""
        return base64.b64encode(self.png).decode()


@dataclass(frozen=True)
class NoScore:
    """Why the server gave one image no score, and what to do."""

    reason: str
    hint: str | None = None


@dataclass(frozen=True)
class Served:
    """What a server says that it serves.

    Args:
        names: of its rewards.
        described: of the reward that is asked for; None where the wire has no description.
    """

    names: tuple[str, ...]
    described: RewardDescription | None = None


class Wire(Protocol):
    """The messages of one kind of server."""

    program: ClassVar[str]
    """What speaks so, for messages."""
    path: ClassVar[str]
    """Where scores are asked for; an address may be written with it."""

    def served(self, name: str) -> Call[Served] | None:
        """The question which rewards there are; None where there is no such question."""
        ...

    def scores(self, name: str, asked: Sequence[AskedImage]) -> Call[list[float | NoScore]]:
        """The question for the scores of ``asked``, whose answer has one for each."""
        ...


class _FlowFactory:
    """One reward an address: it has no name there. What fails fails for the whole request."""

    program: ClassVar[str] = "Flow-Factory's reward server"
    path: ClassVar[str] = "/compute"

    def served(self, name: str) -> None:
        return None

    def scores(self, name: str, asked: Sequence[AskedImage]) -> Call[list[float | NoScore]]:
        request = ComputeRequest(
            prompt=[one.prompt for one in asked], image=[one.base64 for one in asked]
        )

        def read(text: str) -> list[float | NoScore]:
            return _counted(asked, _parsed(ComputeAnswer, text, self).rewards)

        return Call(self.path, _body(request), read)


class _Unirl:
    """Rewards by name, each with named parts: ``reward/part`` names one of several.

    A server gives all items of a request the same error, so that an error says nothing of one item
    unless it is alone.
    """

    program: ClassVar[str] = "UniRL's reward service"
    path: ClassVar[str] = "/score"

    def served(self, name: str) -> Call[Served]:
        return Call("/rewards", None, self._served)

    def scores(self, name: str, asked: Sequence[AskedImage]) -> Call[list[float | NoScore]]:
        reward, _, part = name.partition("/")
        request = UnirlRequest(
            requests=[
                ItemRequest(
                    history=[Turn(text=one.prompt, image_b64=one.base64)],
                    required_rewards=[reward],
                )
                for one in asked
            ]
        )

        def read(text: str) -> list[float | NoScore]:
            answer = _parsed(UnirlAnswer, text, self)
            errors = [one[reward] for one in answer.errors if reward in one]
            if errors and len(asked) > 1:
                raise NotAsked(errors[0])
            if errors:
                return [NoScore(errors[0])]
            return _counted(asked, [_part(one, reward, part) for one in answer.results])

        return Call(self.path, _body(request), read)

    def _served(self, text: str) -> Served:
        return Served(tuple(_parsed(RewardNames, text, self).rewards))


class _Synpic:
    """Rewards by name, with a description of each; an image without a score has its own error."""

    program: ClassVar[str] = "synpic serve"
    path: ClassVar[str] = "/v1/score"

    def served(self, name: str) -> Call[Served]:
        def read(text: str) -> Served:
            rewards = _parsed(RewardsAnswer, text, self).rewards
            return Served(tuple(rewards), rewards.get(name))

        return Call("/v1/rewards", None, read)

    def scores(self, name: str, asked: Sequence[AskedImage]) -> Call[list[float | NoScore]]:
        request = ScoreRequest(
            prompts=[one.prompt for one in asked],
            images=[one.base64 for one in asked],
            rewards=[name],
            metadata=[json.loads(one.asks) for one in asked] if any(_asks_more(asked)) else None,
        )

        def read(text: str) -> list[float | NoScore]:
            answer = _parsed(ScoreAnswer, text, self)
            if name not in answer.scores:
                raise _another(self)
            why = {
                one.item: NoScore(one.message, one.hint)
                for one in answer.errors
                if one.reward == name
            }
            found = [
                why.get(item, NoScore("the server gave no score and no reason"))
                if score is None
                else score
                for item, score in enumerate(answer.scores[name])
            ]
            return _counted(asked, found)

        return Call(self.path, _body(request), read)


WIRES: Mapping[str, Callable[[], Wire]] = {
    "flow-factory": _FlowFactory,
    "unirl": _Unirl,
    "synpic": _Synpic,
}

T = TypeVar("T", bound=BaseModel)


def _asks_more(asked: Sequence[AskedImage]) -> list[bool]:
    return [one.asks != "null" for one in asked]


def _body(request: BaseModel) -> bytes:
    return request.model_dump_json(exclude_none=True).encode()


def _parsed(kind: type[T], text: str, wire: Wire) -> T:
    """An answer.

    Raises:
        NotAsked: a score is no finite number.
        Unreadable: it is no such answer.
    """
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        if all(one["type"] == "finite_number" for one in error.errors()):
            raise NotAsked("the server gave a score that is no finite number") from None
        raise _another(wire) from None


def _another(wire: Wire) -> Unreadable:
    return Unreadable(
        f"what answers there is not {wire.program}",
        f"give the address of the server without {wire.path}, and the wire that it speaks",
    )


def _counted(
    asked: Sequence[AskedImage], found: Sequence[float | NoScore]
) -> list[float | NoScore]:
    if len(found) != len(asked):
        raise Unreadable(
            f"the server gave {len(found)} scores for {len(asked)} images",
            "a server gives one score for each image, in their order",
        )
    return [
        NoScore(f"the server gave {one}, which is no finite number")
        if isinstance(one, float) and not math.isfinite(one)
        else one
        for one in found
    ]


def _part(result: Mapping[str, Mapping[str, float]], reward: str, part: str) -> float | NoScore:
    """The number of a reward's parts that is its score.

    Raises:
        Unreadable: it has other parts, or several and none is named.
    """
    parts = result.get(reward)
    if not parts:
        return NoScore("the server gave no score and no reason")
    if not part and len(parts) == 1:
        return next(iter(parts.values()))
    if part not in parts:
        raise Unreadable(
            f"the reward {reward} has the parts {', '.join(parts)}",
            f'write the one that scores: reward = "{reward}/{next(iter(parts))}"',
        )
    return parts[part]
