"""Flow-Factory's remote reward: ``POST {server_url}/compute`` and ``GET {server_url}/health``.

Its client knows an address and no name of a reward, so that each reward has an address:
``http://host:8080/flow-factory/NAME``. ``http://host:8080`` is the reward that was named first.

Any status but 200 carries ``{"detail": message}``. The client tries three times without a pause
whatever the status is, and shows the status alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from synpic.score.wires.flow_factory import ComputeAnswer, ComputeRequest
from synpic.serve.asking import Ask, Refused, Scored, Scorer
from synpic.serve.wires.reading import from_base64, in_words, message

__all__ = ["routes"]


def routes(scorer: Scorer, limits: object) -> list[Route]:
    """The addresses of this wire."""
    del limits  # The application holds every body to them.

    async def compute(request: Request) -> Response:
        try:
            asks = await run_in_threadpool(_asks, await request.body())
            name = request.path_params.get("reward", scorer.names[0])
            answer = ComputeAnswer(rewards=await _rewards(scorer, name, asks))
        except Refused as error:
            return JSONResponse({"detail": in_words(error)}, error.status, error.headers)
        return JSONResponse(answer.model_dump())

    async def health(request: Request) -> Response:
        name = request.path_params["reward"]
        if name not in scorer.names:
            served = ", ".join(scorer.names)
            return JSONResponse({"detail": f"no reward {name!r} is served: {served}"}, 404)
        return JSONResponse({"status": scorer.state}, 200 if scorer.state == "ok" else 503)

    return [
        Route("/compute", compute, methods=["POST"]),
        Route("/flow-factory/{reward}/compute", compute, methods=["POST"]),
        Route("/flow-factory/{reward}/health", health, methods=["GET"]),
    ]


def _asks(body: bytes) -> list[Ask]:
    asked = message(ComputeRequest, body)
    if asked.image is None:
        raise Refused(
            422,
            "image: none was sent",
            hint="rewards here score images: required_fields of the reward are prompt and image",
        )
    if len(asked.image) != len(asked.prompt):
        raise Refused(422, f"{len(asked.prompt)} prompts for {len(asked.image)} images")
    images = from_base64(asked.image, "image")
    return [Ask(prompt, image) for prompt, image in zip(asked.prompt, images, strict=True)]


async def _rewards(scorer: Scorer, name: str, asks: Sequence[Ask]) -> list[float]:
    ended = (await scorer.score(asks, [name]))[name]
    for number, one in enumerate(ended):
        if not isinstance(one, Scored):
            raise Refused(500, f"image {number}: {one.message}", hint=one.hint)
    return [one.value for one in ended if isinstance(one, Scored)]
