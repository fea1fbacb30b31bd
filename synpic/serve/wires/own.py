"""synpic's own wire: ``POST /v1/score``, ``POST /v1/group`` and ``GET /v1/rewards``.

:mod:`synpic.score.wires.synpic` has its messages, and ``/openapi.json`` describes them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict

from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from synpic import __version__
from synpic.errors import RankingError, RewardError, UnknownName, did_you_mean
from synpic.recipe.aggregation import find_aggregation
from synpic.registry import AGGREGATIONS
from synpic.score.wires.synpic import (
    GroupAnswer,
    GroupRequest,
    ItemError,
    RewardsAnswer,
    ScoreAnswer,
    ScoreRequest,
)
from synpic.serve.asking import Ask, DescribedScorer, Refused, Scored, Unscored
from synpic.serve.group import rank_group
from synpic.serve.openapi import WireEndpoint, openapi
from synpic.serve.wires.reading import from_base64, message
from synpic.web.answers import json_answer

__all__ = ["ENDPOINTS", "routes"]

ENDPOINTS = (
    WireEndpoint(
        "POST", "/v1/score", "Score n images, each for its own prompt.", ScoreRequest, ScoreAnswer
    ),
    WireEndpoint("POST", "/v1/group", "Rank k images of one prompt.", GroupRequest, GroupAnswer),
    WireEndpoint("GET", "/v1/rewards", "What is served.", None, RewardsAnswer),
)


def routes(scorer: DescribedScorer, limits: object) -> list[Route]:
    """The addresses of this wire."""
    del limits  # The application holds every body to them.
    aggregations = AGGREGATIONS.names()  # which looks through all that is installed

    async def score(request: Request) -> Response:
        body = await request.body()
        asked, asks = await run_in_threadpool(_asks, body)
        names = asked.rewards or list(scorer.names)
        return _answer(_scores(await scorer.score(asks, names)))

    async def group(request: Request) -> Response:
        body = await request.body()
        asked, asks = await run_in_threadpool(_asks_of_group, body, aggregations)
        names = asked.rewards or list(scorer.names)
        for name in asked.weights or ():
            if name not in names:
                raise Refused(
                    422, f"weights: {name[:100]!r} does not rank.{did_you_mean(name, names)}"
                )
        found = await scorer.score(asks, names)
        return _answer(await run_in_threadpool(_ranked, asked, found))

    async def rewards(request: Request) -> Response:
        return _answer(RewardsAnswer(rewards=scorer.described, synpic=__version__))

    async def description(request: Request) -> Response:
        return json_answer(openapi(ENDPOINTS))

    answers: dict[str, Callable[[Request], Awaitable[Response]]] = {
        "/v1/score": score,
        "/v1/group": group,
        "/v1/rewards": rewards,
    }
    return [
        *(Route(one.path, answers[one.path], methods=[one.method]) for one in ENDPOINTS),
        Route("/openapi.json", description, methods=["GET"]),
    ]


def _answer(message: BaseModel) -> Response:
    return Response(message.model_dump_json(), media_type="application/json")


def _asks(body: bytes) -> tuple[ScoreRequest, list[Ask]]:
    asked = message(ScoreRequest, body)
    prompts, images = asked.prompts, asked.images
    if not images:
        raise Refused(422, "images: there are none", hint="send one image or more")
    if len(prompts) != len(images):
        raise Refused(
            422,
            f"{len(prompts)} prompts for {len(images)} images",
            hint="send one prompt for each image",
        )
    metadata = asked.metadata or [None] * len(images)
    if len(metadata) != len(images):
        raise Refused(422, f"metadata of {len(metadata)} images for {len(images)}")
    files = from_base64(images, "images")
    return asked, [
        Ask(*one) for one in zip(prompts, files, (m or {} for m in metadata), strict=True)
    ]


def _asks_of_group(body: bytes, aggregations: Sequence[str]) -> tuple[GroupRequest, list[Ask]]:
    asked = message(GroupRequest, body)
    if asked.aggregation not in aggregations:
        # A caller names no code: what is written out would be imported.
        near = did_you_mean(asked.aggregation, aggregations)
        raise Refused(
            422,
            f"unknown aggregation {asked.aggregation[:100]!r}.{near}",
            hint=f"known: {', '.join(aggregations)}",
        )
    files = from_base64(asked.images, "images")
    return asked, [Ask(asked.prompt, file, asked.metadata or {}) for file in files]


def _scores(found: dict[str, list[Scored | Unscored]]) -> ScoreAnswer:
    return ScoreAnswer(
        scores={
            name: [one.value if isinstance(one, Scored) else None for one in ends]
            for name, ends in found.items()
        },
        errors=[
            ItemError(reward=name, item=item, message=one.message, hint=one.hint)
            for name, ends in found.items()
            for item, one in enumerate(ends)
            if isinstance(one, Unscored)
        ],
    )


def _ranked(asked: GroupRequest, found: dict[str, list[Scored | Unscored]]) -> GroupAnswer:
    scores: dict[str, list[float]] = {}
    for name, ends in found.items():
        scores[name] = []
        for item, one in enumerate(ends):
            if isinstance(one, Unscored):
                raise Refused(
                    500,
                    f"image {item} has no score by {name}, so the group has no ranking: "
                    f"{one.message}",
                    hint=one.hint,
                )
            scores[name].append(one.value)
    try:
        ranked = rank_group(scores, asked.weights or {}, find_aggregation(asked.aggregation))
    except (RankingError, RewardError, UnknownName) as error:
        raise Refused(422, error.message, hint=error.hint) from error
    return GroupAnswer(**asdict(ranked))
