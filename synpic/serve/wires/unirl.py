"""UniRL's reward service: ``POST /score`` and ``GET /rewards``.

``GET /health`` is the application's, and has what UniRL's client looks for at its start: the names
of the rewards as keys of ``rewards``.

A reward that cannot score an item is in that item's ``errors``; a request that cannot be read is
answered with ``{"detail": message}``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from synpic.score.wires.unirl import ItemRequest, UnirlAnswer, UnirlRequest
from synpic.serve.asking import Ask, Refused, Scored, Scorer, too_many
from synpic.serve.limits import RequestLimits
from synpic.serve.wires.reading import from_base64, in_words, message

__all__ = ["VALUE", "routes"]

VALUE = "score"
"""The sub-score that is the reward; others follow it. UniRL takes the first by default."""


def routes(scorer: Scorer, limits: RequestLimits) -> list[Route]:
    """The addresses of this wire."""

    async def score(request: Request) -> Response:
        try:
            items, asks = await run_in_threadpool(_asks, await request.body(), limits.queue)
            answer = await _answer(scorer, items, asks)
        except Refused as error:
            return JSONResponse({"detail": in_words(error)}, error.status, error.headers)
        return JSONResponse(answer.model_dump())

    async def rewards(_: Request) -> Response:
        return JSONResponse({"rewards": list(scorer.names)})

    return [
        Route("/score", score, methods=["POST"]),
        Route("/rewards", rewards, methods=["GET"]),
    ]


def _asks(body: bytes, most: int) -> tuple[list[ItemRequest], list[Ask]]:
    items = message(UnirlRequest, body).requests
    if len(items) > most:
        # Those of the same rewards are asked together: each such part alone could find room.
        raise too_many(len(items), most)
    return items, [_ask(number, item) for number, item in enumerate(items)]


async def _answer(scorer: Scorer, items: Sequence[ItemRequest], asks: Sequence[Ask]) -> UnirlAnswer:
    results: list[dict[str, dict[str, float]]] = [{} for _ in items]
    errors: list[dict[str, str]] = [{} for _ in items]
    alike = _alike(items)
    asking = [
        asyncio.ensure_future(scorer.score([asks[n] for n in alike[rewards]], rewards))
        for rewards in alike
    ]
    try:
        answers = await asyncio.gather(*asking)
    finally:
        for part in asking:  # where one is refused, the others are not scored in vain
            part.cancel()
    for numbers, ended in zip(alike.values(), answers, strict=True):
        for name, ends in ended.items():
            for number, one in zip(numbers, ends, strict=True):
                if isinstance(one, Scored):
                    others = {part: of for part, of in one.parts.items() if part != VALUE}
                    results[number][name] = {VALUE: one.value, **others}
                else:
                    errors[number][name] = in_words(one)
    return UnirlAnswer(results=results, errors=errors)


def _alike(items: Sequence[ItemRequest]) -> dict[tuple[str, ...], list[int]]:
    """Rewards → numbers of the items that want these."""
    alike: dict[tuple[str, ...], list[int]] = {}
    for number, item in enumerate(items):
        alike.setdefault(tuple(dict.fromkeys(item.required_rewards)), []).append(number)
    return alike


def _ask(number: int, item: ItemRequest) -> Ask:
    """The last turn: the text that an image was drawn for, and the image."""
    if not item.history:
        raise Refused(422, f"requests.{number}.history is empty")
    last = item.history[-1]
    if last.image_b64 is None:
        raise Refused(
            422,
            f"requests.{number}: its last turn has no image_b64",
            hint="rewards here score images, and no videos",
        )
    [image] = from_base64([last.image_b64], f"requests.{number}.image_b64")
    return Ask(last.text, image, item.metadata or {}, number)
